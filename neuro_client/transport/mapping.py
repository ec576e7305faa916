"""Translate what came over the wire into one exception of ours; pure functions.

Facts: config-and-auth.md §12, storage.md §8; the classes are the tree of ``errors``.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import attrs
from yarl import URL

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    ClientError,
    ConflictError,
    IllegalArgumentError,
    PreconditionFailedError,
    ProtocolError,
    RateLimitError,
    ResourceNotFound,
    ResponseError,
    ServerError,
    ServerNotAvailable,
    TransportError,
    TransportTimeoutError,
)
from ..streaming.ndjson import os_error

MAX_ERROR_BODY = 64 * 2**10
_MAX_TEXT = 2000
_SECRET_PARTS = (
    "token",
    "secret",
    "signature",
    "password",
    "credential",
    "code",
    "sig",
    "key",
    "upload",
)

_CLASS_OF_STATUS: dict[int, type[ResponseError]] = {
    400: IllegalArgumentError,
    401: AuthenticationError,
    403: AuthorizationError,
    404: ResourceNotFound,
    405: ClientError,
    409: ConflictError,
    412: PreconditionFailedError,
    429: RateLimitError,
    502: ServerNotAvailable,
    503: ServerNotAvailable,
    504: ServerNotAvailable,
}

_ADVICE: dict[type[ResponseError], str] = {
    AuthenticationError: "the token is missing or no longer valid; log in again",
    AuthorizationError: "ask an owner of the resource for access",
    ServerNotAvailable: "the service is restarting or overloaded; try again later",
    RateLimitError: "too many requests; try again later",
}


@attrs.frozen
class Failure:
    """Hold the facts of an answer with an error status; ``body`` is cut after 64 KiB."""

    method: str
    url: URL
    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


MapError = Callable[[Failure], Exception]


def status_class(status: int) -> type[ResponseError]:
    """Return the one class of an error status."""
    if status in _CLASS_OF_STATUS:
        return _CLASS_OF_STATUS[status]
    return ServerError if status >= 500 else IllegalArgumentError


def map_error(failure: Failure) -> Exception:
    """Return the exception of a Neuro platform's error answer.

    A 400 whose JSON body has ``error`` and ``errno`` is the builtin ``OSError`` of that errno.
    """
    payload = json_object(failure.body)
    text = _text(failure, payload)
    if failure.status == 400 and payload and "error" in payload and payload.get("errno"):
        return os_error(payload["errno"], text, redact(failure.url))
    return build_error(failure, text, payload=payload)


def build_error(
    failure: Failure,
    text: str,
    *,
    payload: Mapping[str, Any] | None = None,
    code: str | None = None,
) -> ResponseError:
    """Build the exception of ``failure``'s status with the facts kept and ``text`` in front."""
    cls = status_class(failure.status)
    where = f"{failure.method} {redact(failure.url)}"
    advice = f"; {_ADVICE[cls]}" if cls in _ADVICE else ""
    facts: dict[str, Any] = {
        "status": failure.status,
        "code": code,
        "request_id": failure.headers.get("X-Request-ID"),
        "method": failure.method,
        "url": redact(failure.url),
        "body": failure.body.decode("utf-8", "replace"),
    }
    if issubclass(cls, RateLimitError | ServerNotAvailable):
        facts["retry_after"] = retry_after(failure.headers)
    if issubclass(cls, IllegalArgumentError) and payload and {"error", "errors"} & payload.keys():
        facts["payload"] = payload
    return cls(f"{text} ({where} answered {failure.status}{advice})", **facts)


def map_client_error(error: Exception, method: str, url: URL) -> Exception:
    """Translate an exception of the HTTP library, or of the socket below it."""
    where = f"{method} {redact(url)}"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return TransportTimeoutError(f"No answer in time to {where}; try again later")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return TransportError(f"The certificate of {url.host} was not accepted: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or str(error.os_error) or "connection failed"
        return TransportError(
            f"Cannot connect to {url.host}:{url.port} for {where}: {reason}; "
            "check the address and that the service is running"
        )
    if isinstance(error, aiohttp.TooManyRedirects):
        return ProtocolError(f"{where} was redirected in circles; check the URL")
    if isinstance(error, aiohttp.InvalidURL):
        return ProtocolError(f"{where} was redirected to something that is not a URL")
    if isinstance(error, aiohttp.ClientResponseError):
        return ProtocolError(f"{where} was not answered in HTTP: {error.message}")
    detail = str(error) or type(error).__name__
    return TransportError(f"The connection broke during {where}: {detail}")


def never_connected(error: BaseException) -> bool:
    """Tell whether nothing was sent at all, since no connection came about."""
    kinds = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return isinstance(error, TransportError) and isinstance(error.__cause__, kinds)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the ``Retry-After`` of an answer in seconds from now, None if absent or unreadable."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def redact(url: URL) -> str:
    """Format a URL for a message: no user, and no value of a query that may be a secret."""
    safe = url.with_user(None) if url.user else url
    query = {
        key: "***" if any(part in key.lower() for part in _SECRET_PARTS) else value
        for key, value in safe.query.items()
    }
    return str(safe.with_query(query) if query else safe)


def json_object(body: bytes) -> dict[str, Any] | None:
    """Decode a JSON object, None for anything else."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _text(failure: Failure, payload: Mapping[str, Any] | None) -> str:
    if payload is not None and "error" in payload:
        return str(payload["error"])
    kind = failure.headers.get("Content-Type", "")
    if "html" in kind:
        return "an HTML page instead of an answer of the service"
    text = failure.body.decode("utf-8", "replace").strip()
    return text[:_MAX_TEXT] or "an empty answer"
