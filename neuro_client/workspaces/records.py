"""What a submission leaves on this machine: a lock while it runs, and a note before it asks.

The note is written before the one request that starts a task and removed with its answer. So a
process that is killed between the two finds the task again, instead of starting a second one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

from ..concurrency import finish
from ..errors import ConflictError
from ..threads import run_blocking
from ..transfer.drafts import is_current, try_lock

_log = logging.getLogger(__name__)
_FORMAT = 1


def folder() -> Path:
    """Return where the records are: ``$XDG_STATE_HOME/neuro-client/workspaces``."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "neuro-client" / "workspaces"


@attrs.frozen
class Asked:
    """Say that a task was asked for: what of, when, and which of its name were there before."""

    manifest: str
    since: datetime
    known: tuple[str, ...]


class Record:
    """Own the locked file of one workspace; every method blocks."""

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        self._path = folder() / f"{digest}.json"
        self._fd = -1

    def open(self) -> bool:
        """Lock the file; False if another submission holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not try_lock(self._fd):
                self._release()
                return False
            if is_current(self._fd, self._path):
                return True
            self._release()  # its last holder removed it between our two steps

    def read(self) -> Asked | None:
        """Return what an earlier submission has asked for without an answer."""
        if self._fd < 0:
            return None
        try:
            found = json.loads(os.pread(self._fd, os.fstat(self._fd).st_size, 0))
            if found["format"] != _FORMAT:
                return None
            return Asked(
                str(found["manifest"]),
                datetime.fromisoformat(found["since"]),
                tuple(str(id) for id in found["known"]),
            )
        except (ValueError, KeyError, TypeError):
            return None  # empty, or torn by a kill before anything was asked

    def write(self, asked: Asked | None) -> None:
        """Remember what is asked for, or forget it."""
        if self._fd < 0:
            return
        data = b""
        if asked is not None:
            document = {
                "format": _FORMAT,
                "manifest": asked.manifest,
                "since": asked.since.astimezone(UTC).isoformat(),
                "known": list(asked.known),
            }
            data = json.dumps(document).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def close(self) -> None:
        """Release the file, and remove it if there is nothing in it to go on with."""
        if self._fd < 0:
            return
        try:
            if self.read() is None:
                self._path.unlink(missing_ok=True)
        finally:
            self._release()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


@asynccontextmanager
async def locked(name: str, what: str) -> AsyncIterator[Record]:
    """Hold the record of the workspace *name*; without a place for it the record is empty.

    Raises:
        ConflictError: a submission of it runs on this machine; *what* names the workspace.
    """
    record = Record(name)
    try:
        if not await _opened(record):
            raise ConflictError(
                f"Another submission of {what} is under way on this machine; wait for its end, or "
                "choose another name"
            )
        yield record
    finally:
        await finish(_closed(record))


async def _closed(record: Record) -> None:
    await run_blocking(record.close)


async def _opened(record: Record) -> bool:
    if sys.platform == "win32":  # no locks of this kind there
        return True
    try:
        return await run_blocking(record.open)
    except (OSError, RuntimeError) as error:
        _log.warning("no record of this submission, so a kill could start it twice: %s", error)
        return True


def manifest_of(pieces: Sequence[str]) -> str:
    """Return the digest of what makes a submission."""
    return hashlib.sha256("\n".join(pieces).encode("utf-8", "surrogateescape")).hexdigest()
