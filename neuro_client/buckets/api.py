"""The ``client.buckets`` subsystem (public-api.md §12, buckets.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from yarl import URL

from ..concurrency import scoped_iterator
from ..retry import RetryPolicy
from ..transfer import (
    AbstractDeleteProgress,
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Chunk,
    ObjectStore,
    Side,
    TransferOptions,
    TransferResult,
)
from ..transfer.disk import with_rules
from ..transfer.flow import retrying
from . import blobs, transfers
from .glob import glob
from .models import (
    BlobObject,
    BucketEntry,
    BucketUsage,
)
from .opened import OpenBucket
from .records import BucketRecords
from .removal import remove
from .store import check_key

_RETRY = RetryPolicy()


class Buckets(BucketRecords):
    """Work with buckets and the blobs in them, at whatever provider they are.

    Blobs are named by a bucket and a key, which is exact, or by a ``blob:`` URI, whose key is what
    stands in it: ``blob:b/sp%20ace`` is the key ``sp%20ace`` (buckets.md §1). ``cluster_name`` None
    is the current one; ``bucket_owner`` tells whose bucket a name is, by default the
    user's own. A bucket that was found and its credentials are kept for later calls.
    """

    async def _open(
        self, bucket_id_or_name: str, cluster_name: str | None, owner: str | None
    ) -> OpenBucket:
        return await self._buckets.by_name(self._service(cluster_name), bucket_id_or_name, owner)

    async def _locate(self, uri: URL) -> tuple[OpenBucket, str]:
        """Open the bucket of a URI; the key is what follows, as it stands there."""
        full = self._parse.normalize_uri(uri, allowed_schemes=("blob",))
        raw = full.raw_path.removeprefix("/").split("/")
        path = tuple(URL.build(path=part, encoded=True).path for part in raw)
        opened, length = await self._buckets.by_path(self._service(full.host), path)
        return opened, "/".join(raw[length:]).lstrip("/")

    async def make_signed_url(self, uri: URL, expires_in_seconds: int = 3600) -> URL:
        """Return a URL that reads a blob without credentials."""
        if expires_in_seconds < 1:
            raise ValueError(f"a URL is signed for at least a second, not {expires_in_seconds}")
        opened, key = await self._locate(uri)
        service = self._service(opened.bucket.cluster_name)
        return await service.sign_url(opened.bucket, check_key(key), expires_in_seconds)

    @scoped_iterator
    async def get_disk_usage(
        self,
        bucket_id_or_name: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> AsyncIterator[BucketUsage]:
        """Iterate over the running totals, one after each blob; the last one is the whole."""
        opened = await self._open(bucket_id_or_name, cluster_name, bucket_owner)
        size = count = 0
        async with blobs.entries(opened, "", recursive=True, retry=_RETRY) as found:
            async for entry in found:
                size, count = size + entry.size, count + 1
                yield BucketUsage(size, count)

    # Blobs by key

    async def head_blob(
        self,
        bucket_id_or_name: str,
        key: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> BucketEntry:
        """Describe a blob; ``ResourceNotFound`` if it is missing."""
        check_key(key)
        opened = await self._open(bucket_id_or_name, cluster_name, bucket_owner)
        found = await retrying(_RETRY, lambda: opened.provider.head(key))
        return BlobObject(key, opened.bucket, found.size, found.created_at, found.modified_at)

    async def put_blob(
        self,
        bucket_id_or_name: str,
        key: str,
        body: bytes | AsyncIterator[bytes],
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Write a blob, in place of one that is there; it appears complete or not at all.

        With *if_none_match* ``"*"`` only where there is none, with *if_match* only over the content
        of that ETag; else ``PreconditionFailedError``. An iterator is read once; what it gives is
        sent in parts as it comes.
        """
        check_key(key)
        opened = await self._open(bucket_id_or_name, cluster_name, bucket_owner)
        conditions = blobs.Conditions(if_match, if_none_match)
        await blobs.put(opened.provider, key, body, conditions, _RETRY)

    @scoped_iterator
    async def fetch_blob(
        self,
        bucket_id_or_name: str,
        key: str,
        offset: int = 0,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
        *,
        size: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> AsyncIterator[Chunk]:
        """Iterate over the content as it arrives, from *offset* on, *size* bytes."""
        check_key(key)
        if offset < 0 or (size is not None and size < 0):
            raise ValueError(f"offset and size must not be negative: {offset}, {size}")
        opened = await self._open(bucket_id_or_name, cluster_name, bucket_owner)
        conditions = blobs.Conditions(if_match, if_none_match)
        end = None if size is None else offset + size
        async with blobs.fetch(opened.provider, key, offset, end, conditions, _RETRY) as chunks:
            async for chunk in chunks:
                yield chunk

    async def delete_blob(
        self,
        bucket_id_or_name: str,
        key: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> None:
        """Remove a blob; a missing one is an error on Azure and Google only."""
        check_key(key)
        opened = await self._open(bucket_id_or_name, cluster_name, bucket_owner)
        await retrying(_RETRY, lambda: opened.provider.delete(key))

    # Blobs by URI

    @scoped_iterator
    async def list_blobs(
        self, uri: URL, recursive: bool = False, limit: int | None = None
    ) -> AsyncIterator[BucketEntry]:
        """Iterate over what begins with the key of *uri*, taken literally.

        Without *recursive* keys are grouped at the next slash: ``blob:b/dir`` gives the folder
        ``dir/``, ``blob:b/dir/`` what is in it.
        """
        opened, prefix = await self._locate(uri)
        async with blobs.entries(
            opened, prefix, recursive=recursive, limit=limit, retry=_RETRY
        ) as found:
            async for entry in found:
                yield entry

    @scoped_iterator
    async def glob_blobs(self, uri: URL) -> AsyncIterator[BucketEntry]:
        """Iterate over the blobs and folders that fit a pattern (buckets.md §8)."""
        opened, pattern = await self._locate(uri)
        async with glob(opened, pattern, _RETRY) as found:
            async for entry in found:
                yield entry

    async def blob_is_dir(self, uri: URL) -> bool:
        """Tell whether a URI names a folder; one that ends in a slash does, without a look."""
        if uri.raw_path.endswith("/"):
            return True
        opened, key = await self._locate(uri)
        return not key or await retrying(_RETRY, lambda: opened.store.has_folder(key))

    async def blob_rm(
        self,
        uri: URL,
        *,
        recursive: bool = False,
        progress: AbstractDeleteProgress | None = None,
    ) -> None:
        """Remove a blob, or with *recursive* a folder and all below it.

        Raises:
            FileNotFoundError: there is neither.
            IsADirectoryError: it is a folder and *recursive* is not set.
        """
        opened, key = await self._locate(uri)
        await remove(opened, key.rstrip("/"), recursive, progress, _RETRY)

    async def upload_file(
        self,
        src: URL | Path,
        dst: URL,
        *,
        update: bool = False,
        progress: AbstractFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Upload a file to exactly *dst*; the rules of skipping are those of buckets.md §9.3.

        Raises:
            FileNotFoundError: *src* is missing.
            IsADirectoryError: *src* or *dst* is a directory.
            SourceChangedError: *src* changed while it was read; *dst* is what it was.
        """
        opened, key = await self._locate(dst)
        limits = _no_continue(with_rules(options, update, False))
        return await transfers.upload_file(opened, src, key, limits, progress)

    async def upload_dir(
        self,
        src: URL | Path,
        dst: URL,
        *,
        update: bool = False,
        filter: AsyncFilterFunc | None = None,
        ignore_file_names: AbstractSet[str] = frozenset(),
        progress: AbstractRecursiveFileProgress | None = None,
        options: TransferOptions | None = None,
    ) -> TransferResult:
        """Upload a directory and all below it into *dst*; empty directories become markers.

        Raises:
            FileNotFoundError: *src* is missing.
            NotADirectoryError: *src* is a file, or *dst* a blob.
        """
        opened, key = await self._locate(dst)
        limits = _no_continue(with_rules(options, update, False))
        return await transfers.upload_dir(
            opened, src, key, limits, filter, ignore_file_names, progress
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
        """Download a blob to exactly *dst*, whose directory must exist.

        Raises:
            FileNotFoundError: *src* is missing.
            IsADirectoryError: *src* or *dst* is a directory.
        """
        opened, key = await self._locate(src)
        limits = with_rules(options, update, continue_)
        return await transfers.download_file(opened, key, dst, limits, progress)

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
        """Download a folder and all below it into *dst*, which is made with its parents.

        Raises:
            FileNotFoundError: *src* is missing.
            NotADirectoryError: *src* is a blob, or *dst* a file.
        """
        opened, key = await self._locate(src)
        limits = with_rules(options, update, continue_)
        return await transfers.download_dir(opened, key, dst, limits, filter, progress)

    async def at_path(self, cluster_name: str, path: Sequence[str]) -> tuple[ObjectStore, str]:
        """Find the store and the exact key of ``[org/]owner/bucket/key``, decoded."""
        opened, length = await self._buckets.by_path(self._service(cluster_name), tuple(path))
        return opened.store, "/".join(path[length:])

    async def side(self, uri: URL) -> Side:
        """Make a URI an end of a transfer, for ``copy`` between stores."""
        opened, key = await self._locate(uri)
        return opened.side(key.rstrip("/"))


def _no_continue(options: TransferOptions) -> TransferOptions:
    if options.continue_:
        raise ValueError("uploads to a bucket cannot be continued; use update, or neither")
    return options
