"""Lines of text out of a byte stream, with the time stamps that some services put before them.

Nothing here reads a socket. Memory is bounded by the longest line allowed plus one chunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar

import attrs

MAX_LINE = 2**20
"""Longest text, in bytes, that is handed out as one line; a longer one comes in pieces."""

K = TypeVar("K")

_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)(?: |\Z)", re.ASCII
)
_STAMP_SPAN = 80
_SECOND = 10**9
_CONTINUATION, _CONTINUATION_MASK, _LONGEST_CHARACTER = 0x80, 0xC0, 4


@attrs.frozen
class Line(Generic[K]):
    """One line of a stream that can be resumed.

    ``key`` places it in the stream: it never falls from line to line, and several lines may share
    one; None is a line the service did not place. ``text`` has no line end. ``complete`` is False
    only for a last line without a line end, which may still be growing. ``prefix`` is what the
    service put before the text, empty if nothing.
    """

    key: K | None
    text: str
    complete: bool = True
    prefix: str = ""


@attrs.frozen
class Piece:
    """Bytes of a line; ``continued`` marks every piece of an overlong line but its first."""

    data: bytes
    continued: bool = False


def _no_prefix(_: bytes) -> int:
    return 0


class LineCutter:
    r"""Cut a byte stream into lines, whatever the borders of its chunks; empty lines are kept.

    A line ends with ``\n``; an ``\r`` right before it belongs to the end. A line longer than
    ``limit`` bytes, not counting the prefix that ``prefix_size`` measures on its first bytes, is
    cut into pieces of that size, never inside a UTF-8 character. Where it is cut depends on the
    line alone, so a stream that is read again gives the same pieces.
    """

    def __init__(
        self, limit: int = MAX_LINE, prefix_size: Callable[[bytes], int] = _no_prefix
    ) -> None:
        if limit < _STAMP_SPAN:
            raise ValueError(
                f"A line limit of {limit} bytes is too small; use {_STAMP_SPAN} or more"
            )
        self._limit = limit
        self._prefix_size = prefix_size
        self._held = bytearray()
        self._continued = False

    def feed(self, data: bytes) -> list[Piece]:
        """Return the lines, and the pieces of overlong lines, that ``data`` completes."""
        pieces: list[Piece] = []
        head, newline, rest = data.partition(b"\n")
        self._held += head
        if newline:
            self._finish(pieces)
            *middle, tail = rest.split(b"\n")
            for line in middle:
                self._held += line
                self._finish(pieces)
            self._held += tail
        # A "\r" at the end may turn out to be part of the line end.
        self._cut(pieces, len(self._held) - self._held.endswith(b"\r"))
        return pieces

    def flush(self) -> Piece | None:
        """Return what came after the last line end, None if nothing did."""
        if not self._held:
            return None
        piece = Piece(bytes(self._held), self._continued)
        self._held.clear()
        self._continued = False
        return piece

    def _finish(self, pieces: list[Piece]) -> None:
        if self._held.endswith(b"\r"):
            del self._held[-1]
        self._cut(pieces, len(self._held))
        pieces.append(Piece(bytes(self._held), self._continued))
        self._held.clear()
        self._continued = False

    def _cut(self, pieces: list[Piece], size: int) -> None:
        """Cut pieces off while more than one piece is left of ``size`` bytes of text."""
        while size > self._limit:
            end = self._limit
            if not self._continued:
                end += self._prefix_size(bytes(self._held[:_STAMP_SPAN]))
            if size <= end:
                return
            end = _character_start(self._held, end)
            pieces.append(Piece(bytes(self._held[:end]), self._continued))
            del self._held[:end]
            size -= end
            self._continued = True


def _character_start(data: bytearray, end: int) -> int:
    """Move ``end`` back to the start of the UTF-8 character it would cut; broken text stays."""
    for start in range(end, end - _LONGEST_CHARACTER, -1):
        if data[start] & _CONTINUATION_MASK != _CONTINUATION:
            return start
    return end


def parse_stamp(text: str) -> tuple[int, int] | None:
    """Read the RFC 3339 time at the start of a line: (nanoseconds since 1970, length read).

    Any number of fractional digits is accepted, those after the ninth are ignored; the zone is
    ``Z`` or an offset. The length includes the space after the time. None when the
    line does not start with a time followed by a space or the end.
    """
    match = _STAMP.match(text)
    if match is None:
        return None
    seconds = _epoch_seconds(match[1], match[3])
    if seconds is None:
        return None
    fraction = int((match[2] or "")[:9].ljust(9, "0"))
    return seconds * _SECOND + fraction, match.end()


@lru_cache(maxsize=256)  # a burst of lines shares its second
def _epoch_seconds(moment: str, zone: str) -> int | None:
    if zone in "Zz":
        zone = "+00:00"
    try:
        parsed = datetime.fromisoformat(moment.upper() + zone)
    except ValueError:
        return None
    return int(parsed.timestamp())


def stamp_to_datetime(nanoseconds: int) -> datetime:
    """Turn a stamp into an aware UTC datetime, rounded down to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)


def datetime_to_stamp(moment: datetime) -> int:
    """Turn a datetime (naive = local time) into nanoseconds since 1970."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return delta // timedelta(microseconds=1) * 1000


def _stamp_size(head: bytes) -> int:
    parsed = parse_stamp(head.decode("ascii", errors="replace"))
    return parsed[1] if parsed else 0


class StampedLines:
    """Decode lines that each begin with an RFC 3339 time and a space.

    Bytes that are not UTF-8 become replacement characters. The key is the time in nanoseconds. A
    line without a time shares the key of the line before it; before the first one it has none.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._cutter = LineCutter(limit, _stamp_size)
        self._key: int | None = None
        self._prefix = ""

    def feed(self, data: bytes) -> list[Line[int]]:
        """Return the lines that ``data`` completes."""
        return [self._decode(piece) for piece in self._cutter.feed(data)]

    def flush(self) -> Line[int] | None:
        """Return the unfinished last line, None if there is none."""
        piece = self._cutter.flush()
        return None if piece is None else self._decode(piece, complete=False)

    def _decode(self, piece: Piece, *, complete: bool = True) -> Line[int]:
        text = piece.data.decode("utf-8", errors="replace")
        if piece.continued:
            return Line(self._key, text, complete, self._prefix)
        parsed = parse_stamp(text)
        if parsed is None:
            self._prefix = ""
            return Line(self._key, text, complete)
        self._key, size = parsed
        self._prefix = text[:size]
        return Line(self._key, text[size:], complete, self._prefix)
