"""Turn what Azure Blob Storage answers into one exception of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    ChecksumMismatchError,
    ConflictError,
    PreconditionFailedError,
    ProtocolError,
    RateLimitError,
    ResourceNotFound,
    ResponseError,
    ServerNotAvailable,
)
from ..transport import retry_after, status_class

REQUEST_ID = "x-ms-request-id"
"""The header that every answer of Azure has."""

NOT_AZURE = (
    "the endpoint answered {} with something that is not Azure Blob Storage; check the storage "
    "endpoint of the bucket"
)

_IN_BETWEEN = (408, 429)
"""Answers that servers on the way give too, in words of their own."""
_DAMAGED = frozenset({"Md5Mismatch", "Crc64Mismatch", "InvalidMd5"})
_CLASSES: Mapping[str, type[ResponseError]] = {
    "AuthenticationFailed": AuthenticationError,
    "InvalidAuthenticationInfo": AuthenticationError,
    "BlobAlreadyExists": PreconditionFailedError,
    "ConditionNotMet": PreconditionFailedError,
    "InvalidBlockList": ResourceNotFound,
    "InvalidBlobOrBlock": ConflictError,
    "LeaseIdMissing": ConflictError,
    "OperationTimedOut": ServerNotAvailable,
}
_ADVICE: Mapping[str, str] = {
    "AuthenticationFailed": "the credentials have expired or are wrong, or the clock of this "
    "machine is; ask for new ones",
    "ContainerNotFound": "the bucket does not exist at its provider",
    "BlobAlreadyExists": "somebody else has written it",
    "ConditionNotMet": "somebody else has changed it",
    "InvalidBlockList": "the parts are gone: another write to the key dropped them, or a week has "
    "passed; send them again",
    "InvalidBlobOrBlock": "another program has begun to write it; complete or overwrite that first",
    "BlockCountExceedsLimit": "too many unfinished uploads to this key; overwriting it drops them",
    "LeaseIdMissing": "somebody holds a lease on it; try again when that has ended",
    "SnapshotsPresent": "it has snapshots; remove them first",
}
_BY_CLASS: Mapping[type[ResponseError], str] = {
    AuthenticationError: "ask for new credentials",
    AuthorizationError: "these credentials do not allow it, or have expired; ask the owner of the "
    "bucket for access",
    ServerNotAvailable: "the service is overloaded or restarting; try again later",
    RateLimitError: "too many requests; try again later",
}
# Two places where the service may repeat what it was sent: a query, and a quoted signature.
_SECRET = re.compile(r"(?<=sig=)[^&\s<'\"]+|(?<=')[A-Za-z0-9+/]{43}=(?=')")


def without_secrets(text: str) -> str:
    """Return a text in which no signature is left."""
    return _SECRET.sub("***", text)


def answer_error(what: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    """Return the one exception of an error answer: by its code, else by its status."""
    text = body.decode("utf-8-sig", "replace")
    fields = _fields(text)
    code = fields.get("Code") or headers.get("x-ms-error-code", "")
    if not code and REQUEST_ID not in headers and status < 500 and status not in _IN_BETWEEN:
        return ProtocolError(f"{what}: {NOT_AZURE.format(status)}")
    # What follows the first line are an id and a time, which are kept elsewhere.
    told = (fields.get("Message", "").splitlines() or [""])[0].rstrip(". ")
    if code in _DAMAGED:
        return ChecksumMismatchError(
            f"{what}: the bytes that arrived are not those that were sent ({code})"
        )
    cls = _CLASSES.get(code) or (PreconditionFailedError if status == 304 else status_class(status))
    facts: dict[str, Any] = {
        "status": status,
        "code": code or None,
        "request_id": headers.get(REQUEST_ID),
        "body": without_secrets(text),
    }
    if issubclass(cls, RateLimitError | ServerNotAvailable):
        facts["retry_after"] = retry_after(headers)
    advice = _ADVICE.get(code) or _BY_CLASS.get(cls, "")
    return cls(
        f"{what}: Azure answered {status}{' ' if code else ''}{code}"
        f"{': ' if told else ''}{without_secrets(told)}{'; ' if advice else ''}{advice}",
        **facts,
    )


def _fields(text: str) -> Mapping[str, str]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return {}
    return {item.tag: item.text or "" for item in root} if root.tag == "Error" else {}
