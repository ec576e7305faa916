"""Read the stamped output of a run back as text (format: supervisor.py). All functions block."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import attrs

_STAMP = 27
_HEADER = _STAMP + 4  # stamp, blank, stream, full or partial, blank
_READ = (1 << 20) + (1 << 17)  # more than the longest record


@attrs.define
class RecordReader:
    """Read one log file from a position on, as it grows."""

    path: Path
    timestamps: bool = False
    since: float | None = None
    """Epoch seconds; earlier records are left out."""
    position: int = 0
    line_open: bool = False
    """Whether the text given so far ends inside a line."""

    def read(self) -> bytes | None:
        """Give the text of the next whole records (maybe none of it wanted), None at the end."""
        records = self._next()
        return None if records is None else self._render(records)

    def read_streams(self) -> list[tuple[int, bytes]] | None:
        """Give the next output with the number of its stream, None at the end."""
        records = self._next()
        if records is None:
            return None
        return [
            (
                2 if record[_STAMP + 1 : _STAMP + 2] == b"e" else 1,
                record[_HEADER:] + (b"\n" if record[_STAMP + 2 : _STAMP + 3] == b"F" else b""),
            )
            for record in records
            if len(record) >= _HEADER
        ]

    def _next(self) -> list[bytes] | None:
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self.position:
                    self.position = 0  # the log was removed meanwhile
                file.seek(self.position)
                data = file.read(_READ)
        except FileNotFoundError:
            return None
        end = data.rfind(b"\n") + 1
        if end == 0:
            return None
        self.position += end
        return data[: end - 1].split(b"\n")

    def _render(self, records: list[bytes]) -> bytes:
        since = b"" if self.since is None else stamp(self.since)
        out = []
        for record in records:
            if len(record) < _HEADER or record[:_STAMP] < since:
                continue
            if self.timestamps and not self.line_open:
                out.append(record[: _STAMP + 1])
            out.append(record[_HEADER:])
            self.line_open = record[_STAMP + 2 : _STAMP + 3] == b"P"
            if not self.line_open:
                out.append(b"\n")
        return b"".join(out)


def stamp(seconds: float) -> bytes:
    """Write a time as the supervisor does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
