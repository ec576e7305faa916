"""Turn what a control plane answers into one exception of ours (runai-trainings.md §1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..errors import IllegalArgumentError, TrainingFailed
from ..transport import Failure, build_error
from .models import Condition, Event, Pod, Training

_MAX_TEXT = 2000


@attrs.frozen
class ComplianceIssue:
    """Name one field that an administrator's policy does not allow as it is.

    ``field`` is a dotted path below ``spec``; ``rule`` is what was broken (``min``, ``options``,
    ``canEdit`` …), None if the server does not say.
    """

    field: str
    details: str
    rule: str | None = None


class PolicyViolationError(IllegalArgumentError):
    """Report a submission that an administrator's policy forbids; ``issues`` lists the fields."""

    def __init__(self, *args: object, issues: Sequence[ComplianceIssue] = (), **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.issues = tuple(issues)


class TrainingFailure(TrainingFailed):
    """Report an awaited training that ended otherwise, with what the control plane knows of it.

    ``conditions`` and ``events`` (warnings, newest first) and ``pods`` are best effort; the
    control plane has no exit codes.
    """

    def __init__(
        self,
        *args: object,
        conditions: Sequence[Condition] = (),
        events: Sequence[Event] = (),
        pods: Sequence[Pod] = (),
        **facts: Any,
    ) -> None:
        super().__init__(*args, **facts)
        self.conditions = tuple(conditions)
        self.events = tuple(events)
        self.pods = tuple(pods)

    @property
    def training(self) -> Training | None:
        """Return the training as it was read last; the same as ``job``."""
        found: Training | None = self.job
        return found


def map_error(failure: Failure) -> Exception:
    """Return the exception of an error answer; its body may also be HTML or empty."""
    payload = _json_object(failure.body)
    text = _text(failure, payload)
    code = payload.get("code", payload.get("error"))
    error = build_error(failure, text, code=None if code is None else str(code))
    issues = _issues(payload)
    if failure.status != 400 or not issues:
        return error
    listed = "; ".join(f"spec.{issue.field}: {issue.details}" for issue in issues)
    return PolicyViolationError(
        f"{error}: {listed}",
        issues=issues,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        method=error.method,
        url=error.url,
        body=error.body,
    )


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(failure: Failure, payload: Mapping[str, Any]) -> str:
    told = [payload.get("message") or payload.get("error")]
    told.append(payload.get("details") or payload.get("error_description"))
    words = [str(word).strip() for word in told if word]
    if words:
        return ": ".join(words)[:_MAX_TEXT]
    if "html" in failure.headers.get("Content-Type", ""):
        return "an HTML page instead of an answer of the control plane"
    text = failure.body.decode("utf-8", "replace").strip()
    return text[:_MAX_TEXT] or "an empty answer"


def _issues(payload: Mapping[str, Any]) -> list[ComplianceIssue]:
    found = payload.get("complianceIssues")
    if not isinstance(found, list):
        return []
    return [
        ComplianceIssue(
            str(item.get("field", "")),
            str(item.get("details", "")),
            None if item.get("rule") is None else str(item["rule"]),
        )
        for item in found
        if isinstance(item, dict)
    ]
