"""Turn what Google Cloud Storage answers into one exception of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import attrs

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    ChecksumMismatchError,
    PreconditionFailedError,
    QuotaExceededError,
    RateLimitError,
    ResourceNotFound,
    ResponseError,
    ServerNotAvailable,
)
from ..transport import Failure, retry_after, status_class

_CLASSES: Mapping[str, type[ResponseError]] = {
    "rateLimitExceeded": RateLimitError,
    "userRateLimitExceeded": RateLimitError,
    "quotaExceeded": QuotaExceededError,
    "storageQuotaExceeded": QuotaExceededError,
    "conditionNotMet": PreconditionFailedError,
    "PreconditionFailed": PreconditionFailedError,
}
_BY_STATUS: Mapping[int, type[ResponseError]] = {
    304: PreconditionFailedError,
    410: ResourceNotFound,  # a session that has ended
    499: ResourceNotFound,  # a session that was cancelled
}
_ADVICE: Mapping[type[ResponseError], str] = {
    AuthenticationError: "the access token is not valid any more; ask for new credentials",
    AuthorizationError: "these credentials do not allow it; ask the owner of the bucket for access",
    PreconditionFailedError: "the object is not in the state that was asked for; look at it again",
    QuotaExceededError: "remove something, or ask for a higher limit",
    RateLimitError: "too many requests; try again later",
    ServerNotAvailable: "the service is overloaded or restarting; try again later",
}
_DAMAGED = re.compile(r"(md5|crc32c|hash).*(match|mismatch)", re.IGNORECASE | re.DOTALL)
_MAX_TEXT = 500
_SECRET = re.compile(r"(upload_?id=)[^&\s]+", re.IGNORECASE)


@attrs.frozen
class _Told:
    code: str = ""
    message: str = ""


def hidden(text: str) -> str:
    """Return a text without the ids of uploads: who knows one may write."""
    return _SECRET.sub(r"\1***", text)


def read_failure(what: str, failure: Failure) -> Exception:
    """Return the one exception of an error answer: by its reason, else by its status."""
    told = _read(failure.body)
    if told.code == "BadDigest" or (failure.status == 400 and _DAMAGED.search(told.message)):
        return ChecksumMismatchError(
            f"{what}: the bytes that arrived are not those that were sent ({told.message})"
        )
    cls = _CLASSES.get(told.code) or _BY_STATUS.get(failure.status) or status_class(failure.status)
    facts: dict[str, Any] = {
        "status": failure.status,
        "code": told.code or None,
        "request_id": failure.headers.get("X-GUploader-UploadID"),
        "method": failure.method,
        "url": str(failure.url.with_query(None)),
        "body": hidden(failure.body.decode("utf-8", "replace")),
    }
    if issubclass(cls, RateLimitError | ServerNotAvailable):
        facts["retry_after"] = retry_after(failure.headers)
    code = f" {told.code}" if told.code else ""
    reason = f": {hidden(told.message)}" if told.message else ""
    advice = f"; {_ADVICE[cls]}" if cls in _ADVICE else ""
    return cls(f"{what}: Google answered {failure.status}{code}{reason}{advice}", **facts)


def _read(body: bytes) -> _Told:
    """Read an error in JSON, in XML, or the plain text that some media requests end in."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        return _read_json(text)
    if text.startswith(("<?xml", "<Error")):
        return _read_xml(body)
    return _Told(message="" if text.startswith("<") else text[:_MAX_TEXT])


def _read_json(text: str) -> _Told:
    try:
        error = json.loads(text).get("error")
    except (ValueError, RecursionError):
        return _Told(message=text[:_MAX_TEXT])
    if not isinstance(error, dict):
        return _Told(message=text[:_MAX_TEXT])
    details = error.get("errors")
    first = details[0] if isinstance(details, list) and details else {}
    code = first.get("reason") if isinstance(first, dict) else None
    message = str(error.get("message") or "").rstrip(". ")
    return _Told(str(code or error.get("status") or ""), message[:_MAX_TEXT])


def _read_xml(body: bytes) -> _Told:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return _Told()
    fields = {item.tag.rpartition("}")[2]: item.text or "" for item in root}
    message = fields.get("Details") or fields.get("Message", "")
    return _Told(fields.get("Code", ""), message.rstrip(". ")[:_MAX_TEXT])
