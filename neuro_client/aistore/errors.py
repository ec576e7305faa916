"""Errors of AIStore, each also of our class of its status (aistore.md §3)."""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from ..errors import JobFailed, NeuroError, NotSupportedError, ResponseError
from ..transport import Failure, build_error, status_class
from ..transport.mapping import json_object

HEAD_ERROR = "Hdr-Error"
_MAX_TEXT = 2000
_RESOURCE = re.compile(r"/v1/(\w+)(?:/(.*))?", re.S)
_MISSING_BUCKET = re.compile(r"(?:(\w+) )?bucket \"([a-z0-9]+)://[^\"]+\" does not exist")


class AISError(ResponseError):
    """Report an answer of a cluster that says no, with what it said.

    ``code`` is the server's type code (also ``tcode``), ``node`` the node that refused, ``detail``
    the whole error document.
    """

    message = ""
    node: str | None = None
    url_path: str | None = None
    detail: Mapping[str, Any] = MappingProxyType({})
    _kind: type[Exception] | None = None

    @property
    def status_code(self) -> int | None:
        """Return the HTTP status."""
        return self.status

    @property
    def tcode(self) -> str | None:
        """Return the server's type code."""
        return self.code

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._kind or type(self), self.status, self.args, self.__dict__)


class ErrBckNotFound(AISError):
    """Report a bucket that does not exist."""


class ErrRemoteBckNotFound(ErrBckNotFound):
    """Report a bucket that does not exist in its cloud or remote cluster."""


class ErrObjNotFound(AISError):
    """Report an object, or a member of an archive, that does not exist."""


class ErrETLNotFound(AISError):
    """Report an ETL that does not exist."""


class ErrJobNotFound(AISError):
    """Report a job that no node knows."""


class ErrBckAlreadyExists(AISError):
    """Report a bucket that exists already."""


class ErrETLAlreadyExists(AISError):
    """Report an ETL that exists already."""


class ErrGETConflict(AISError):
    """Report a remote object that another client is just having fetched."""


class ErrBusy(AISError):
    """Report work that cannot go on beside what runs at the moment; try later."""


class ErrXactNonIC(AISError):
    """Report a kind of job that has no cluster-wide status; look at its snapshots."""


class ErrNotRemoteBck(AISError):
    """Report a call that only buckets of a cloud or a remote cluster have."""


class ErrBadCksum(AISError):
    """Report content whose checksum is not the one that came with it; nothing was stored."""


class ErrUnsupp(AISError, NotSupportedError):
    """Report what this server was not built for, or is too old or too new for."""


class InvalidBckProvider(NeuroError, ValueError):
    """Report a provider that no server knows, or that the call is not for."""

    def __init__(self, *args: object, **facts: Any) -> None:
        if len(args) == 1 and " " not in str(args[0]):
            args = (f"{args[0]!r} is not a provider that this call can be made for",)
        super().__init__(*args, **facts)


class Timeout(NeuroError, TimeoutError):
    """Report work of the cluster that did not end in time; it goes on."""


class AISJobFailed(JobFailed):
    """Report an awaited job of a cluster that ended without success.

    ``job`` tells how it ended, ``description`` is what the nodes said.
    """


class InvalidObjectRangeIndex(NeuroError, ValueError):
    """Report indices of a range of objects that make no sense."""


class JobInfoNotFound(NeuroError, LookupError):
    """Report that no snapshot of a job was found."""


class UnexpectedHTTPStatusCode(NeuroError):
    """Report a success of another kind than the call has."""

    def __init__(self, expected: list[int], received: int) -> None:
        super().__init__(f"The server answered {received} instead of one of {expected}")
        self.expected = expected
        self.received = received


_BY_CODE: dict[str, type[Exception]] = {
    "ErrBckNotFound": ErrBckNotFound,
    "ErrRemoteBckNotFound": ErrRemoteBckNotFound,
    "ErrBucketAlreadyExists": ErrBckAlreadyExists,
    "ErrXactNotFound": ErrJobNotFound,
    "ErrXactNonIC": ErrXactNonIC,
    "ErrBusy": ErrBusy,
    "ErrLimitedCoexistence": ErrBusy,
    "ErrXactUsePrev": ErrBusy,
    "ErrInvalidBackendProvider": InvalidBckProvider,
    "ErrNotRemoteBck": ErrNotRemoteBck,
    "ErrUnsupp": ErrUnsupp,
    "ErrNotImpl": ErrUnsupp,
    "ErrBadCksum": ErrBadCksum,
}

_classes: dict[tuple[type[Exception], int], type[AISError]] = {}


