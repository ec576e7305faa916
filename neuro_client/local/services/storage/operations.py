"""Which operation a request asks for, and which part of a file (storage.md §4, §5.3, §5.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs
from aiohttp import web

from ...errors import refuse

OPERATIONS: Mapping[str, Sequence[str]] = {
    "GET": ("OPEN", "LISTSTATUS", "GETFILESTATUS", "GETDISKUSAGE"),
    "PUT": ("CREATE", "MKDIRS"),
    "PATCH": ("WRITE",),
    "POST": ("RENAME",),
    "DELETE": ("DELETE",),
    "HEAD": ("HEAD",),
}
_ALL = {name for names in OPERATIONS.values() for name in names} - {"HEAD"}
_ALL |= {"WEBSOCKET", "WEBSOCKET_READ", "WEBSOCKET_WRITE"}
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]+|\*)")
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
# Where a file may end at most, as the system counts.
_END = 2**63 - 1
_CONDITIONS = ("If-Match", "If-None-Match", "If-Range", "If-Unmodified-Since")


class RangeError(ValueError):
    """Report a range that lies outside the file or cannot be read."""


def operation_of(request: web.Request) -> str:
    """Return the name of the operation; refuses unknown, ambiguous and illegal ones."""
    named = [value.upper() for key, value in request.query.items() if key == "op"]
    named += [key.upper() for key in request.query if key.upper() in _ALL]
    allowed = OPERATIONS[request.method]
    if not named or request.method == "HEAD":
        return allowed[0]
    if len(named) > 1:
        raise refuse(400, f"Ambiguous operations: {', '.join(named)}")
    if named[0] not in _ALL:
        raise refuse(400, f"Unknown operation: {named[0]}; use one of {', '.join(sorted(_ALL))}")
    if named[0] not in allowed:
        raise refuse(400, f"Illegal operation for {request.method}: {named[0]}")
    return named[0]


def recursive_of(request: web.Request) -> bool:
    """Read ``recursive``, which is true when absent."""
    value = request.query.get("recursive", "true").lower()
    if value not in ("true", "1", "false", "0"):
        raise refuse(400, f"recursive must be true or false, not {value!r}")
    return value in ("true", "1")


def write_range(request: web.Request) -> tuple[int, int]:
    """Return offset and length of a WRITE, or refuse with plain text."""
    if request.content_type != "application/octet-stream":
        raise _bad("Content-Type must be application/octet-stream")
    for name in _CONDITIONS:
        if name in request.headers:
            raise _bad(f"{name} is not supported")
    match = _CONTENT_RANGE.fullmatch(request.headers.get("Content-Range", "").strip())
    if match is None:
        raise _bad("Content-Range must be like bytes 0-99/*")
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise _bad("Content-Range ends before it begins")
    if last >= _END:
        raise _bad("Content-Range ends where no file can be")
    return first, last - first + 1


@attrs.frozen
class Span:
    """Hold the part of a file that is asked for; ``partial`` when a range was."""

    start: int
    length: int
    partial: bool


def read_span(header: str | None, size: int) -> Span:
    """Return the part a ``Range`` header asks for; ``RangeError`` if there is no such part."""
    if header is None:
        return Span(0, size, partial=False)
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[0] == "bytes=-":
        raise RangeError(header)
    if not match[1]:
        length = min(_clipped(match[2]), size)
        start, end = size - length, size
    else:
        start = _clipped(match[1])
        end = min(_clipped(match[2]) + 1, size) if match[2] else size
    if start >= size or end <= start:
        raise RangeError(header)
    return Span(start, end - start, partial=True)


def _clipped(digits: str) -> int:
    """Read a number of which only matters whether it lies inside of a file."""
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) < 20 else _END


def _bad(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=text, reason=text)
