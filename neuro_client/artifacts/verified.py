"""A local directory whose files appear under their names only when their MD5 is right (§4.1)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..errors import ChecksumMismatchError
from ..threads import run_blocking
from ..transfer import Body, LocalStore, Part, Upload
from ..transfer.files import read_at
from ..transfer.models import SLICE, MiB

_MD5 = re.compile(r"[0-9a-f]{32}")
_INLINE = 2**15
_HOP = 8 * MiB


def plain_md5(text: str) -> str | None:
    """Return a checksum that can be compared, None for one of another form (§3.3)."""
    return text.lower() if _MD5.fullmatch(text.lower()) else None


@attrs.define(eq=False)
class _Sum:
    """Hash a file from its begin while its parts arrive in any order."""

    digest: Any = attrs.field(factory=lambda: hashlib.md5(usedforsecurity=False))
    position: int = 0
    arrived: dict[int, int] = attrs.field(factory=dict)
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    def reach(self) -> int:
        """Return up to which byte everything has arrived."""
        end = self.position
        while end in self.arrived:
            end += self.arrived.pop(end)
        return end

    async def advance(self, path: Path, end: int) -> None:
        """Hash up to a byte, in short hops to a thread."""
        async with self.turn:
            while self.position < end:
                await run_blocking(self._hash, path, min(end, self.position + _HOP))

    def _hash(self, path: Path, end: int) -> None:
        with path.open("rb", buffering=0) as file:
            while self.position < end:
                size = min(SLICE, end - self.position)
                data = read_at(file.fileno(), size, self.position)
                if len(data) < size:
                    raise ChecksumMismatchError(f"{str(path)!r} ends too early; download it again")
                self.digest.update(data)
                self.position += len(data)


class VerifiedStore(LocalStore):
    """Keep files below a directory, each compared with the checksum that *wanted* gives of its key.

    Large files are hashed while they arrive; what does not fit is removed.
    """

    def __init__(self, root: Path, wanted: Callable[[str], str | None]) -> None:
        super().__init__(root)
        self._wanted = wanted
        self._sums: dict[str, _Sum] = {}

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole file if it is the right one."""
        if (wanted := self._wanted(key)) is not None:
            work = _hash_of(body) if len(body) <= _INLINE else await run_blocking(_hash_of, body)
            _compare(key, work, wanted)
        await super().put(key, body)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write a part, and hash what is complete up to somewhere."""
        part = await super().put_part(upload, number, offset, body)
        if upload.id and self._wanted(upload.key) is not None:
            found = self._sum(upload, (part,))
            if not found.turn.locked():
                await found.advance(self._draft(upload), found.reach())
        return part

    def _sum(self, upload: Upload, parts: Sequence[Part]) -> _Sum:
        found = self._sums.setdefault(upload.id, _Sum())
        found.arrived.update((part.offset, part.size) for part in parts)
        return found

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Confirm what an earlier run has written; it is hashed now."""
        found = await super().parts(upload, known)
        if self._wanted(upload.key) is not None:
            self._sum(upload, found)
        return found

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Give a file its name if it is the right one."""
        wanted = self._wanted(upload.key)
        if upload.id and wanted is not None:
            found = self._sum(upload, ())
            await found.advance(self._draft(upload), upload.size)
            _compare(upload.key, found.digest.hexdigest(), wanted)
        await super().complete(upload, parts)
        self._sums.pop(upload.id, None)

    async def abort(self, upload: Upload) -> None:
        """Remove an unfinished file."""
        self._sums.pop(upload.id, None)
        await super().abort(upload)


def _hash_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


async def file_md5(path: Path, size: int) -> str | None:
    """Return the MD5 of a file, None if it is none of this size."""
    found = _Sum()
    try:
        if not await run_blocking(_has_size, path, size):
            return None
        await found.advance(path, size)
    except (OSError, ChecksumMismatchError):
        return None
    digest: str = found.digest.hexdigest()
    return digest


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _compare(key: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise ChecksumMismatchError(
            f"{key!r} arrived with the MD5 {found} instead of {wanted}; nothing was kept of it: "
            "download it again, it may have changed meanwhile"
        )
