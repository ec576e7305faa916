"""Training input: the samples of a bucket, read ahead of the training (docs/howto/datasets.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import attrs
from attrs import validators

from ...concurrency import ScopedIterator, scoped_iterator
from ...threads import run_blocking
from ..batch.api import Batch
from ..batch.tar import tar_ending
from ..connection.requests import RequestClient
from ..errors import missing_object
from .order import Share, mixed, shuffled
from .samples import BAD, Sample, SampleError, split_name, unreadable
from .webdataset import ShardReader
from .window import Lane, Window

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

logger = logging.getLogger(__name__)

OnError = Literal["raise", "skip"]
Report = Callable[[SampleError], object]

_AHEAD_BYTES = 64 * 2**20
_at_least_one = validators.ge(1)
_not_negative = validators.ge(0)

Named = tuple[str, int | None]
"""Name of an object, and its size if a listing told it."""
_Lane = Lane[Sample | SampleError]


def _kept(names: Iterable[str] | None) -> Iterable[str] | None:
    """Return names that can be gone through for every epoch."""
    return tuple(names) if isinstance(names, Iterator) else names


class DatasetOptions(TypedDict, total=False):
    """Name what `Dataset` takes besides the bucket and the prefix."""

    names: Iterable[str] | None
    shards: bool
    shuffle: bool
    shuffle_buffer: int
    seed: int
    epoch: int
    rank: int
    world_size: int
    worker: int
    num_workers: int
    ahead: int
    ahead_bytes: int
    readers: int
    get_batch: int
    on_error: OnError
    report: Report | None


@attrs.frozen(eq=False, repr=False)
class Dataset:
    """Describe the samples of a bucket; ``async with`` reads them.

    What is read are the objects that begin with ``prefix``, in the order of a listing, or
    ``names``: a list, an `ObjectRange`, an `ObjectTemplate`. Each object is a sample; with
    ``shards`` each is a tar, and its files of one base name side by side are a sample. Of a prefix
    only tars are taken then.

    ``shuffle`` puts objects or shards into an order that follows from ``seed`` and ``epoch`` alone;
    all names are in memory then. ``shuffle_buffer`` mixes that many samples of neighbouring shards
    as well. ``rank`` of ``world_size`` processes and ``worker`` of ``num_workers`` in each get
    shares that have nothing in common.

    ``readers`` objects or shards are read side by side, and up to ``ahead`` samples of
    ``ahead_bytes`` bytes wait to be taken; a single larger one is let through. With ``get_batch``
    so many objects are read by one request, by servers from 3.30 on.

    ``on_error`` ``"skip"`` passes over samples that cannot be read; of a damaged shard that is what
    is behind the damage, and the sample in front of it, which may not be whole. ``report`` is told
    of each, or the log. It does not hide trouble of the network.
    """

    bucket: Bucket
    prefix: str = ""
    names: Iterable[str] | None = attrs.field(default=None, kw_only=True, converter=_kept)
    shards: bool = attrs.field(default=False, kw_only=True)
    shuffle: bool = attrs.field(default=False, kw_only=True)
    shuffle_buffer: int = attrs.field(default=0, kw_only=True, validator=_not_negative)
    seed: int = attrs.field(default=0, kw_only=True)
    epoch: int = attrs.field(default=0, kw_only=True)
    rank: int = attrs.field(default=0, kw_only=True)
    world_size: int = attrs.field(default=1, kw_only=True)
    worker: int = attrs.field(default=0, kw_only=True)
    num_workers: int = attrs.field(default=1, kw_only=True)
    ahead: int = attrs.field(default=64, kw_only=True, validator=_at_least_one)
    ahead_bytes: int = attrs.field(default=_AHEAD_BYTES, kw_only=True, validator=_at_least_one)
    readers: int = attrs.field(default=8, kw_only=True, validator=_at_least_one)
    get_batch: int = attrs.field(default=0, kw_only=True, validator=_not_negative)
    on_error: OnError = attrs.field(
        default="raise", kw_only=True, validator=validators.in_(("raise", "skip"))
    )
    report: Report | None = attrs.field(default=None, kw_only=True)
    _scopes: list[ScopedIterator[Sample]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        _ = self.share  # refused if there is no such one
        if self.names is not None and self.prefix:
            raise ValueError("give a prefix or names, not both")
        if isinstance(self.names, str):
            raise TypeError(f"names is a list of names, not the text {self.names[:80]!r}")
        if self.shards and self.get_batch:
            raise ValueError("shards are read as they arrive; get_batch is for single objects")

    def __repr__(self) -> str:
        what = "shards" if self.shards else "objects"
        return f"<Dataset of {what} in {self.bucket.uri}/{self.prefix}>"

    @property
    def share(self) -> Share:
        """Return which samples are this reader's."""
        return Share(self.rank, self.world_size, self.worker, self.num_workers)

    def detached(self, **changes: Any) -> Dataset:
        """Return the same, changed, with connections of its own: for another thread or process.

        They are closed by `close`.
        """
        own = self.bucket
        client = RequestClient(own.requests.settings)
        return attrs.evolve(
            self, bucket=type(own)(client, own.name, own.provider, own.namespace), **changes
        )

    async def close(self) -> None:
        """Close the connections, of a dataset made by `detached`."""
        await self.bucket.requests.close()

    async def __aenter__(self) -> AsyncIterator[Sample]:
        if self._scopes:
            raise RuntimeError("this dataset is being read already; use samples() for each reader")
        scope = self.samples()
        self._scopes.append(scope)
        return await scope.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._scopes.pop().__aexit__(*error)

    @scoped_iterator
    async def samples(self, epoch: int | None = None) -> AsyncIterator[Sample]:
        """Iterate over the samples of an epoch.

        Raises:
            SampleError: one cannot be read, unless they are passed over.
            NotSupportedError: the server has no ``get_batch``.
        """
        epoch = self.epoch if epoch is None else epoch
        window: Window[Sample | SampleError] = Window(self._lanes(), self.ahead, self.ahead_bytes)
        slots = asyncio.Semaphore(self.readers)
        async with (
            aclosing(self._units(epoch)) as units,
            aclosing(window.run(units, partial(self._work, slots))) as found,
            aclosing(self._good(found)) as good,
            aclosing(self._ordered(good, epoch)) as samples,
        ):
            async for sample in samples:
                yield sample

    def _lanes(self) -> int:
        """Return how many objects are begun before the first one is taken."""
        return self.readers if self.shards or self.get_batch else max(self.ahead, self.readers)

    async def _units(self, epoch: int) -> AsyncGenerator[Sequence[Named]]:
        """Yield what is read in one go: one object or shard, or as many as make a batch."""
        several = self.get_batch or 1
        some: list[Named] = []
        async with aclosing(self._chosen(epoch)) as names:
            async for one in names:
                some.append(one)
                if len(some) == several:
                    yield some
                    some = []
        if some:
            yield some

    async def _chosen(self, epoch: int) -> AsyncGenerator[Named]:
        share = self.share
        async with aclosing(self._all()) as names:
            if self.shuffle:
                every = [one async for one in names]
                order = await run_blocking(shuffled, every, _name, self.seed, epoch)
                for one in share.of(order):
                    yield one
                return
            number = 0
            async for one in names:
                if share.has(number):
                    yield one
                number += 1

    async def _all(self) -> AsyncGenerator[Named]:
        if self.names is not None:
            for name in self.names:
                yield name, None
            return
        async with self.bucket.list_objects_iter(self.prefix, "name,size") as entries:
            async for entry in entries:
                if not self.shards or tar_ending(entry.name):
                    yield entry.name, entry.size

    async def _work(self, slots: asyncio.Semaphore, lane: _Lane, unit: Sequence[Named]) -> None:
        async with slots:
            if self.shards:
                await ShardReader(self.bucket, unit[0][0], lane).run()
            elif self.get_batch:
                await self._read_batch(lane, unit)
            else:
                await self._read(lane, *unit[0])

    async def _read(self, lane: _Lane, name: str, size: int | None) -> None:
        try:
            if size is not None:
                await lane.reserve(size)
            async with self.bucket.object(name).get() as reader:
                if size is None:
                    await lane.reserve(reader.attributes.size)
                data = await reader.read_all()
        except BAD as error:
            lane.put(unreadable(error, name, name))
        else:
            lane.put(_single(name, data))

    async def _read_batch(self, lane: _Lane, unit: Sequence[Named]) -> None:
        batch = Batch(self.bucket.requests, [name for name, _ in unit], self.bucket)
        async with batch.get() as items:
            async for item in items:
                name = item.obj.name
                await lane.reserve(len(item.data))
                if item.is_missing:
                    lane.put(unreadable(missing_object(item.error), name, name))
                else:
                    lane.put(_single(name, item.data))

    async def _good(self, found: AsyncIterator[Sample | SampleError]) -> AsyncGenerator[Sample]:
        async for one in found:
            if isinstance(one, Sample):
                yield one
                continue
            if self.on_error == "raise":
                raise one
            if self.report is not None:
                self.report(one)
            else:
                logger.warning("%s", one)

    def _ordered(self, samples: AsyncGenerator[Sample], epoch: int) -> AsyncGenerator[Sample]:
        if self.shuffle_buffer < 2:
            return samples
        seed = f"{self.seed}:{epoch}:{self.rank}:{self.worker}"
        return mixed(samples, _size, self.shuffle_buffer, self.ahead_bytes, seed)


def _name(one: Named) -> str:
    return one[0]


def _size(sample: Sample) -> int:
    return sample.size


def _single(name: str, data: bytes) -> Sample:
    return Sample(name, {split_name(name)[1]: data}, name)
