"""fsspec file systems: ``storage://cluster/user/path`` and ``blob://cluster/user/bucket/key``.

Both are one implementation over `transfer.ObjectStore`; paths are decoded text, taken exactly.
They need the extra ``fs`` and are found by fsspec through the ``fsspec.specs`` entry points.
"""

from __future__ import annotations

import asyncio
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from fsspec.asyn import AsyncFileSystem, sync, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractBufferedFile

from .client import Client
from .concurrency import finish
from .factory import get
from .threads import run_blocking
from .transfer import MISSING, Body, Entry, ObjectStore, Part, Side, Upload, copy_file, local_side
from .transfer.models import MiB
from .uris import file_uri

_BLOCK = 8 * MiB
_CLEAN_UP = 10.0


class StoreFileSystem(AsyncFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Reach the files of a login; *config* is its folder, by default the user's own.

    With ``asynchronous=True`` use the methods that begin with an underscore, and `aclose` at the
    end.
    """

    root_marker = ""
    protocol: str | tuple[str, ...] = ()

    def __init__(self, *args: Any, config: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._config = None if config is None else Path(config)
        self._client: Client | None = None
        self._opening: asyncio.Lock | None = None

    @abstractmethod
    async def _store(self, client: Client, cluster: str, path: Sequence[str]) -> Any:
        """Find the store and the key of a path."""

    async def _connected(self) -> Client:
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._client is None:
                self._client = await get(path=self._config)
                if not self.asynchronous:
                    weakref.finalize(self, _close, self.loop, self._client)
            return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def _at(self, path: str) -> tuple[ObjectStore, str]:
        parts = [part for part in self._strip_protocol(path).split("/") if part]
        if not parts:
            raise ValueError(f"{path!r} names no cluster; write {self.protocol}://CLUSTER/USER/...")
        store, key = await self._store(await self._connected(), parts[0], parts[1:])
        return store, key

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        store, key = await self._at(path)
        try:
            return _described(path, await store.head(key))
        except MISSING as error:
            raise FileNotFoundError(path) from error

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        store, key = await self._at(path)
        try:
            async with store.list(key) as entries:
                found = [
                    _described(f"{path}/{entry.name}", entry)
                    async for entry in entries
                    if entry.is_file or entry.is_dir
                ]
        except NotADirectoryError:
            found = [_described(path, await store.head(key))]
        except MISSING as error:
            raise FileNotFoundError(path) from error
        return found if detail else sorted(item["name"] for item in found)

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        store, key = await self._at(path)
        begin, stop = start or 0, end
        try:
            if begin < 0 or (stop is not None and stop < 0):
                size = (await store.head(key)).size
                begin = max(0, size + begin) if begin < 0 else begin
                stop = size + stop if stop is not None and stop < 0 else stop
            async with store.get(key, start=begin, end=stop) as chunks:
                return b"".join([chunk async for chunk in chunks])
        except MISSING as error:
            raise FileNotFoundError(path) from error

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        store, key = await self._at(path)
        if mode == "create" and await self._exists(path):
            raise FileExistsError(path)
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
        if mode == "create" and await self._exists(rpath):
            raise FileExistsError(rpath)
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
        try:
            entry = await store.head(key)
        except MISSING as error:
            raise FileNotFoundError(rpath) from error
        if entry.is_dir:
            await run_blocking(lambda: local.mkdir(parents=True, exist_ok=True))
            return
        await run_blocking(lambda: local.parent.mkdir(parents=True, exist_ok=True))
        callback.set_size(entry.size)
        await copy_file(self._side(store, key, rpath), local_side(local), entry)
        callback.relative_update(entry.size)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        source, key1 = await self._at(path1)
        target, key2 = await self._at(path2)
        entry = await source.head(key1)
        if entry.is_dir:
            await target.make_dir(key2)
            return
        await copy_file(self._side(source, key1, path1), self._side(target, key2, path2), entry)

    def _side(self, store: ObjectStore, key: str, path: str) -> Side:
        """Make an end of a transfer without a journal: fsspec calls are not repeated as such."""
        url = file_uri(Path("/") / self._strip_protocol(path))
        return Side(store, key, lambda below: url, lambda below: url)

    async def _rm_file(self, path: str, **_: Any) -> None:
        store, key = await self._at(path)
        try:
            await store.delete(key)
        except MISSING as error:
            raise FileNotFoundError(path) from error

    async def _rm(self, path: Any, recursive: bool = False, **_: Any) -> None:
        for one in [path] if isinstance(path, str) else path:
            if not recursive and (await self._info(one))["type"] == "directory":
                raise IsADirectoryError(one)
            await self._rm_file(one)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        if await self._exists(path):
            raise FileExistsError(path)
        await self._makedirs(path, exist_ok=True)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        if not exist_ok and await self._exists(path):
            raise FileExistsError(path)
        store, key = await self._at(path)
        await store.make_dir(key)

    mkdir = sync_wrapper(_mkdir)
    makedirs = sync_wrapper(_makedirs)

    def created(self, path: str) -> datetime:
        """Return the time of the last change: the services keep no other."""
        return self.modified(path)

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
        cache_options: Any = None,
        **kwargs: Any,
    ) -> StoreFile:
        if mode not in ("rb", "wb", "xb"):
            raise NotImplementedError(f"mode {mode!r}: files are read, or written as a whole")
        if mode == "xb" and self.exists(path):
            raise FileExistsError(path)
        return StoreFile(
            self,
            path,
            "wb" if mode == "xb" else mode,
            block_size if isinstance(block_size, int) else _BLOCK,
            autocommit,
            cache_options=cache_options,
            **kwargs,
        )


class StoreFile(AbstractBufferedFile):  # type: ignore[misc]
    """Read a file in ranges, or write it in parts; it appears when it is closed."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = sync(self.fs.loop, self.fs._cat_file, self.path, start, end)
        return found

    def _initiate_upload(self) -> None:
        self._place: tuple[ObjectStore, str] = sync(self.fs.loop, self.fs._at, self.path)
        self._upload: Upload | None = None
        self._parts: list[Part] = []
        self._whole: bytes | None = None

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        if final and self._upload is None:
            self._whole = data
        elif data and (final or len(data) >= self.blocksize):
            sync(self.fs.loop, self._send, data)
        elif not final:
            return False  # kept, until there is enough for a part
        if final and self.autocommit:
            self.commit()
        return True

    async def _send(self, data: bytes) -> None:
        store, key = self._place
        if self._upload is None:
            self._upload = await store.begin(key, 0)
        offset = sum(part.size for part in self._parts)
        number = len(self._parts) + 1
        part = await store.put_part(self._upload, number, offset, Body.of(data))
        self._parts.append(part)

    def commit(self) -> None:
        """Give the file its name."""
        sync(self.fs.loop, self._complete)

    async def _complete(self) -> None:
        store, key = self._place
        if self._whole is not None:
            await store.put(key, self._whole)
        elif self._upload is not None:
            size = sum(part.size for part in self._parts)
            await store.complete(attrs.evolve(self._upload, size=size), self._parts)
            self._upload = None

    def discard(self) -> None:
        """Drop what was written."""
        upload = getattr(self, "_upload", None)
        if upload is not None:
            sync(self.fs.loop, self._place[0].abort, upload)


class StorageFileSystem(StoreFileSystem):
    """``storage://cluster/user/path``: files on a platform's storage."""

    protocol = "storage"

    async def _store(self, client: Client, cluster: str, path: Sequence[str]) -> Any:
        return await client.storage.at_path(cluster, path)


class BlobFileSystem(StoreFileSystem):
    """``blob://cluster/[org/]user/bucket/key``: blobs of a platform's buckets."""

    protocol = "blob"

    async def _store(self, client: Client, cluster: str, path: Sequence[str]) -> Any:
        return await client.buckets.at_path(cluster, path)


def _described(path: str, entry: Entry) -> dict[str, Any]:
    return {
        "name": path,
        "size": entry.size if entry.is_file else 0,
        "type": "file" if entry.is_file else "directory",
        "mtime": entry.mtime,
        "version": entry.version,
    }


def _close(loop: asyncio.AbstractEventLoop, client: Client) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(finish(client.close(), _CLEAN_UP), loop)
