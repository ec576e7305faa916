"""Copy the output of a container into the stamped log of its run (format: supervisor.py).

The engine keeps the whole output with a time for each piece. So the log says by itself where the
copy stopped: it goes on at the last time in it, leaving out as many pieces as the log has since.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import attrs
from aiodocker import Docker
from aiohttp import ClientTimeout

from ..threads import taken
from .supervisor import write_all

_MESSAGE = 16 << 10  # the engine takes longer lines apart
_HEAD = struct.Struct(">BxxxL")
_STREAMS = {1: b"o", 2: b"e"}
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d*Z ")
_STAMP_SIZE = 31
_OURS = 27
_TAIL = 1 << 18  # more than the longest record
_BLOCK = 1 << 20
# Pieces of two streams may be a little out of order.
_SLACK = timedelta(seconds=1)


async def copy_log(docker: Docker, container: str, path: Path, *, tty: bool, follow: bool) -> None:
    """Append to the log at ``path`` what the container wrote that is not in it yet.

    With ``follow`` it goes on until the container ends or the engine closes the stream; then the
    last piece may be missing, which a call without it brings. Raises what the engine's calls do.
    """
    since, skip = await asyncio.to_thread(_position, path)
    query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0"}
    if since:
        query["since"] = since
    records = Records(tty, skip)
    async with docker._query(
        f"containers/{container}/logs",
        params=query,
        timeout=ClientTimeout(sock_connect=10.0),
    ) as answer:
        try:
            async for data in answer.content.iter_any():
                await _append(path, records.feed(data))
            if not follow:
                await _append(path, records.end())
        finally:
            answer.close()  # what is not read would keep the connection


async def _append(path: Path, data: bytes) -> None:
    """Write whole records; a cancellation waits for them, so that none is written twice."""
    if data:
        await taken(lambda: _write(path, data), lambda _: None)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


@attrs.define
class Records:
    """Turn what the engine sends into records; the first ``skip`` are left out."""

    tty: bool
    skip: int = 0
    _rest: bytearray = attrs.field(init=False, factory=bytearray)

    def feed(self, data: bytes) -> bytes:
        """Give the records that are complete now."""
        self._rest += data
        return b"".join(self._of_terminal() if self.tty else self._of_frames())

    def end(self) -> bytes:
        """Give the unfinished last line of a terminal."""
        rest = bytes(self._rest)
        self._rest.clear()
        return b"".join(self._record(b"o", rest)) if self.tty else b""

    def _of_frames(self) -> list[bytes]:
        found: list[bytes] = []
        start = 0
        while len(self._rest) >= start + _HEAD.size:
            stream, size = _HEAD.unpack_from(self._rest, start)
            end = start + _HEAD.size + size
            if len(self._rest) < end:
                break
            if stream in _STREAMS:  # others tell troubles of the engine's own
                message = bytes(self._rest[start + _HEAD.size : end])
                found += self._record(_STREAMS[stream], message)
            start = end
        del self._rest[:start]
        return found

    def _of_terminal(self) -> list[bytes]:
        """Cut at the ends of lines, and where a long line goes on behind another time."""
        found: list[bytes] = []
        start = 0
        longest = _STAMP_SIZE + _MESSAGE
        while True:
            end = self._rest.find(b"\n", start, start + longest + 1) + 1
            if not end:
                if len(self._rest) < start + longest + _STAMP_SIZE:
                    break
                end = start + longest
            found += self._record(b"o", bytes(self._rest[start:end]))
            start = end
        del self._rest[:start]
        return found

    def _record(self, stream: bytes, message: bytes) -> list[bytes]:
        head = _STAMP.match(message)
        if head is None:
            return []
        if self.skip:
            self.skip -= 1
            return []
        text = message[head.end() :]
        kind = b"F" if text.endswith(b"\n") else b"P"
        return [head[1] + b"Z " + stream + kind + b" " + text.removesuffix(b"\n") + b"\n"]


def _position(path: Path) -> tuple[str, int]:
    """Give the time to go on from, as the engine wants it, and how much of it is there already.

    A record that a kill tore is removed.
    """
    try:
        file = open(path, "r+b")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return "", 0
    with file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            file.truncate(start + whole)
        *_, last = tail[:whole].split(b"\n")[:-1] or [b""]
        if not last:
            # Emptied by request, or never written to: in either case what was before is past.
            nanoseconds = os.fstat(file.fileno()).st_mtime_ns
            return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09}", 0
        moment = datetime.fromisoformat(last[:_OURS].decode()).astimezone(UTC) - _SLACK
        found = _count(file, _stamp(moment), _stamp(moment - _SLACK))
        return f"{int(moment.timestamp())}.{moment.microsecond:06}", found


def _stamp(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()


def _count(file: BinaryIO, since: bytes, long_before: bytes) -> int:
    """Count the records from a time on, looking no further back than it takes."""
    start = file.seek(0, os.SEEK_END)
    while start:
        start = max(0, start - _BLOCK)
        file.seek(start)
        if start:
            file.readline()  # the end of a record
        if file.readline()[:_OURS] < long_before:
            break
    file.seek(start)
    if start:
        file.readline()
    return sum(line[:_OURS] >= since for line in file)
