"""What is done with objects, whoever asks: a request or a job."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs

from ...threads import taken
from ..s3.files import Files
from ..s3.sending import copied
from .checksums import NONE
from .cluster import Cluster
from .errors import AISError, not_found
from .models import Body, Bucket, Object
from .names import Bck
from .props import defaults
from .remote import Remote, RemoteObject
from .store import Also, Store

T = TypeVar("T")
_TRIES = 20


class Content:
    """Read and change objects, those of remote buckets in their backend too."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self.cluster = cluster
        self.store = store
        self.files: Files = store.files
        self.remote = Remote(cluster.remote_root)
        self.readers: Counter[str] = Counter()
        self.writers: Counter[str] = Counter()
        self._cold: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # Buckets

    async def bucket(self, bck: Bck, *, add: bool = True) -> Bucket:
        """Return a bucket; a remote one that is first heard of is registered (§7.4)."""
        found = self.store.find(bck)
        if found is not None or not bck.is_remote:
            return self.store.bucket(bck)
        await asyncio.to_thread(self.remote.check, bck)
        if not add:
            return Bucket(0, bck, 0, self.new_props(bck))
        return await self.create(bck, exist_ok=True)

    def new_props(self, bck: Bck) -> dict[str, Any]:
        """Return the properties of a new bucket."""
        return defaults(bck, time.time_ns(), self.cluster.checksum)

    async def create(
        self, bck: Bck, props: Mapping[str, Any] | None = None, *, exist_ok: bool = False
    ) -> Bucket:
        """Add a bucket."""
        try:
            return await self.store.create_bucket(bck, props or self.new_props(bck))
        except AISError:
            if not exist_ok:
                raise
            return self.store.bucket(bck)

    async def destination(self, bck: Bck, like: Bucket) -> Bucket:
        """Return a bucket to copy into, made with the properties of the source if missing."""
        if bck.is_remote or self.store.find(bck) is not None:
            return await self.bucket(bck)
        props = self.new_props(bck) | {"checksum": like.props["checksum"]}
        return await self.create(bck, props, exist_ok=True)

    # Objects

    @contextmanager
    def locked(self, bck: Bck, name: str, *, exclusive: bool = False) -> Iterator[None]:
        """Show an object as in use to those who probe its lock."""
        holders = self.writers if exclusive else self.readers
        uname = bck.uri(name)
        holders[uname] += 1
        try:
            yield
        finally:
            holders[uname] -= 1
            if not holders[uname]:
                del holders[uname]

    async def find(self, bucket: Bucket, name: str) -> Object | None:
        """Return an object of the cluster, None if it is not there."""
        return await self.store.get(bucket, name)

    async def get(self, bucket: Bucket, name: str, *, latest: bool = False) -> Object:
        """Return an object; one of a remote bucket is fetched if it is not in the cluster."""
        found = await self.store.get(bucket, name)
        if not bucket.bck.is_remote or (found is not None and not latest):
            if found is None:
                raise not_found(bucket.bck.uri(name))
            return found
        async with self._cold[bucket.bck.uri(name)]:
            there = await asyncio.to_thread(self.remote.find, bucket.bck, name)
            if there is None and found is not None:
                await self.store.remove(bucket, [name])
                raise AISError(410, f"{bucket.bck.uri(name)} was deleted remotely", "ErrRemoteGone")
            found = await self.store.get(bucket, name)
            if found is not None and there is not None and same_version(found, there):
                return found
            return await self._fetch(bucket, name)

    async def _fetch(self, bucket: Bucket, name: str) -> Object:
        kind = bucket.checksum_type
        there, received = await taken(
            lambda: self.remote.fetch(bucket.bck, name, self.files, kind),
            lambda got: self.files.remove([got[1].file]),
        )
        target = self.cluster.owner(bucket.bck, name)
        return await self.store.put(
            bucket,
            name,
            target,
            received.body(kind),
            custom=there.custom(bucket.bck.provider),
            version=there.version,
        )

    def outside(self, bucket: Bucket, there: RemoteObject) -> Object:
        """Describe an object of the backend that is not in the cluster."""
        body = Body(there.size, NONE, "", [])
        target = self.cluster.owner(bucket.bck, there.name)
        custom = there.custom(bucket.bck.provider)
        return Object(
            there.name, target, body, there.version, there.modified, there.modified, custom
        )

    async def write(
        self,
        bucket: Bucket,
        name: str,
        body: Body,
        *,
        custom: Mapping[str, str] | None = None,
        also: Also | None = None,
    ) -> Object:
        """Write an object, to the backend of a remote bucket first; ``also`` as `Store.put`."""
        target = self.cluster.owner(bucket.bck, name)
        if not bucket.bck.is_remote:
            return await self.store.put(bucket, name, target, body, custom=custom, also=also)
        paths = [self.files.path(file) for file in body.files]
        try:
            there = await asyncio.to_thread(self.remote.store, bucket.bck, name, iter(paths))
        except BaseException:
            if also is None:  # else something else still names the files
                await asyncio.shield(asyncio.to_thread(self.files.remove, body.files))
            raise
        told = there.custom(bucket.bck.provider) | dict(custom or {})
        return await self.store.put(
            bucket, name, target, body, custom=told, version=there.version, also=also
        )

    async def delete(self, bucket: Bucket, names: list[str]) -> list[str]:
        """Remove objects, from the backend too; return the names of those that were there."""
        there = set(await self.store.remove(bucket, names))
        if bucket.bck.is_remote:
            for name in names:
                if await asyncio.to_thread(self.remote.remove, bucket.bck, name):
                    there.add(name)
        return [name for name in names if name in there]

    async def evict(self, bucket: Bucket, names: list[str]) -> list[str]:
        """Remove objects from the cluster only; return the names of those that were there."""
        return await self.store.remove(bucket, names)

    async def copy(self, source: Bucket, found: Object, target: Bucket, name: str) -> Object:
        """Copy an object; both have files of their own, which share their bytes on the disk."""
        bck = target.bck

        async def link(found: Object) -> Body:
            segments = await taken(
                lambda: copied(self.files, found.body.segments),
                lambda made: self.files.remove([segment.file for segment in made]),
            )
            return attrs.evolve(found.body, segments=segments)

        body = await self.steady(source, found, link)
        return await self.write(target, name, body, custom=None if bck.is_remote else found.custom)

    async def steady(
        self, bucket: Bucket, found: Object, use: Callable[[Object], Awaitable[T]]
    ) -> T:
        """Use an object whose files stay meanwhile; one that was just replaced is looked up."""
        for _ in range(_TRIES):
            try:
                async with self.files.reading(found.body.files):
                    return await use(found)
            except FileNotFoundError:
                found = await self.get(bucket, found.name)
        raise AISError(503, f"{bucket.bck.uri(found.name)} changes too fast")

    async def read(self, bucket: Bucket, found: Object) -> bytes:
        """Return all bytes of an object."""

        def load(found: Object) -> bytes:
            pieces = []
            for file in found.body.files:
                with open(self.files.path(file), "rb") as opened:
                    pieces.append(opened.read())
            return b"".join(pieces)

        return await self.steady(bucket, found, lambda one: asyncio.to_thread(load, one))

    async def all(self, bucket: Bucket, prefix: str = "") -> AsyncIterator[Object]:
        """Yield the objects of a bucket that are in the cluster."""
        after = ""
        while page := await self.store.page(bucket, prefix, after):
            for found in page:
                yield found
            after = page[-1].name


def same_version(found: Object, there: RemoteObject) -> bool:
    """Tell whether an object is what the backend has."""
    return found.version == there.version
