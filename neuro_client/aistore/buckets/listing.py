"""Listings page by page, and one iterator over all pages (aistore.md §10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, Self

from ...concurrency import finish
from ...errors import ResponseError
from ..connection.requests import RequestClient
from ..models import BucketEntry, BucketList, ListObjectFlag
from ..versions import require


def flag_bits(flags: Iterable[ListObjectFlag] | None) -> str:
    """Return flags as the wire has them, a decimal text; a repeated flag counts once.

    Raises:
        ValueError: one of them is none that today's servers know.
    """
    bits = 0
    for flag in flags or ():
        bits |= 1 << ListObjectFlag(flag)
    return str(bits)


_SINCE = {
    ListObjectFlag.BCK_PRESENT: (3, 21),
    ListObjectFlag.DONT_HEAD_REMOTE: (3, 21),
    ListObjectFlag.NOT_CACHED: (3, 28),
    ListObjectFlag.NBI: (4, 3),
}
"""Older servers take these bits for something else."""


async def check_flags(client: RequestClient, flags: Iterable[ListObjectFlag] | None) -> None:
    """Refuse a flag that an older server would misread."""
    for flag in flags or ():
        if flag in _SINCE:
            await require(client, f"The flag {flag.name} of listings", _SINCE[flag])


def is_stale(error: ResponseError) -> bool:
    """Tell whether the server may have forgotten the listing that a token belongs to."""
    return error.status in (400, 404, 409, 410)


class Page(Protocol):
    """Fetch one page."""

    def __call__(self, *, uuid: str, token: str) -> Awaitable[BucketList]:
        """Return the page that a token stands for, the first one for none."""


Restart = Callable[[str], Awaitable[BucketList]]
"""Begin anew behind the name of the last entry."""


class ObjectIterator:
    """Iterate over all entries of a listing; inside ``async with`` the next page is on its way.

    A token that has gone stale on the server is replaced by a listing that goes on behind the last
    entry, if *restart* is given.
    """

    def __init__(self, list_objects: Page, restart: Restart | None = None) -> None:
        self._fetch = list_objects
        self._restart = restart
        self._entries: Sequence[BucketEntry] = ()
        self._index = 0
        self._uuid = ""
        self._token = ""
        self._last = ""
        self._ended = False
        self._ahead: asyncio.Task[BucketList] | None = None
        self._prefetches = False

    async def __aenter__(self) -> Self:
        self._prefetches = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BucketEntry:
        while self._index >= len(self._entries):
            if self._ended:
                raise StopAsyncIteration
            await self._turn()
        entry = self._entries[self._index]
        self._index += 1
        return entry

    async def aclose(self) -> None:
        """End the iteration."""
        self._ended = True
        self._entries = ()
        task, self._ahead = self._ahead, None
        if task is not None:
            task.cancel()
            await finish(asyncio.wait((task,)))
            if not task.cancelled():
                task.exception()  # nobody waits for it any more

    async def all(self) -> list[BucketEntry]:
        """Return all entries that are left."""
        found: list[BucketEntry] = []
        async with self:
            while not self._ended or self._index < len(self._entries):
                found += self._entries[self._index :]
                self._index = len(self._entries)
                if not self._ended:
                    await self._turn()
        return found

    async def _turn(self) -> None:
        """Take the next page."""
        page = await self._next()
        self._entries, self._index = page.entries, 0
        self._uuid, self._token = page.uuid or self._uuid, page.continuation_token
        if self._entries:
            self._last = self._entries[-1].name
        self._ended = not self._token
        if self._prefetches and not self._ended:
            self._ahead = asyncio.get_running_loop().create_task(self._page())

    async def _next(self) -> BucketList:
        task, self._ahead = self._ahead, None
        if task is None:
            return await self._page()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            self._ahead = task
            raise
        return task.result()

    async def _page(self) -> BucketList:
        try:
            return await self._fetch(uuid=self._uuid, token=self._token)
        except ResponseError as error:
            if not self._token or self._restart is None or not is_stale(error):
                raise
        # What the server kept of the listing is gone.
        self._uuid = ""
        return await self._restart(self._last)