def map_error(failure: Failure) -> Exception:
    """Return the exception of a cluster's error answer; whatever its body, never another error."""
    document = _document(failure)
    message = str(document.get("message") or _text(failure))
    code = document.get("tcode")
    built = build_error(
        failure,
        f"STATUS:{failure.status}, MESSAGE:{message[:_MAX_TEXT]}",
        code=code if isinstance(code, str) else None,
    )
    # Internal names of the server's types are no contract: only those with a capital are.
    trusted = built.code if built.code and built.code.startswith("Err") else None
    kind = _BY_CODE.get(trusted or "") or _kind(failure, message, trusted)
    error = _class(kind, failure.status)(*built.args)
    error.__dict__.update(built.__dict__)
    error.message = message
    error.detail = document
    error.node = _string(document, "node")
    error.url_path = _string(document, "url_path")
    return error


def missing_object(message: str) -> AISError:
    """Return the error of an object that an answer said to be missing, whatever its status."""
    error = _class(ErrObjNotFound, 404)(message, status=404)
    error.message = message
    return error


def _class(kind: type[Exception], status: int) -> type[AISError]:
    """Return the class that is both of a kind and of a status."""
    found = _classes.get((kind, status))
    if found is None:
        found = _classes[kind, status] = _joined(kind, status)
    return found


def _joined(kind: type[Exception], status: int) -> type[AISError]:
    bases = (kind,) if issubclass(kind, AISError) else (kind, AISError)
    facts = {"__module__": __name__, "__doc__": kind.__doc__, "_kind": kind, "_status": status}
    return cast("type[AISError]", _Joined(kind.__name__, (*bases, status_class(status)), facts))


class _Joined(type):
    """Make the classes of a kind and a status, which pickle could not find by their names.

    Data loaders send the class of an error from one process to another.
    """


def _reduce(cls: Any) -> tuple[Any, tuple[Any, ...]]:
    return _class, (cls._kind, cls._status)


copyreg.pickle(_Joined, _reduce)


def _restore(
    kind: type[Exception], status: int, args: tuple[object, ...], facts: Mapping[str, Any]
) -> Exception:
    cls: type[Exception] = kind if status is None else _class(kind, status)
    error = cls(*args)
    error.__dict__.update(facts)
    return error


def _kind(failure: Failure, message: str, code: str | None) -> type[Exception]:
    """Choose by status, kind of request and text, for servers that send no code."""
    resource, text = _subject(failure, message)
    if failure.status == 404:
        return _missing(resource, text)
    if failure.status == 501:
        return ErrUnsupp
    if failure.status == 409:
        if failure.method == "GET" and resource == "objects":
            return ErrGETConflict
        if resource == "etl" or "etl job" in text:
            return ErrETLAlreadyExists
        exists = code is None and "already exists" in text and "bucket" in text
        return ErrBckAlreadyExists if exists else ErrBusy
    if 400 <= failure.status < 500 and code is None and "already exists" in text:
        return ErrBckAlreadyExists if "bucket" in text else AISError
    return AISError


def _subject(failure: Failure, message: str) -> tuple[str, str]:
    """Return what was asked for, as ``objects``, and the message without the object's own name."""
    match = _RESOURCE.search(failure.url.path)
    resource, name = (match[1], match[2] or "") if match else ("", "")
    text = message.lower()
    if resource == "objects" and "/" in name:
        # An object may be called anything, "etl job" or "bucket" among it.
        text = text.replace(name.lower(), "")
    return resource, text


def _missing(resource: str, text: str) -> type[Exception]:
    if resource == "etl" or "etl job" in text:
        return ErrETLNotFound
    if resource in ("cluster", "sort"):
        return ErrJobNotFound
    bucket = _MISSING_BUCKET.search(text)
    if bucket:
        remote = bucket[1] in ("remote", "cloud") or bucket[2] != "ais"
        return ErrRemoteBckNotFound if remote else ErrBckNotFound
    if resource in ("objects", "ml"):
        return ErrObjNotFound
    return ErrBckNotFound if resource == "buckets" else AISError


def _document(failure: Failure) -> Mapping[str, Any]:
    """Return the error document: of the body, of HEAD in a header; empty if there is none."""
    head = failure.headers.get(HEAD_ERROR, "").encode()
    return json_object(failure.body) or json_object(head) or {}


def _string(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) else None


def _text(failure: Failure) -> str:
    if "html" in failure.headers.get("Content-Type", ""):
        return "an HTML page instead of an answer of the cluster"
    text = failure.body.decode("utf-8", "replace").strip()
    return text or "no reason was given"
