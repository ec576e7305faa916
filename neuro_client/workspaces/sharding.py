"""Make the shards of a data set: zips of the same bytes for the same files, and their map."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import zipfile
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

from ..concurrency import finish, first_failure
from ..errors import ProtocolError, TransferError
from ..threads import run_blocking
from ..transfer.drafts import Draft, is_current, try_lock
from ..transfer.files import Reader
from .shard_map import MAP_NAME, ShardEntry, ShardMap, dumps, hash_shard, loads
from .shard_plan import Source, find_sources, split

_STAGING = ".sharding.part"
_HOP = 16 * 2**20
"""Bytes that are written in one hop to a thread."""
_PER_FILE = 2**16
"""What opening a file counts for beside them."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name; all files have it."""
_MODE = 0o100644
_UNIX = 3
_PATIENCE = 60.0
"""Seconds that clean-up may take."""


async def shard(
    dataset_dir: Path | str,
    n: int,
    *,
    destination: Path | str,
    stratified: bool = False,
    compress: bool = False,
) -> ShardMap:
    """Split a data set into *n* zips ``shard_<i>.zip`` with a map beside them, and return the map.

    The same files give the same zips, byte for byte; compressed ones only with the same release of
    zlib. Stratified, each shard has its share of each sub-directory to within one file; otherwise
    the shards are about the same size. What an earlier call made in *destination* is replaced when
    all the new shards are whole; a failure changes nothing there. A link out of the data set, an
    unsafe name or a pipe cannot go into a shard.

    Raises:
        ValueError: too few files for *n*, or *destination* lies in the data set, or has other zips.
        TransferError: something cannot go into a shard, or another call works in *destination*.
        SourceChangedError: a file changed while it was read.
    """
    dataset, target = Path(dataset_dir), Path(destination)
    await run_blocking(_check_places, dataset, target)
    sources = await find_sources(dataset)
    dealt = await run_blocking(lambda: split(sources, n, stratified=stratified))
    names = [f"shard_{index}.zip" for index in range(n)]
    await run_blocking(_check_target, target)
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    async with _staging(target) as staging:
        jobs = [
            _Job(index, staging / name, members, method)
            for index, (name, members) in enumerate(zip(names, dealt, strict=True))
        ]
        entries = await _make(dataset, jobs)
        made = ShardMap(tuple(entries), datetime.now(UTC).replace(microsecond=0))
        # In a thread that is waited for: what is begun is ended, whatever happens to the caller.
        await run_blocking(_publish, staging, target, made)
    return made


@attrs.frozen
class _Job:
    """Say what one zip is to hold."""

    index: int
    path: Path
    sources: Sequence[Source]
    method: int


async def _make(dataset: Path, jobs: Sequence[_Job]) -> list[ShardEntry]:
    """Write and hash the zips, as many at a time as there are processors."""
    root = await run_blocking(os.path.realpath, dataset)
    waiting = list(reversed(jobs))
    entries: dict[int, ShardEntry] = {}

    async def work() -> None:
        while waiting:
            job = waiting.pop()
            writer = _ZipWriter(root, job)
            try:
                while not writer.ended:
                    await run_blocking(writer.step)
            finally:
                await finish(_call(writer.close), timeout=_PATIENCE)
            entries[job.index] = await hash_shard(job.path, job.index)

    async with first_failure() as group:
        for _ in range(min(len(jobs), os.cpu_count() or 1)):
            group.create_task(work())
    return [entries[job.index] for job in jobs]


async def _call(function: Callable[[], None]) -> None:
    await run_blocking(function)


