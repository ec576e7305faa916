"""Bring what a task writes into its workspace, while it runs and after it."""

from __future__ import annotations

import asyncio
import functools
import mimetypes
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs

from ...threads import taken
from .objects import Objects

_TYPES = {".txt": "text/plain", ".log": "text/plain", ".json": "application/json"}
_DRAFT = "."


@attrs.frozen
class _Found:
    key: str
    path: Path
    state: tuple[int, int]


@attrs.define
class Results:
    """Store the files of a folder below a prefix, each again whenever it has changed."""

    folder: Path
    prefix: str
    objects: Callable[[], Awaitable[Objects]]
    _stored: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)

    async def sync(self) -> None:
        """Store what is new or has changed; raises `ObjectsError`."""
        for one in await asyncio.to_thread(self._scan):
            if self._stored.get(one.key) == one.state:
                continue
            try:
                handle = await taken(functools.partial(_opened, one.path), os.close)
            except OSError:
                continue  # it is gone, or is no file any more
            with os.fdopen(handle, "rb") as file:
                size = os.fstat(handle).st_size
                kind = _TYPES.get(one.path.suffix) or mimetypes.guess_type(one.path.name)[0]
                objects = await self.objects()
                await objects.put(one.key, file, size, kind or "application/octet-stream")
            self._stored[one.key] = one.state

    def _scan(self) -> list[_Found]:
        found = []
        # Links are not followed: they could lead to what is not the user's.
        for parent, folders, names in os.walk(self.folder):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                try:
                    info = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(info.st_mode) and not name.startswith(_DRAFT):
                    relative = path.relative_to(self.folder).as_posix()
                    key = (self.prefix + relative).encode("utf-8", "replace").decode()
                    found.append(_Found(key, path, (info.st_mtime_ns, info.st_size)))
        return found


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
