"""Streams of JSON lines: an incremental line splitter and the records inside the lines."""

from __future__ import annotations

import errno
import json
from typing import Any

from ..errors import NDJSONError, ProtocolError

MAX_LINE = 16 * 2**20


class LineSplitter:
    r"""Cut a byte stream into lines, whatever the borders of its chunks.

    A line ends with ``\n``, an ``\r`` before it belongs to the end; empty lines are dropped.
    A line longer than ``limit`` bytes raises ``ProtocolError``: memory stays bounded.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._pending: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes."""
        head, separator, rest = data.partition(b"\n")
        self._hold(head)
        if not separator:
            return []
        lines = [self._take()]
        *complete, tail = rest.split(b"\n")
        lines.extend(complete)
        self._hold(tail)
        return [line for raw in lines if (line := raw.removesuffix(b"\r"))]

    def flush(self) -> bytes:
        """Return what came after the last line end, empty if nothing did."""
        return self._take().removesuffix(b"\r")

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise ProtocolError(f"A line of the answer is longer than {self._limit} bytes")
        if part:
            self._pending.append(part)

    def _take(self) -> bytes:
        line = b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        return line


def decode_record(line: bytes) -> Any:
    """Decode one line and raise the error it may carry.

    Raises:
        ProtocolError: the line is not JSON.
        OSError, NDJSONError: the line is an error record, see ``raise_error_record``.
    """
    try:
        record = json.loads(line)
    except ValueError:
        raise ProtocolError(
            f"A line of {len(line)} bytes in the answer is not JSON; the stream was cut off or "
            "something other than the service answered"
        ) from None
    raise_error_record(record)
    return record


def raise_error_record(record: Any) -> None:
    """Raise what an object with the key ``error`` stands for; let everything else pass.

    With a non-null ``errno`` that is an ``OSError`` of the matching builtin class, a name unknown
    here kept as it is; else ``NDJSONError`` (storage.md §6, config-and-auth.md §12.3).
    """
    if not isinstance(record, dict) or "error" not in record:
        return
    text = str(record["error"])
    code = record.get("errno")
    if code is None:
        raise NDJSONError(text)
    raise os_error(code, text)


def os_error(code: object, text: str, where: str | None = None) -> OSError:
    """Build the builtin ``OSError`` for an errno given by name or by number.

    ``where`` becomes its ``filename``, so that the message says what the error is about.
    """
    number = getattr(errno, code, code) if isinstance(code, str) else code
    return OSError(number, text) if where is None else OSError(number, text, where)
