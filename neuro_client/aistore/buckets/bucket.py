"""One bucket: its life, its properties, its objects (aistore.md §7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Unpack

from yarl import URL

from ...concurrency import scoped_iterator
from ...errors import NotSupportedError, ResponseError
from ...transfer import (
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    TransferOptions,
    TransferResult,
)
from .. import wire
from ..dataset.api import Dataset, DatasetOptions
from ..errors import ErrBckAlreadyExists, ErrBckNotFound
from ..groups.api import ObjectGroup
from ..groups.names import ObjectRange
from ..models import (
    BucketEntry,
    BucketInfo,
    BucketList,
    BucketSummary,
    ListObjectFlag,
)
from ..objects.object import Object
from .jobs import BucketJobs
from .listing import ObjectIterator, check_flags, flag_bits
from .summaries import fetch_info, fetch_summary, props_of
from .transfers import download_dir, put_files, upload_dir

_MSGPACK = {"Accept": wire.MSGPACK}
_INVENTORY = "Ais-Inv-Name"


class Bucket(BucketJobs):
    """Name a bucket; nothing is sent before a method is awaited."""

    def object(self, obj_name: str) -> Object:
        """Name an object of the bucket."""
        return Object(self, obj_name)

    def objects(
        self,
        obj_names: Sequence[str] | None = None,
        obj_range: ObjectRange | None = None,
        obj_template: str | None = None,
    ) -> ObjectGroup:
        """Name many objects, by just one of a list, a range and a template."""
        return ObjectGroup(self, obj_names, obj_range, obj_template)

    def dataset(self, prefix: str = "", **options: Unpack[DatasetOptions]) -> Dataset:
        """Describe training input; the options are those of `Dataset`."""
        return Dataset(self, prefix, **options)

    # Life

    async def create(
        self, exist_ok: bool = False, *, props: Mapping[str, Any] | None = None
    ) -> Bucket:
        """Make the bucket and return it; ``props`` are properties other than the cluster's own.

        Raises:
            InvalidBckProvider: a bucket of a cloud is made there.
            ErrBckAlreadyExists: there is one, unless ``exist_ok``.
        """
        self.verify_ais_bucket()
        try:
            await self.make_request("POST", "create-bck", None if props is None else dict(props))
        except ErrBckAlreadyExists:
            if not exist_ok:
                raise
        return self

    async def delete(self, missing_ok: bool = False) -> None:
        """Remove the bucket with all that is in it."""
        self.verify_ais_bucket()
        try:
            await self.make_request("DELETE", "destroy-bck")
        except ErrBckNotFound:
            if not missing_ok:
                raise

    async def rename(self, to_bck_name: str) -> str:
        """Rename the bucket and this handle; return the id of the job to wait for."""
        self.verify_ais_bucket()
        target = Bucket(self._client, to_bck_name, self._provider, self._namespace)
        found = await self.start_job("POST", "move-bck", None, {"bck_to": target.get_path()})
        self._set_name(to_bck_name)
        return found

    async def evict(self, keep_md: bool = False) -> None:
        """Drop the cluster's copy of a remote bucket, with its properties unless ``keep_md``."""
        self.verify_cloud_bucket()
        params = {**self.qparam, "keep_bck_md": str(keep_md)}
        await self.make_request("DELETE", "evict-remote-bck", None, params)

    # Properties

    async def head(self) -> Mapping[str, str]:
        """Return the headers that describe the bucket."""
        return (await self.send("HEAD", None)).headers

    async def props(self) -> Mapping[str, Any]:
        """Return the properties (aistore.md §7.4)."""
        return props_of(await self.head())

    async def has_sums_of_parts(self) -> bool:
        """Tell whether a part of an object has a checksum of its own (aistore.md §8.2)."""
        known, place = self.requests.sums_of_parts, self.get_path()
        if place not in known:
            try:
                checksum = (await self.props()).get("checksum")
            except ResponseError:
                return False
            if not (isinstance(checksum, Mapping) and checksum.get("enable_read_range") is True):
                return False
            known.add(place)
        return True

    async def set_props(self, props: Mapping[str, Any]) -> str:
        """Change the given properties; return the id of the job that this may take."""
        answer = await self.make_request("PATCH", "set-bprops", dict(props))
        return wire.job_id(await answer.read())

    async def reset_props(self) -> str:
        """Set all properties back to the cluster's own."""
        return wire.job_id(await (await self.make_request("PATCH", "reset-bprops")).read())

    async def summary(
        self, prefix: str = "", cached: bool = False, present: bool = True, *, timeout: float = 300
    ) -> BucketSummary:
        """Count objects and bytes; `Timeout` after so many seconds, the count goes on."""
        return await fetch_summary(self, prefix, cached, present, timeout)

    async def info(
        self,
        *,
        summary: bool = True,
        remote: bool = False,
        presence: int = 0,
        timeout: float = 300,
    ) -> BucketInfo:
        """Return the properties, and with ``summary`` what is in the bucket; see `summary`."""
        return await fetch_info(self, summary, remote, presence, timeout)

    # Listing

    async def list_objects(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        uuid: str = "",
        continuation_token: str = "",
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        *,
        start_after: str = "",
        time_format: str = "",
        inventory_name: str = "",
    ) -> BucketList:
        """Return one page of a listing; the next one by its ``uuid`` and ``continuation_token``.

        ``page_size`` 0 is what the backend has at most. ``start_after`` is for buckets of AIStore
        itself. ``time_format`` is a layout of Go for the times of ``atime``. ``inventory_name``
        reads a list that was made before; see `create_inventory`.
        """
        if page_size < 0:
            raise ValueError(f"page_size cannot be negative, {page_size}")
        if start_after and self.is_remote:
            raise NotSupportedError(f"{self.uri} is remote: start_after is for ais buckets only")
        headers = dict(_MSGPACK)
        if inventory_name:
            flags = [*(flags or ()), ListObjectFlag.NBI]
            headers[_INVENTORY] = inventory_name
        await check_flags(self.requests, flags)
        value = {
            "prefix": prefix,
            "pagesize": page_size,
            "uuid": uuid,
            "props": props,
            "continuation_token": continuation_token,
            "flags": flag_bits(flags),
            "target": target,
        }
        if start_after:
            value["start_after"] = start_after
        if time_format:
            value["time_format"] = time_format
        answer = await self.send("GET", wire.action("list", value), headers=headers)
        kind = answer.headers.get("Content-Type", "")
        return wire.read_page(await answer.read(), kind, self)

    def list_objects_iter(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        *,
        time_format: str = "",
        inventory_name: str = "",
    ) -> ObjectIterator:
        """Iterate over all objects of a listing, best inside ``async with``."""

        async def page(*, uuid: str, token: str, start_after: str = "") -> BucketList:
            return await self.list_objects(
                prefix,
                props,
                page_size,
                uuid,
                token,
                flags,
                target,
                start_after=start_after,
                time_format=time_format,
                inventory_name=inventory_name,
            )

        async def behind(last: str) -> BucketList:
            if not self.is_remote:
                return await page(uuid="", token="", start_after=last)
            # A remote bucket knows no other start than its first page.
            found = await page(uuid="", token="")
            mark = last.encode()
            while found.continuation_token and not _left(found, mark):
                found = await page(uuid=found.uuid, token=found.continuation_token)
            left = _left(found, mark)
            return BucketList(found.uuid, left, found.continuation_token, found.flags)

        return ObjectIterator(page, behind)

    async def list_all_objects(
        self,
        prefix: str = "",
        props: str = "",
        page_size: int = 0,
        flags: Sequence[ListObjectFlag] | None = None,
        target: str = "",
        *,
        inventory_name: str = "",
    ) -> list[BucketEntry]:
        """Return all objects of a listing."""
        entries = self.list_objects_iter(
            prefix, props, page_size, flags, target, inventory_name=inventory_name
        )
        return await entries.all()

    @scoped_iterator
    async def list_urls(self, prefix: str = "", etl_name: str | None = None) -> AsyncIterator[str]:
        """Iterate over the addresses of the objects that begin with a prefix."""
        async with self.list_objects_iter(prefix, "name") as entries:
            async for entry in entries:
                yield entry.object.get_url(etl_name=etl_name)

    # Folders

    async def put_files(
        self,
        path: str | Path,
        prefix_filter: str = "",
        pattern: str = "*",
        basename: bool = False,
        prepend: str | None = None,
        recursive: bool = False,
        dry_run: bool = False,
        verbose: bool = True,
        *,
        num_workers: int = 32,
    ) -> list[str]:
        """Write the files of a folder that match a pattern; return the names of the objects.

        Raises:
            ValueError: ``path`` is no folder.
            TransferError: lists the files that could not be written; the others are.
        """
        rules = (prefix_filter, pattern, basename, prepend or "", recursive)
        return await put_files(self, Path(path), rules, dry_run, verbose, num_workers)

    async def upload_dir(
        self,
        src: URL | Path,
        dst: str = "",
        *,
        options: TransferOptions | None = None,
        update: bool = False,
        filter: AsyncFilterFunc | None = None,
        ignore_file_names: AbstractSet[str] = frozenset(),
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Upload a folder and all below it to names that begin with ``dst/``.

        The rules are those of ``client.storage.upload_dir``. With ``update``, files are left out
        whose object is newer, where the server tells when it was written.
        """
        return await upload_dir(
            self, src, dst, options, update, filter, ignore_file_names, progress
        )

    async def download_dir(
        self,
        src: str,
        dst: URL | Path,
        *,
        options: TransferOptions | None = None,
        update: bool = False,
        continue_: bool = False,
        filter: AsyncFilterFunc | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Download all objects whose names begin with ``src/``, "" for the whole bucket."""
        return await download_dir(self, src, dst, options, update, continue_, filter, progress)


def _left(page: BucketList, mark: bytes) -> tuple[BucketEntry, ...]:
    """Return the entries behind a name, in the servers' order of bytes."""
    return tuple(entry for entry in page.entries if entry.name.encode() > mark)