class _ZipWriter:
    """Write one zip in steps of bounded work; close it in any case."""

    def __init__(self, root: str, job: _Job) -> None:
        self._root = root
        self._job = job
        self._steps = self._write()
        self.ended = False

    def step(self) -> None:
        """Write some more, in a thread; set ``ended`` with the last step."""
        try:
            next(self._steps)
        except StopIteration:
            self.ended = True

    def close(self) -> None:
        """Release the files, in a thread."""
        self._steps.close()

    def _write(self) -> Generator[None]:
        done = 0
        with zipfile.ZipFile(self._job.path, "x", self._job.method) as archive:
            for source in self._job.sources:
                path = source.target or os.path.join(self._root, source.key)
                reader = Reader(path, source.key, 0, None, source.version)
                try:
                    with archive.open(self._member(source), "w") as member:
                        while not reader.ended:
                            data = reader.read()
                            member.write(data)
                            done += len(data)
                            if done >= _HOP:
                                yield
                                done = 0
                finally:
                    reader.close()
                done += _PER_FILE

    def _member(self, source: Source) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(source.key, _EPOCH)
        info.create_system = _UNIX
        info.external_attr = _MODE << 16
        info.compress_type = self._job.method
        info.file_size = source.size  # known beforehand, it decides the form of the header
        return info


def _check_places(dataset: Path, target: Path) -> None:
    if not dataset.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(dataset))
    root, real = os.path.realpath(dataset), os.path.realpath(target)
    if os.path.commonpath((root, real)) == root:
        raise ValueError(
            f"the shards cannot go to {str(target)!r}, which lies in the data set "
            f"{str(dataset)!r}: they would be a part of it the next time"
        )


def _check_target(target: Path) -> frozenset[str]:
    """Return the names of the zips that an earlier call made; refuse others.

    Whoever submits the folder would submit them too.
    """
    try:
        names = {name for name in os.listdir(target) if name.lower().endswith(".zip")}
    except FileNotFoundError:
        return frozenset()
    made = _listed(target / MAP_NAME)
    others = sorted(names - made)
    if others:
        raise ValueError(
            f"{str(target)!r} has zips that were not made here: {', '.join(others[:5])}; "
            "choose an empty directory, or move them away"
        )
    return frozenset(names)


def _listed(path: Path) -> frozenset[str]:
    try:
        found = loads(path.read_bytes())
    except FileNotFoundError:
        return frozenset()
    except ProtocolError as error:
        raise ValueError(f"{str(path)!r} is not a map of shards: {error}; move it away") from None
    return frozenset(entry.name for entry in found.shards)


def _publish(staging: Path, target: Path, made: ShardMap) -> None:
    """Replace what an earlier call made.

    The map goes first: whoever comes after a kill knows from it that the zips are of this origin.
    """
    for name in _check_target(target) - {entry.name for entry in made.shards}:
        (target / name).unlink()
    with Draft(os.fspath(target / MAP_NAME), None) as draft:
        draft.publish(dumps(made))
    for entry in made.shards:
        os.replace(staging / entry.name, target / entry.name)


@asynccontextmanager
async def _staging(target: Path) -> AsyncGenerator[Path]:
    """Hold a directory for what is not whole yet; what a killed process left in it is removed."""
    staging = _Staging(target)
    try:
        await run_blocking(staging.open)
        yield staging.path
    finally:
        await finish(_call(staging.close), timeout=_PATIENCE)


class _Staging:
    """Own the hidden directory; its lock tells whether somebody is at work."""

    def __init__(self, target: Path) -> None:
        self.path = target / _STAGING
        self._fd = -1
        self._open = False

    def open(self) -> None:
        """Take the directory, empty."""
        self.path.mkdir(parents=True, exist_ok=True)
        if sys.platform != "win32":
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self.path, flags)
            if not (try_lock(self._fd) and is_current(self._fd, self.path)):
                raise TransferError(
                    f"cannot make shards in {str(self.path.parent)!r}: another call does so now; "
                    "wait for its end, or choose another directory"
                )
        self._open = True
        for item in list(self.path.iterdir()):
            item.unlink()

    def close(self) -> None:
        """Remove the directory and let others have it."""
        if self._open:
            shutil.rmtree(self.path)
        if self._fd >= 0:
            os.close(self._fd)
