"""Remember unfinished uploads on the disk, so that the same transfer goes on after a kill.

One file for each transfer, named after its two ends and held with a lock while it runs; another
process that does the same transfer meanwhile goes without. Lines are appended, each in one write,
so what a killed process leaves can be read up to its last whole line. Nothing is forced to the
disk: a loss of power may cost the memory, never the data.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from ..concurrency import finish
from ..threads import run_blocking
from .drafts import is_current, try_lock
from .models import Entry, Part, Upload

_log = logging.getLogger(__name__)

_FORMAT = 1
_CLOSE = 30.0
_RIVALS = (".1", ".2", ".3")

KEPT = 7 * 24 * 3600.0
"""Seconds after which a journal that nobody touched is swept, with its unfinished uploads."""


def folder() -> Path:
    """Return where journals are kept: ``$XDG_STATE_HOME/neuro-client/transfers``."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "neuro-client" / "transfers"


@attrs.define
class Unfinished:
    """Hold an upload that was begun, and the parts that its target has acknowledged.

    ``version`` is that of the source; ``fresh`` tells that the running transfer began it, or went
    on with it.
    """

    upload: Upload
    version: str
    part_size: int
    parts: dict[int, Part] = attrs.field(factory=dict)
    fresh: bool = False


class _File:
    """Own the locked file of a journal; every method blocks."""

    def __init__(self, path: Path, place: str) -> None:
        self.path = path
        self.place = place
        self.unfinished: dict[str, Unfinished] = {}
        self._fd = -1

    @property
    def is_open(self) -> bool:
        """Tell whether there is something to close."""
        return self._fd >= 0

    def open(self, *, create: bool) -> bool:
        """Lock the file and read it; tell whether that was possible."""
        flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        while True:
            self._fd = os.open(self.path, flags | (os.O_CREAT if create else 0), 0o600)
            if not try_lock(self._fd):
                self._release()
                return False
            if is_current(self._fd, self.path):
                break
            self._release()  # its last holder removed it between our two steps
        if not self._read():
            self.unfinished.clear()
            os.ftruncate(self._fd, 0)
            self.append({"journal": _FORMAT, "place": self.place, "boot": _boot()})
        return True

    def _read(self) -> bool:
        """Read what an earlier process wrote; False if there is nothing to go on with."""
        with open(self._fd, "rb", closefd=False) as file:
            data = file.read()
        lines = _parse(data[: data.rfind(b"\n") + 1])
        header = next(lines, None)
        if header is None or header.get("journal") != _FORMAT or "place" not in header:
            return False
        self.place = str(header["place"])
        for line in lines:
            with suppress(KeyError, TypeError, ValueError):
                self._apply(line)
        if header.get("boot") != _boot():
            # The machine may have lost power: what it had acknowledged need not be on the disk.
            for item in self.unfinished.values():
                item.parts.clear()
        if not data.endswith(b"\n"):
            os.write(self._fd, b"\n")  # ends the line that a kill tore off
        return True

    def _apply(self, line: dict[str, Any]) -> None:
        if "open" in line:
            upload, part_size = Upload.from_json(line["open"]), int(line["part_size"])
            if part_size > 0:
                self.unfinished[upload.id] = Unfinished(upload, str(line["version"]), part_size)
        elif "part" in line:
            number, offset, size, tag = line["part"]
            part = Part(int(number), int(offset), int(size), tag)
            self.unfinished[line["of"]].parts[part.number] = part
        else:
            self.unfinished.pop(line["closed"], None)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line."""
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Release the file, and remove it if everything in it is finished."""
        if self._fd < 0:
            return
        try:
            if not self.unfinished:
                self.path.unlink(missing_ok=True)
        finally:
            self._release()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _parse(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue  # torn by a kill, ended by the next run
        if isinstance(found, dict):
            yield found


class Journal:
    """Keep the unfinished uploads of one transfer.

    *name* tells this transfer from all others, *place* the store that the uploads are in. The file
    is opened with the first question, so that a tree of small files costs nothing. Where it cannot
    be kept, the transfer goes on without.
    """

    def __init__(self, name: str, place: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        # The first is for who comes first; the same transfer at the same time takes another one.
        self._paths = [folder() / f"{digest}{rival}.jsonl" for rival in ("", *_RIVALS)]
        self._file = _File(self._paths[0], place)
        self._opening = asyncio.Lock()
        self._usable: bool | None = None

    @property
    def used(self) -> bool:
        """Tell whether the transfer had large files, and the journal could be kept."""
        return bool(self._usable)

    async def _ready(self) -> bool:
        if self._usable is None:
            async with self._opening:
                if self._usable is None:
                    self._usable = await self._open()
        return self._usable

    async def _open(self) -> bool:
        if sys.platform == "win32":  # no locks of this kind there
            return False

        def work() -> bool:
            self._file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in self._paths:
                self._file.path = path
                if self._file.open(create=True):
                    return True
            return False

        try:
            if await run_blocking(work):
                return True
            _log.info("others do the same transfer; this one could not be resumed after a kill")
        except OSError as error:
            _log.warning(
                "no journal, so this transfer could not be resumed after a kill: %s", error
            )
        return False

    async def _append(self, line: dict[str, Any]) -> None:
        try:
            await run_blocking(self._file.append, line)
        except OSError as error:
            _log.warning("cannot write to the journal of this transfer: %s", error)

    async def find(self, source: Entry, key: str) -> Unfinished | None:
        """Return the unfinished upload of the same content of *source* to *key*."""
        if not await self._ready():
            return None
        for item in self._file.unfinished.values():
            if item.upload.key == key and item.version == source.version and not item.fresh:
                item.fresh = True
                return item
        return None

    async def opened(self, source: Entry, upload: Upload, part_size: int) -> None:
        """Remember *upload* before its first part is sent."""
        if source.version is None or not upload.id or not await self._ready():
            return
        item = Unfinished(upload, source.version, part_size, fresh=True)
        self._file.unfinished[upload.id] = item
        line = {"open": upload.to_json(), "version": source.version, "part_size": part_size}
        await self._append(line)

    async def sent(self, upload: Upload, part: Part) -> None:
        """Remember a part that arrived."""
        item = self._file.unfinished.get(upload.id)
        if item is not None:
            item.parts[part.number] = part
            await self._append({"part": attrs.astuple(part), "of": upload.id})

    async def closed(self, upload: Upload) -> None:
        """Forget *upload*: it was completed, or is of no use any more."""
        if self._file.unfinished.pop(upload.id, None) is not None:
            await self._append({"closed": upload.id})

    def keeps(self, upload: Upload) -> bool:
        """Tell whether *upload* could be taken up again."""
        return upload.id in self._file.unfinished

    def leftovers(self) -> list[Upload]:
        """Return the uploads of earlier runs that this one did not go on with."""
        return [item.upload for item in self._file.unfinished.values() if not item.fresh]

    async def close(self) -> None:
        """Release the file; one without unfinished uploads is removed."""
        if self._file.is_open:
            try:
                await finish(_close(self._file), _CLOSE)
            except (TimeoutError, OSError) as error:  # the transfer has ended as it has
                _log.warning("could not close the journal of this transfer: %s", error)


def _boot() -> str:
    """Name the time since the machine was started, where the system tells it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


async def _close(file: _File) -> None:
    await run_blocking(file.close)


class Stale:
    """Hold the journal of an earlier transfer, locked, in order to undo what it left."""

    def __init__(self, path: Path) -> None:
        self._file = _File(path, "")

    @property
    def place(self) -> str:
        """Name the store that the uploads are in."""
        return self._file.place

    @property
    def uploads(self) -> list[Upload]:
        """Return what is unfinished."""
        return [item.upload for item in self._file.unfinished.values()]

    async def open(self) -> bool:
        """Lock and read it; False if somebody else has it, or it is gone."""
        try:
            return await run_blocking(lambda: self._file.open(create=False))
        except OSError:
            return False

    def dropped(self, upload: Upload) -> None:
        """Forget an upload that was removed."""
        self._file.unfinished.pop(upload.id, None)

    async def close(self) -> None:
        """Release the file, and remove it if everything was removed."""
        await finish(_close(self._file), _CLOSE)


async def stale(now: Callable[[], float] = time.time) -> list[Stale]:
    """Find the journals that nobody has touched for `KEPT` seconds."""

    def work() -> list[Path]:
        try:
            with os.scandir(folder()) as found:
                return [
                    Path(item.path)
                    for item in found
                    if item.name.endswith(".jsonl") and item.stat().st_mtime < now() - KEPT
                ]
        except OSError:
            return []

    return [Stale(path) for path in await run_blocking(work)]
