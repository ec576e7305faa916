"""The ``client.storage`` subsystem (public-api.md §7, storage.md §10-15)."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Protocol

from yarl import URL

from ..concurrency import scoped_iterator
from ..config import Config
from ..errors import ResourceNotFound
from ..models import UNSET, Unset
from ..streaming.ndjson import raise_error_record
from ..transfer import (
    AbstractDeleteProgress,
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    ObjectStore,
    Side,
    TransferOptions,
    TransferResult,
)
from ..transfer.disk import with_rules
from ..transport import Transport
from ..uris import storage_path
from . import transfers
from .glob import Globber
from .models import DiskUsageInfo, FileStatus
from .service import StorageService
from .store import StorageStore
from .wire import decode_deleted, decode_usage

_PARTIAL = 206
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class StorageParser(Protocol):
    """Expand ``storage:`` URIs; a part of `Parser`."""

    def normalize_uri(self, uri: URL, *, allowed_schemes: Iterable[str] = ()) -> URL:
        """Return the long form; raise ``ValueError`` for another scheme."""
        ...


class Storage:
    """Work with the files of a platform's storage.

    Remote arguments are ``storage:`` URIs in any form, local ones ``file:`` URLs or paths; other
    schemes raise ``ValueError``. A URI of an unknown cluster raises ``RuntimeError``.
    """

    def __init__(self, transport: Transport, config: Config, parse: StorageParser) -> None:
        self._transport = transport
        self._config = config
        self._parse = parse
        self._services: dict[str, StorageService] = {}

    def _service(self, cluster_name: str) -> StorageService:
        base = self._config.get_cluster(cluster_name).storage_url
        service = self._services.get(cluster_name)
        if service is None:
            root = URL.build(scheme="storage", host=cluster_name)
            service = self._services[cluster_name] = StorageService(self._transport, base, root)
        return service

    def _locate(self, uri: URL) -> tuple[StorageService, str]:
        full = self._parse.normalize_uri(uri, allowed_schemes=("storage",))
        assert full.host is not None, "a normalized URI names its cluster"
        return self._service(full.host), storage_path(full)

    def check_for_server_error(self, server_message: Mapping[str, Any]) -> None:
        """Raise the ``OSError`` or ``NDJSONError`` that an error record stands for."""
        raise_error_record(server_message)

    @scoped_iterator
    async def list(self, uri: URL) -> AsyncIterator[FileStatus]:
        """Iterate over a directory, not recursive, in the server's order."""
        service, path = self._locate(uri)
        async with service.list(path) as statuses:
            async for status in statuses:
                yield status

    @scoped_iterator
    async def glob(self, uri: URL, *, dironly: bool = False) -> AsyncIterator[URL]:
        """Iterate over the URIs that fit a pattern (storage.md §15).

        Results have the form of the pattern. A URI without ``*``, ``?`` and ``[`` is yielded as it
        is, without a request.
        """
        self._locate(uri)
        async with Globber(self.list, self.stat).find(uri, dironly=dironly) as found:
            async for match in found:
                yield match

    @scoped_iterator
    async def open(
        self, uri: URL, offset: int = 0, size: int | None = None
    ) -> AsyncIterator[bytes]:
        """Iterate over the content in chunks as they arrive, from *offset* on, *size* bytes.

        Raises:
            RuntimeError: a range was asked for and the answer is not that range.
        """
        if offset < 0:
            raise ValueError(f"offset must not be negative, it is {offset}")
        if size is not None and size < 0:
            raise ValueError(f"size must not be negative, it is {size}")
        service, path = self._locate(uri)
        if size == 0:
            return
        wanted = None
        if offset or size is not None:
            wanted = f"bytes={offset}-" if size is None else f"bytes={offset}-{offset + size - 1}"
        async with service.open(path, wanted) as answer:
            if wanted is not None:
                given = answer.headers.get("Content-Range", "")
                found = _CONTENT_RANGE.fullmatch(given)
                if answer.status != _PARTIAL or found is None or int(found[1]) != offset:
                    raise RuntimeError(
                        f"{uri} was asked for {wanted} and the storage answered {answer.status} "
                        f"with Content-Range {given!r}"
                    )
            async for chunk in answer.chunks():
                yield chunk

    async def stat(self, uri: URL) -> FileStatus:
        """Describe a file or directory; links are not followed."""
        service, path = self._locate(uri)
        return await service.stat(path)

    async def create(self, uri: URL, data: bytes | AsyncIterator[bytes]) -> None:
        """Write a whole file in one request; missing parents are made.

        An iterator is sent once and never again, whatever happens.
        """
        service, path = self._locate(uri)
        await service.create(path, data)

    async def write(self, uri: URL, data: bytes, offset: int) -> None:
        """Overwrite bytes of an existing file in place."""
        if not data:
            raise ValueError("there is nothing to write: data is empty")
        service, path = self._locate(uri)
        await service.write(path, data, offset, len(data))

    async def mkdir(self, uri: URL, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory.

        Raises:
            FileExistsError: something is there already and *exist_ok* is not set, or a file is.
            FileNotFoundError: the parent is missing and *parents* is not set.
        """
        service, path = self._locate(uri)
        if not exist_ok and await _exists(service, path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(uri))
        parent = path.rstrip("/").rpartition("/")[0]
        if not parents and not await _exists(service, parent):
            missing = str(service.uri(parent))
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), missing)
        await service.mkdirs(path)

    async def rm(
        self,
        uri: URL,
        *,
        recursive: bool = False,
        progress: AbstractDeleteProgress | None = None,
    ) -> None:
        """Remove a file, or with *recursive* a directory and all below it.

        Raises:
            IsADirectoryError: it is a directory and *recursive* is not set.
        """
        service, path = self._locate(uri)
        async with service.delete(path, recursive=recursive) as records:
            async for record in records:
                if progress is not None:
                    progress.delete(decode_deleted(record, service.uri))

    async def mv(self, src: URL, dst: URL) -> None:
        """Rename within one cluster; an existing file is replaced."""
        service, path = self._locate(src)
        target_service, target = self._locate(dst)
        if target_service is not service:
            raise ValueError(
                f"cannot move {src} to {dst}: they are on different clusters; copy, then remove"
            )
        await service.rename(path, target)

    async def disk_usage(
        self,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
        uri: URL | None = None,
    ) -> DiskUsageInfo:
        """Tell the bytes of the file system that holds *uri*, or the user's home folder."""
        cluster = cluster_name or self._config.cluster_name
        org = self._config.org_name if isinstance(org_name, Unset) else org_name
        if uri is not None:
            service, path = self._locate(uri)
        else:
            service = self._service(cluster)
            path = "/".join(part for part in (org, self._config.username) if part)
        return decode_usage(await service.usage(path), cluster, org, uri)

    async def upload_file(
        self,
        src: URL | Path,
        dst: URL,
        *,
        update: bool = False,
        continue_: bool = False,
        progress: AbstractFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Upload a file to exactly *dst*; the rules of skipping are those of storage.md §12.

        Raises:
            FileNotFoundError: *src* is missing.
            IsADirectoryError: *src* or *dst* is a directory.
            NotADirectoryError: the parent of *dst* is missing, or a file.
            SourceChangedError: *src* changed while it was read; *dst* is what it was.
        """
        service, path = self._locate(dst)
        return await transfers.upload_file(
            service, src, path, with_rules(options, update, continue_), progress
        )

    async def upload_dir(
        self,
        src: URL | Path,
        dst: URL,
        *,
        update: bool = False,
        continue_: bool = False,
        filter: AsyncFilterFunc | None = None,
        ignore_file_names: AbstractSet[str] = frozenset(),
        progress: AbstractRecursiveFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Upload a directory and all below it into *dst*.

        *filter* gets paths relative to *src*, directories with a trailing slash. Files named in
        *ignore_file_names* are read as rules on top of it (storage.md §14).

        Raises:
            FileNotFoundError: *src* is missing.
            NotADirectoryError: *src* or *dst* is a file.
        """
        service, path = self._locate(dst)
        limits = with_rules(options, update, continue_)
        return await transfers.upload_dir(
            service, src, path, limits, filter, ignore_file_names, progress
        )

    async def download_file(
        self,
        src: URL,
        dst: URL | Path,
        *,
        update: bool = False,
        continue_: bool = False,
        progress: AbstractFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Download a file to exactly *dst*, whose directory must exist.

        Raises:
            ResourceNotFound: *src* is missing.
            IsADirectoryError: *src* is not a file, or *dst* is a directory.
        """
        service, path = self._locate(src)
        return await transfers.download_file(
            service, path, dst, with_rules(options, update, continue_), progress
        )

    async def download_dir(
        self,
        src: URL,
        dst: URL | Path,
        *,
        update: bool = False,
        continue_: bool = False,
        filter: AsyncFilterFunc | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Download a directory and all below it into *dst*, which is made with its parents.

        Raises:
            ResourceNotFound: *src* is missing.
            NotADirectoryError: *src* is a file.
        """
        service, path = self._locate(src)
        limits = with_rules(options, update, continue_)
        return await transfers.download_dir(service, path, dst, limits, filter, progress)

    async def at_path(self, cluster_name: str, path: Sequence[str]) -> tuple[ObjectStore, str]:
        """Find the store and the key of a decoded path."""
        return StorageStore(self._service(cluster_name)), "/".join(path)

    async def side(self, uri: URL) -> Side:
        """Make a URI an end of a transfer, for ``copy`` between stores."""
        service, path = self._locate(uri)
        return transfers.remote_side(service, path.rstrip("/"))


async def _exists(service: StorageService, path: str) -> bool:
    try:
        await service.stat(path)
    except ResourceNotFound:
        return False
    return True
