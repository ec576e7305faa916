"""Error answers as exceptions; pauses between the rounds of polling; waiting for phases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ClientError,
    ConflictError,
    IllegalArgumentError,
    RateLimitError,
    ResourceNotFound,
    ResponseError,
    ServerError,
    ServerNotAvailable,
)
from neuro_client.trainings import Pace, PolicyViolationError, TrainingPhase
from neuro_client.trainings.errors import map_error
from neuro_client.trainings.watching import phase_predicate
from neuro_client.transport import Failure

CLASSES = {
    400: IllegalArgumentError,
    401: AuthenticationError,
    403: AuthorizationError,
    404: ResourceNotFound,
    405: ClientError,
    409: ConflictError,
    413: IllegalArgumentError,
    422: IllegalArgumentError,
    429: RateLimitError,
    500: ServerError,
    502: ServerNotAvailable,
    503: ServerNotAvailable,
}


def failed(status: int, body: Any, kind: str = "application/json") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = URL("https://app.run.ai/api/v1/workloads/trainings")
    return map_error(Failure("POST", url, status, {"Content-Type": kind}, content))


@pytest.mark.parametrize(("status", "cls"), CLASSES.items())
def test_every_status_has_its_class(status: int, cls: type[ResponseError]) -> None:
    error = failed(status, {"code": status, "message": "no", "details": "because"})
    assert type(error) is cls
    assert error.status == status
    assert error.code == str(status)
    assert "no: because (POST https://app.run.ai" in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"<html><body>Bad</body></html>", "text/html", "an HTML page"),
        (b"", "", "an empty answer"),
        (b"upstream timed out", "text/plain", "upstream timed out"),
        (b"[1, 2]", "application/json", "[1, 2]"),
        (b'{"code": 502, "message": null}', "application/json", '{"code"'),
        (b'{"error": "invalid_client"}', "application/json", "invalid_client"),
        (b"\xff\xfe" + b"x" * 5000, "text/plain", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_bodies_of_others(body: bytes, kind: str, text: str) -> None:
    error = failed(502, body, kind)
    assert str(error).startswith(text)
    assert len(str(error)) < 2500


def test_a_policy_is_told_field_by_field() -> None:
    issues = [{"field": "image", "details": "not allowed", "rule": "options"}, "odd", {}]
    error = failed(400, {"message": "no", "complianceIssues": issues})
    assert isinstance(error, PolicyViolationError)
    assert [issue.field for issue in error.issues] == ["image", ""]
    assert "spec.image: not allowed" in str(error)
    # Of other answers the key means nothing.
    assert not isinstance(failed(409, {"complianceIssues": issues}), PolicyViolationError)
    assert not isinstance(failed(400, {"complianceIssues": {}}), PolicyViolationError)


def test_rounds_are_far_apart_when_nothing_changes() -> None:
    steady = Pace(random=lambda: 1.0)
    assert steady.pause(0.0, 0.0) == 0.05
    assert steady.pause(4.0, 0.0) == 1.0
    assert steady.pause(1e6, 0.0) == 5.0
    assert steady.pause(0.0, 8.0) == 8.0  # a round that took long
    assert Pace(random=lambda: 0.0).pause(4.0, 0.0) == 0.75


def test_what_is_waited_for() -> None:
    ended = phase_predicate(None)
    assert [phase for phase in TrainingPhase if ended(phase)] == [
        TrainingPhase.FAILED,
        TrainingPhase.COMPLETED,
    ]
    assert not phase_predicate([TrainingPhase.RUNNING])(TrainingPhase.PENDING)
    misspelt: Any = "Runing"
    for wrong in ([], [misspelt], [TrainingPhase.UNKNOWN]):
        with pytest.raises(ValueError, match="at least one phase"):
            phase_predicate(wrong)
