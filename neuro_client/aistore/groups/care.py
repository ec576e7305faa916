"""What a client must see to before it starts some jobs on groups (aistore.md §11.3, §22.30–32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from ...concurrency import first_failure
from ..connection.requests import RequestClient
from ..errors import ErrJobNotFound, ErrObjNotFound, JobInfoNotFound
from ..jobs.api import Job
from ..jobs.records import WaitResult
from ..jobs.waiting import until
from ..models import BucketModel
from .names import ObjectNames

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

ARCHIVES = (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4")
_ALIVE = 300.0
_AT_ONCE = 32


@attrs.frozen
class Copying:
    """Describe a copy of a group: between which buckets, and how."""

    kind: str
    source: BucketModel
    target: BucketModel
    manner: tuple[tuple[str, str], ...]

    @property
    def place(self) -> tuple[object, ...]:
        """Return what the servers tell such jobs apart by."""
        return self.kind, self.source, self.target

    @classmethod
    def of(cls, source: Bucket, target: Bucket, kind: str, value: Mapping[str, Any]) -> Copying:
        """Describe the copy that a request asks for; which objects is no matter."""
        manner = {
            key: repr(one)
            for key, one in value.items()
            if key not in ("objnames", "template", "tobck")
        }
        return cls(kind, source.as_model(), target.as_model(), tuple(sorted(manner.items())))


class Turns:
    """Let copies between the same buckets begin one after the other."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.last: Copying | None = None


@asynccontextmanager
async def turn(client: RequestClient, wanted: Copying) -> AsyncGenerator[None]:
    """Begin a copy in the block, once no other of this client lives on between the buckets.

    One in the same manner may: its job then does the new objects too.
    """
    turns = client.group_copies.setdefault(wanted.place, Turns())
    async with turns.lock:
        if turns.last not in (None, wanted):
            await _over(client, wanted)
        turns.last = wanted
        yield


async def _over(client: RequestClient, wanted: Copying) -> None:
    """Wait until no copy lives on between the same buckets."""
    job = Job(client, job_kind=wanted.kind)

    async def look() -> WaitResult | None:
        try:
            found = await job.snapshots()
        except (ErrJobNotFound, JobInfoNotFound):
            return WaitResult(True)
        ends = (wanted.source, wanted.target)
        if any(not one.is_finished and (one.src_bck, one.dst_bck) == ends for one in found):
            return None
        return WaitResult(True)

    await until(look, f"the {wanted.kind} to {wanted.target.name} before this one", _ALIVE)


async def present(bucket: Bucket, names: ObjectNames, *, leave_out: bool) -> ObjectNames:
    """Return the names that exist; with *leave_out* those that do not are passed over.

    Raises:
        ErrObjNotFound: one does not exist, or none does.
    """
    found: dict[str, bool] = {}
    left = iter(dict.fromkeys(names))
    missing: ErrObjNotFound | None = None

    async def look() -> None:
        nonlocal missing
        for name in left:
            try:
                await bucket.object(name).head()
            except ErrObjNotFound as error:
                if not leave_out:
                    raise
                missing = error
                continue
            found[name] = True

    async with first_failure() as group:
        for _ in range(min(_AT_ONCE, len(names))):
            group.create_task(look())
    if not found and missing is not None:
        raise missing
    return ObjectNames([name for name in names if name in found])


def check_archive(name: str, mime: str) -> None:
    """Refuse the name of an archive that no server would know how to write."""
    ending = next((one for one in ARCHIVES if name.endswith(one)), None)
    if ending is None:
        raise ValueError(
            f"{name!r} is not the name of an archive: it ends in {', '.join(ARCHIVES)}"
        )
    if mime and mime != ending:
        raise ValueError(f"mime is {mime!r}; of {name!r} it can be {ending!r} only, or nothing")
