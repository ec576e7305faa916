"""Answers of the control plane (runai-trainings.md §1.1, §1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...strict_json import read_object

_ACCEPTED = {"code": 202, "message": "Request has been accepted."}


class Refusal(Exception):
    """Refuse a request with the error body of §1.1."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        details: str | None = None,
        issues: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.issues = issues

    def response(self) -> web.Response:
        """Build the answer."""
        body: dict[str, Any] = {"code": self.status, "message": self.message}
        if self.details is not None:
            body["details"] = self.details
        if self.issues:
            body["complianceIssues"] = list(self.issues)
        return web.json_response(body, status=self.status)


class OAuthRefusal(Exception):
    """Refuse a request for a token in the form of RFC 6749 (§2.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.status = status

    def response(self) -> web.Response:
        """Build the answer."""
        body = {"error": self.error, "error_description": str(self)}
        return web.json_response(body, status=self.status)


def accepted() -> web.Response:
    """Tell that something will be done."""
    return web.json_response(_ACCEPTED, status=202)


def timestamp(seconds: float | None) -> str | None:
    """Write a time as the control plane does: UTC, milliseconds."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def moment(text: str, name: str) -> float:
    """Read a time of a query; one without a zone is UTC. Raises 400."""
    # A "+" that nobody has quoted arrives as a blank.
    head, blank, zone = text.strip().rpartition(" ")
    if blank and ":" in zone and "T" in head:
        text = f"{head}+{zone}"
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.timestamp()
    except (ValueError, OverflowError):
        raise Refusal(400, f"{name} must be a time like 2024-05-01T10:00:00Z") from None


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of the body; raises 400."""
    try:
        return read_object(await request.read())
    except ValueError as error:
        raise Refusal(400, "The request body is not a JSON object", details=str(error)) from None
