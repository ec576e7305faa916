"""Answers of the control plane: nulls, texts for numbers, phases of newer servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from yarl import URL

from neuro_client.artifacts import ExperimentPhase, RunPhase
from neuro_client.artifacts.errors import LinkExpiredError, map_error, map_link_error
from neuro_client.artifacts.wire import (
    decode_artifacts,
    decode_cluster,
    decode_experiment,
    decode_run,
    items_of,
    next_token,
)
from neuro_client.errors import (
    AuthorizationError,
    ConflictError,
    IllegalArgumentError,
    ProtocolError,
    ResourceNotFound,
)
from neuro_client.run import RunStatus
from neuro_client.transport import Failure


def test_what_a_sparse_server_leaves_out_has_a_value() -> None:
    run = decode_run({"id": "1", "name": "a", "spec": None, "status": {"cost": "1.5"}, "new": 1})
    assert (run.phase, run.cost, run.counts.total) == (RunPhase.UNKNOWN, 1.5, 0)
    assert run.raw["new"] == 1
    status = {"phase": "EXPERIMENT_STATE_HIBERNATED", "startTimestamp": "2024-05-01T10:00:00.5Z"}
    found = decode_experiment({"id": "1", "name": "a-exp0", "status": status})
    assert found.phase is ExperimentPhase.UNKNOWN
    assert found.started_at == datetime(2024, 5, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert decode_cluster({"id": "c", "spec": {"driver": None}}).bucket == ""


@pytest.mark.parametrize("phase", [*RunPhase, *ExperimentPhase])
def test_every_phase_has_a_name_on_the_wire_and_a_common_status(
    phase: RunPhase | ExperimentPhase,
) -> None:
    assert type(phase).read(phase.wire) is phase
    assert phase.is_finished is phase.run_status.is_finished
    assert isinstance(phase.run_status, RunStatus)


def test_the_two_spellings_of_cancelled_are_kept() -> None:
    assert RunPhase.CANCELLED.wire == "RUN_STATE_CANCELED"
    assert ExperimentPhase.CANCELLED.wire == "EXPERIMENT_STATE_CANCELLED"


@pytest.mark.parametrize("size", ["12", 12])
def test_sizes_are_text_or_numbers(size: Any) -> None:
    item = {"filename": "a", "url": "http://h/a%2Fb?X=%2B", "sizeBytes": size, "md5Checksum": None}
    [found] = decode_artifacts([item], "a-exp0", "a")
    assert (found.size, found.md5) == (12, "")
    assert str(found.url) == "http://h/a%2Fb?X=%2B"  # as it was signed


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"url": "u"}, r"\$\[0\]\.filename"),
        ({"filename": "a", "url": "u", "sizeBytes": True}, r"\$\[0\]\.sizeBytes"),
        ({"filename": 1, "url": "u"}, r"\$\[0\]\.filename"),
    ],
)
def test_what_cannot_be_read_names_its_place(item: dict[str, Any], place: str) -> None:
    with pytest.raises(ProtocolError, match=place):
        decode_artifacts([item], "a-exp0", "a")


def test_a_page_is_an_object_with_a_list() -> None:
    assert items_of({"runs": None}, "runs") == ()
    assert next_token({"nextPageToken": None}) == next_token({}) == ""
    pages: list[Any] = [[], {"runs": {}}, "x", None]
    for page in pages:
        with pytest.raises(ProtocolError, match=r"\$\.runs"):
            items_of(page, "runs")


def failure(status: int, body: bytes, kind: str = "application/json") -> Failure:
    url = URL("http://h/x?X-Grid-Signature=hush")
    return Failure("GET", url, status, {"Content-Type": kind}, body)


@pytest.mark.parametrize(
    ("status", "body", "cls", "text"),
    [
        (404, b'{"code":5,"message":"gone","details":[]}', ResourceNotFound, "gone"),
        (409, b'{"code":6,"message":"m","details":[{"message":"d"}]}', ConflictError, "d ("),
        (400, b'{"message":"m","details":[{"message":"a"},{}]}', IllegalArgumentError, "m ("),
        (403, b"[1]", AuthorizationError, "[1]"),
        (400, b"", IllegalArgumentError, "an empty answer"),
    ],
)
def test_errors_say_what_the_server_said(
    status: int, body: bytes, cls: type[Exception], text: str
) -> None:
    found = map_error(failure(status, body))
    assert type(found) is cls
    assert str(found).startswith(text)
    assert "hush" not in str(found)


@pytest.mark.parametrize(
    ("status", "code", "expired"),
    [(403, "AccessDenied", True), (401, "X", True), (400, "ExpiredToken", True), (404, "X", False)],
)
def test_a_link_that_is_refused_is_told_from_one_that_leads_nowhere(
    status: int, code: str, expired: bool
) -> None:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    found = map_link_error(failure(status, body, "application/xml"))
    assert isinstance(found, LinkExpiredError) is expired
    assert "hush" not in str(found)
