"""Answers of the control plane: JSON in camel case, refusals as a gRPC gateway has them (§3.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...strict_json import read_object

INVALID, NOT_FOUND, EXISTS, DENIED, WRONG_STATE, UNAUTHENTICATED = 3, 5, 6, 7, 9, 16
_INTERNAL = 13
_STATUS = {
    INVALID: 400,
    NOT_FOUND: 404,
    EXISTS: 409,
    DENIED: 403,
    WRONG_STATE: 400,
    UNAUTHENTICATED: 401,
    _INTERNAL: 500,
}


class Refusal(Exception):
    """Refuse a request with a gRPC code, from which the HTTP status follows."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return _STATUS[self.code]

    def response(self) -> web.Response:
        """Build the answer; clients take 404 without details for "deleted" (§8)."""
        body = {"code": self.code, "message": str(self), "details": []}
        return web.json_response(body, status=self.status)


def internal(error: Exception) -> web.Response:
    """Build the answer to a request that failed for no reason of its own."""
    return Refusal(_INTERNAL, f"Unexpected exception: {error}").response()


def not_supported(method: str, path: str) -> web.Response:
    """Build the answer to a method that an address does not know."""
    body = {"code": 12, "message": f"{method} cannot be used with {path}", "details": []}
    return web.json_response(body, status=405)


def timestamp(seconds: float | None) -> str | None:
    """Write a time as the control plane does: UTC, microseconds."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of the body, empty without one; raises a `Refusal`."""
    try:
        return read_object(await request.read() or b"{}")
    except ValueError as error:
        raise Refusal(INVALID, f"the request body is not a JSON object: {error}") from None
