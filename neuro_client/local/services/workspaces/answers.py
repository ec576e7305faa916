"""Answers of the platform's API (garage-workspace.md §4.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...strict_json import read_object

INVALID = "validation_error"


class Refusal(Exception):
    """Refuse a request in the envelope of §4.2."""

    def __init__(self, status: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.hint = hint

    def response(self) -> web.Response:
        """Build the answer."""
        body = {"code": self.code, "message": str(self)}
        if self.hint is not None:
            body["hint"] = self.hint
        return web.json_response(body, status=self.status)


def invalid(message: str) -> Refusal:
    """Return the refusal of a request that makes no sense."""
    return Refusal(400, INVALID, message)


def not_found(what: str) -> Refusal:
    """Return the refusal of a request for something that is not there."""
    return Refusal(404, "not_found", f"There is no {what}")


def timestamp(seconds: float | None) -> str | None:
    """Write a time: UTC, milliseconds."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of the body; raises 400."""
    try:
        return read_object(await request.read())
    except ValueError as error:
        raise invalid(f"The request body is not a JSON object: {error}") from None
