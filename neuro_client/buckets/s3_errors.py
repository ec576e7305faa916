"""Turn what an S3 endpoint answers into one exception of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import attrs

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    ChecksumMismatchError,
    IllegalArgumentError,
    PreconditionFailedError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    ResponseError,
    ServerNotAvailable,
)
from ..transport import Failure, redact, retry_after, status_class

_NOT_MODIFIED = 304
_LATE = 500
_DAMAGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"})
_CLASSES: Mapping[str, type[ResponseError]] = {
    "ExpiredToken": AuthenticationError,
    "InvalidToken": AuthenticationError,
    "InvalidAccessKeyId": AuthenticationError,
    "SignatureDoesNotMatch": AuthenticationError,
    "RequestTimeTooSkewed": AuthenticationError,
    "QuotaExceeded": QuotaExceededError,
    "SlowDown": ServerNotAvailable,
    "RequestTimeout": ServerNotAvailable,
}
_ADVICE: Mapping[str, str] = {
    "ExpiredToken": "the credentials have expired; ask for new ones",
    "InvalidToken": "the session token was not accepted; ask for new credentials",
    "InvalidAccessKeyId": "the access key is not known there; was it removed?",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it right",
    "NoSuchBucket": "the bucket does not exist at its provider",
    "SlowDown": "too many requests; try again later",
}
_BY_CLASS: Mapping[type[ResponseError], str] = {
    QuotaExceededError: "remove something, or ask for a higher limit",
    AuthorizationError: "these credentials do not allow it; ask the owner of the bucket for access",
    ServerNotAvailable: "the service is overloaded or restarting; try again later",
}
_REGION = re.compile(r"[Ee]xpecting '?\"?([a-z0-9-]+)")


@attrs.frozen
class Refusal:
    """Hold the facts of an error answer, whoever has read it."""

    what: str
    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: str = attrs.field(default="", repr=False)


def read_failure(what: str, failure: Failure) -> Exception:
    """Return the exception of an answer that our own request got."""
    body = failure.body.decode("utf-8", "replace")
    headers = failure.headers
    if failure.method == "HEAD" or not body:
        region = headers.get("x-amz-bucket-region", "")
        return refusal_error(Refusal(what, failure.status, region=region, headers=headers))
    fields = _fields(failure.body)
    if fields is None:
        if failure.status >= 500:
            return refusal_error(Refusal(what, failure.status, headers=headers, body=body))
        return ProtocolError(
            f"{what}: {redact(failure.url)} answered {failure.status} with something that is not "
            "S3; check the endpoint of the bucket"
        )
    return refusal_error(
        Refusal(
            what,
            failure.status,
            fields.get("Code", ""),
            fields.get("Message", ""),
            fields.get("Region", headers.get("x-amz-bucket-region", "")),
            headers,
            body,
        )
    )


def read_refusal(what: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Exception:
    """Return the exception of an error that came with a status of success."""
    return refusal_error(
        Refusal(
            what,
            _LATE,
            fields.get("Code", ""),
            fields.get("Message", ""),
            fields.get("Region", ""),
            headers,
        )
    )


def _fields(body: bytes) -> dict[str, str] | None:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return None
    if root.tag.rpartition("}")[2] != "Error":
        return None
    return {item.tag.rpartition("}")[2]: item.text or "" for item in root}


def refusal_error(found: Refusal) -> Exception:
    """Return the one exception of a refusal: by its code, else by its status."""
    text = found.message.rstrip(". ") or found.code or "no reason given"
    if found.code in _DAMAGED or "checksum" in found.code.lower():
        return ChecksumMismatchError(
            f"{found.what}: the bytes that arrived are not those that were sent ({text})"
        )
    cls = _CLASSES.get(found.code) or status_class(found.status)
    if found.status == _NOT_MODIFIED:
        cls = PreconditionFailedError
    if cls is AuthorizationError and "quota" in found.message.lower():
        cls = QuotaExceededError
    if found.status in (301, 307) or found.code == "AuthorizationHeaderMalformed":
        cls = IllegalArgumentError
        match = _REGION.search(found.message)
        region = found.region or (match[1] if match else "another one")
        advice = f"the bucket is in region {region!r}; correct its credentials"
    else:
        advice = _ADVICE.get(found.code) or _BY_CLASS.get(cls, "")
    facts: dict[str, Any] = {
        "status": found.status,
        "code": found.code or None,
        "request_id": found.headers.get("x-amz-request-id"),
        "body": found.body,
    }
    if issubclass(cls, RateLimitError | ServerNotAvailable):
        facts["retry_after"] = retry_after(found.headers)
    code = f" {found.code}" if found.code else ""
    reason = f": {text}" if found.message else ""
    return cls(
        f"{found.what}: the object store answered {found.status}{code}{reason}"
        f"{'; ' + advice if advice else ''}",
        **facts,
    )
