"""The one implementation of the fsspec file systems, over `transfer.ObjectStore`.

Paths are decoded text, taken exactly.
"""

from __future__ import annotations

import asyncio
import errno
import os
import weakref
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import attrs
from fsspec.asyn import AsyncFileSystem, running_async, sync, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK
from yarl import URL

from ..concurrency import finish
from ..threads import run_blocking
from ..transfer import MISSING, Entry, ObjectStore, Side, copy_file, local_side
from ..transfer.models import MiB
from .file import Place, StoreFile

_BLOCK = 8 * MiB
_CLEAN_UP = 10.0


class Closable(Protocol):
    """Be a client."""

    async def close(self) -> None:
        """Close the connections."""


C = TypeVar("C", bound=Closable)


class StoreFileSystem(AsyncFileSystem, Generic[C]):  # type: ignore[misc]  # fsspec has no types
    """Reach the files of a login; *config* is its folder, by default the user's own.

    With ``asynchronous=True`` use the methods with an underscore, and `aclose` at the end.
    """

    root_marker = ""
    protocol: str | tuple[str, ...] = ()
    first_part = "CLUSTER"
    """What a path begins with."""

    def __init__(self, *args: Any, config: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._config = None if config is None else Path(config)
        self._client: C | None = None
        self._opening = asyncio.Lock()
        self._home: asyncio.AbstractEventLoop | None = None

    @abstractmethod
    async def _open_client(self) -> C:
        """Open what the paths are reached with."""

    @abstractmethod
    async def _store(self, client: C, first: str, path: Sequence[str]) -> Place:
        """Find the store and the key of a path, given its first part and the others."""

    async def _connected(self) -> C:
        here = asyncio.get_running_loop()
        if self._home is not here:
            # fsspec hands out the same object again, in a later loop of the thread, too.
            self._home, self._client, self._opening = here, None, asyncio.Lock()
        async with self._opening:
            if self._client is None:
                self._client = await self._open_client()
                if not self.asynchronous:
                    self._closer = weakref.finalize(self, _close, self.loop, self._client)
            return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            if not self.asynchronous:
                self._closer.detach()
            await client.close()

    async def _at(self, path: str) -> Place:
        parts = [part for part in self._strip_protocol(path).split("/") if part]
        if not parts:
            start = f"{self.protocol}://{self.first_part}"
            raise ValueError(f"{path!r} names no {self.first_part.lower()}; write {start}/...")
        return await self._store(await self._connected(), parts[0], parts[1:])

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        store, key = await self._at(path)
        with found_at(path):
            return described(path, await store.head(key))

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        store, key = await self._at(path)
        with found_at(path):
            try:
                async with store.list(key) as entries:
                    found = [
                        described(f"{path}/{entry.name}", entry)
                        async for entry in entries
                        if entry.is_file or entry.is_dir
                    ]
            except NotADirectoryError:
                found = [described(path, await store.head(key))]
        return found if detail else sorted(item["name"] for item in found)

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        if maxdepth is not None:  # a listing of everything may be much longer
            return await super()._find(path, maxdepth, withdirs, detail=detail, **kwargs)
        path = self._strip_protocol(path)
        found: dict[str, Any] = {}
        with suppress(FileNotFoundError):
            found = await self._below(path, withdirs)
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    async def _below(self, path: str, withdirs: bool) -> dict[str, Any]:
        """Describe a file, or everything below a directory, with one recursive listing."""
        store, key = await self._at(path)
        start = len(key) + 1 if key else 0
        found: dict[str, Any] = {}
        with found_at(path):
            try:
                async with store.list(key, recursive=True) as entries:
                    async for entry in entries:
                        below = entry.key[start:]
                        wanted = entry.is_file or (withdirs and entry.is_dir)
                        if wanted and "" not in below.split("/"):  # no path leads to those
                            name = f"{path}/{below}"
                            found[name] = described(name, entry)
            except NotADirectoryError:
                return {path: described(path, await store.head(key))}
            if withdirs:
                found[path] = described(path, await store.head(key))
        return found

    async def _cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        version: str | None = None,
        **_: Any,
    ) -> bytes:
        store, key = await self._at(path)
        with found_at(path):
            if version is None and (start or end is not None):
                entry = await store.head(key)
                # As Python slices: from the end if negative, cut to what there is.
                start, end = slice(start, end).indices(entry.size)[:2]
                version = entry.version
            if end is not None and (start or 0) >= end:
                return b""
            async with store.get(key, start=start or 0, end=end, version=version) as chunks:
                return b"".join([chunk async for chunk in chunks])

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        store, key = await self._at(path)
        await self._check_free(path, mode)
        await store.put(key, bytes(value))

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_: Any,
    ) -> None:
        local = Path(lpath)
        if await run_blocking(local.is_dir):
            await self._makedirs(rpath, exist_ok=True)
            return
        await self._check_free(rpath, mode)
        store, key = await self._at(rpath)
        here = local_side(await run_blocking(local.absolute))
        entry = attrs.evolve(await here.store.head(""), key="")
        callback.set_size(entry.size)
        await copy_file(here, self._side(store, key, rpath), entry)
        callback.relative_update(entry.size)

    async def _get_file(
        self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        store, key = await self._at(rpath)
        local = await run_blocking(Path(lpath).absolute)
        with found_at(rpath):
            entry = await store.head(key)
        if entry.is_dir:
            await run_blocking(lambda: local.mkdir(parents=True, exist_ok=True))
            return
        await run_blocking(lambda: local.parent.mkdir(parents=True, exist_ok=True))
        callback.set_size(entry.size)
        await copy_file(self._side(store, key, rpath), local_side(local), entry)
        callback.relative_update(entry.size)

    async def _check_free(self, path: str, mode: str) -> None:
        if mode == "create" and await self._exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        source, key1 = await self._at(path1)
        target, key2 = await self._at(path2)
        with found_at(path1):
            entry = await source.head(key1)
        if entry.is_dir:
            await self._make_dir(target, key2)
            return
        await copy_file(self._side(source, key1, path1), self._side(target, key2, path2), entry)

    async def _make_dir(self, store: ObjectStore, key: str) -> None:
        await store.make_dir(key)

    def _side(self, store: ObjectStore, key: str, path: str) -> Side:
        """Make an end of a transfer without a journal: fsspec calls are not repeated as such."""
        first, _, rest = self._strip_protocol(path).partition("/")
        url = URL.build(scheme=str(self.protocol), host=first, path=f"/{rest}")
        return Side(store, key, lambda below: url, lambda below: url)

    async def _rm(self, path: Any, recursive: bool = False, **_: Any) -> None:
        for one in await self._expand_path(path):
            await self._rm_file(one, recursive=recursive)

    async def _rmdir(self, path: str) -> None:
        if await self._ls(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        await self._rm_file(path, recursive=True)

    async def _rm_file(self, path: str, *, recursive: bool = False, **_: Any) -> None:
        store, key = await self._at(path)
        with found_at(path):
            if not recursive and (await store.head(key)).is_dir:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            await store.delete(key)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        if not create_parents and not await self._exists(self._parent(path)):
            raise missing(self._parent(path))
        await self._makedirs(path)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        await self._check_free(path, "overwrite" if exist_ok else "create")
        store, key = await self._at(path)
        await store.make_dir(key)

    mkdir = sync_wrapper(_mkdir)
    makedirs = sync_wrapper(_makedirs)
    rmdir = sync_wrapper(_rmdir)

    def modified(self, path: str) -> datetime:
        """Return the time of the last change."""
        found = self.info(path)["mtime"]
        if found is None:
            raise NotImplementedError(f"{path} has no time of its own")
        return datetime.fromtimestamp(found, UTC)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        **kwargs: Any,
    ) -> StoreFile:
        if mode not in ("rb", "wb", "xb"):
            raise NotImplementedError(f"mode {mode!r}: files are read, or written as a whole")
        if mode == "xb":
            sync(self.loop, self._check_free, path, "create")
        size = block_size if isinstance(block_size, int) else _BLOCK
        if mode == "rb":
            return StoreFile(self, path, mode, size, autocommit, **kwargs)
        # Providers take no small parts.
        return StoreFile(self, path, "wb", max(size, _BLOCK), autocommit, **kwargs)


def described(path: str, entry: Entry) -> dict[str, Any]:
    return {
        "name": path,
        "size": entry.size if entry.is_file else 0,
        "type": "file" if entry.is_file else "directory",
        "mtime": entry.mtime,
        "version": entry.version,
    }


def missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


@contextmanager
def found_at(path: str) -> Iterator[None]:
    """Report what is not there as fsspec expects it."""
    try:
        yield
    except MISSING as error:
        raise missing(path) from error


def _close(loop: asyncio.AbstractEventLoop, client: Closable) -> None:
    """Close a client whose file system is gone; wait for it, as the program may be at its end."""
    if not loop.is_running():
        return
    closing = asyncio.run_coroutine_threadsafe(finish(client.close(), _CLEAN_UP), loop)
    if not running_async():
        closing.result(_CLEAN_UP)
