"""Match patterns against the storage, one path component at a time (storage.md §15)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ResourceNotFound
from .models import FileStatus

List = Callable[[URL], AbstractAsyncContextManager[AsyncIterator[FileStatus]]]
Stat = Callable[[URL], Awaitable[FileStatus]]

_MAGIC = re.compile("[*?[]")


def has_magic(text: str) -> bool:
    """Tell whether a decoded path or name is a pattern."""
    return _MAGIC.search(text) is not None


class Globber:
    """Find what a pattern fits, with the listings and look-ups of a storage."""

    def __init__(self, list: List, stat: Stat) -> None:
        self._list = list
        self._stat = stat

    @scoped_iterator
    async def find(self, uri: URL, *, dironly: bool) -> AsyncIterator[URL]:
        """Yield the URIs that fit, in the same form as the pattern."""
        if not has_magic(uri.path):
            yield uri
            return
        parent, name = _split(uri)
        magic = has_magic(parent.path)
        parents = self.find(parent, dironly=True) if magic else _one(parent)
        async with parents as found:
            async for base in found:
                async with self._inside(base, name, dironly) as matches:
                    async for match in matches:
                        yield match

    @scoped_iterator
    async def _inside(self, base: URL, name: str, dironly: bool) -> AsyncIterator[URL]:
        if not name:  # after a trailing slash; base is known to be a directory
            yield _join(base, name)
        elif not has_magic(name):
            if await self._exists(_join(base, name)):
                yield _join(base, name)
        elif name == "**":
            yield base
            async with self._below(base, dironly) as found:
                async for uri in found:
                    yield uri
        else:
            fits = re.compile(fnmatch.translate(name)).match
            hidden = name.startswith(".")
            async with self._list(base) as statuses:
                async for status in statuses:
                    if dironly and not status.is_dir():
                        continue
                    if fits(status.name) and (hidden or not status.name.startswith(".")):
                        yield _join(base, status.name)

    @scoped_iterator
    async def _below(self, base: URL, dironly: bool) -> AsyncIterator[URL]:
        async with self._list(base) as statuses:
            async for status in statuses:
                if status.name.startswith(".") or (dironly and not status.is_dir()):
                    continue
                uri = _join(base, status.name)
                yield uri
                if status.is_dir():
                    async with self._below(uri, dironly) as found:
                        async for child in found:
                            yield child

    async def _exists(self, uri: URL) -> bool:
        try:
            await self._stat(uri)
        except ResourceNotFound:
            return False
        return True


@scoped_iterator
async def _one(uri: URL) -> AsyncIterator[URL]:
    yield uri


def _split(uri: URL) -> tuple[URL, str]:
    """Return the parent and the last component, which is empty after a trailing slash."""
    head, slash, name = uri.path.rpartition("/")
    if uri.host is None:
        return URL.build(scheme=uri.scheme, path=head or slash), name
    return uri.with_path(head or "/"), name


def _join(base: URL, name: str) -> URL:
    path = base.path
    start = path if not path or path.endswith("/") else f"{path}/"
    if base.host is None:
        return URL.build(scheme=base.scheme, path=start + name)
    return base.with_path(start + name)
