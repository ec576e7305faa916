"""Conditional requests: what must hold of an object before it is read, written or copied."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime

from .errors import S3Error, no_key
from .models import Object


class NotModified(Exception):
    """Report that the caller has the object already; ``headers`` tell which one it is."""

    def __init__(self, found: Object) -> None:
        super().__init__(found.etag)
        self.headers = {
            "ETag": f'"{found.etag}"',
            "Last-Modified": formatdate(int(found.modified), usegmt=True),
        }


def _failed(condition: str) -> S3Error:
    return S3Error(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        Condition=condition,
    )


def _names(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag in tags


def _since(header: str | None, modified: float) -> bool | None:
    """Tell whether the object was modified after a date; None for no date."""
    if header is None:
        return None
    try:
        return int(modified) > parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def check_read(headers: Mapping[str, str], found: Object) -> None:
    """Raise `NotModified` or ``PreconditionFailed`` for a GET or HEAD that asks for it."""
    if (wanted := headers.get("if-match")) is not None:
        if not _names(wanted, found.etag):
            raise _failed("If-Match")
    elif _since(headers.get("if-unmodified-since"), found.modified):
        raise _failed("If-Unmodified-Since")
    if (unwanted := headers.get("if-none-match")) is not None:
        if _names(unwanted, found.etag):
            raise NotModified(found)
    elif _since(headers.get("if-modified-since"), found.modified) is False:
        raise NotModified(found)


def check_copy(headers: Mapping[str, str], found: Object) -> None:
    """Raise ``PreconditionFailed`` for a copy whose source is not as asked for."""
    prefix = "x-amz-copy-source-"
    asked = {
        name.removeprefix(prefix): value
        for name, value in headers.items()
        if name.startswith(f"{prefix}if-")
    }
    try:
        check_read(asked, found)
    except NotModified:
        raise _failed("If-None-Match") from None


def check_write(headers: Mapping[str, str], key: str, old: Object | None) -> None:
    """Raise for a write whose target is not as asked for."""
    if (wanted := headers.get("if-match")) is not None:
        if old is None:
            raise no_key(key)
        if not _names(wanted, old.etag):
            raise _failed("If-Match")
    unwanted = headers.get("if-none-match")
    if unwanted is not None:
        if unwanted.strip() != "*":
            raise S3Error("NotImplemented", "If-None-Match of a write can only be *")
        if old is not None:
            raise _failed("If-None-Match")
