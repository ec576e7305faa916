"""The bucket as a store of the engine, with the limits that workspaces are uploaded in (§3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import attrs
from yarl import URL

from ..buckets import s3_checks as checks
from ..buckets.store import FlatBucketStore
from ..transfer import Body, Capabilities, ObjectStore, Part, Side, TransferOptions, Upload
from ..transfer.models import MiB
from ..transfer.places import under

if TYPE_CHECKING:
    from .objects import Objects

THRESHOLD = 10 * MiB
"""Bytes from which on an object is written in parts."""

PART_SIZE = 50 * MiB
"""Bytes of a part; it grows with objects that had too many otherwise."""

PARTS = 5
"""Parts that are on their way at a time."""

Turn = Callable[[], Awaitable[object]]
"""Wait until an object may appear in the bucket."""


async def at_once() -> None:
    """Wait for nobody."""


class WorkspaceStore(FlatBucketStore):
    """Keep objects in the user's bucket; parts are sent as *lanes* get free.

    Each object appears in its *turn*. ``etags`` are those of the objects that were written.
    """

    def __init__(
        self, objects: Objects, lanes: asyncio.Semaphore | None = None, turn: Turn = at_once
    ) -> None:
        super().__init__(objects, objects)
        self._lanes = lanes or asyncio.Semaphore(PARTS)
        self._turn = turn
        self.etags: dict[str, str] = objects.etags

    @property
    def capabilities(self) -> Capabilities:
        """Say what the bucket can do, with parts of the size that the platform uses."""
        return attrs.evolve(super().capabilities, min_part=PART_SIZE)

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        await self._turn()
        async with self._lanes:
            await super().put(key, body)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part, when there is a lane."""
        async with self._lanes:
            return await super().put_part(upload, number, offset, body)

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Make the object of its parts."""
        await self._turn()
        await super().complete(upload, parts)
        if etag := checks.joined_etag(parts):
            self.etags[upload.key] = etag


def options_of(parts: int = PARTS) -> TransferOptions:
    """Return the limits of an upload: one request below the threshold, parts from it on."""
    return TransferOptions(part_size=THRESHOLD - 1, parts=parts)


def side_of(store: ObjectStore, endpoint: URL, bucket: str, key: str) -> Side:
    """Make a key, or a folder, of the bucket an end of a transfer."""
    root = URL.build(scheme="s3", host=bucket, path="/")
    base = under(root, key)
    return Side(
        store,
        key,
        lambda below: under(base, below),
        lambda below: under(base, below),
        place=f"workspaces:{str(endpoint).rstrip('/')}/{bucket}",
    )
