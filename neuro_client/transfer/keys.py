"""Go through the keys of a flat store once, in their order."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence

from .flow import End
from .models import Entry
from .store import FlatStore

_FAR = "~"
"""Few keys go on with something that comes behind this."""
_SURROGATES = range(0xD800, 0xE000)


class Found(enum.Enum):
    """Tell what has the name of a directory."""

    NOTHING = enum.auto()
    DIRECTORY = enum.auto()
    OBJECT = enum.auto()


class Keys:
    """Stand somewhere among the keys below a directory; moves forward only.

    A page is asked for when it is needed, and begins where it is needed: what lies between is not
    listed. A store that lists in another order makes us miss keys, which are then sent again.
    """

    def __init__(self, end: End, store: FlatStore, directory: str) -> None:
        self._end = end
        self._store = store
        self._directory = directory
        self._start = f"{directory}/" if directory else ""
        self._page: Sequence[Entry] = ()
        self._next = 0
        self._last: str | None = None  # the last key of the page
        self._more = True
        self._seen_from = ""  # all keys behind this one, up to where we stand, were seen
        self._passed: list[str] = []  # keys behind us, each the beginning of the next one

    async def peek(self) -> Entry | None:
        """Return the entry we stand at, None at the end."""
        while self._next == len(self._page):
            if not self._more:
                return None
            await self._load(self._last or "")
        return self._page[self._next]

    async def pop(self) -> Entry | None:
        """Return the entry we stand at and go on to the next one."""
        entry = await self.peek()
        if entry is not None:
            self._pass(entry.key)
        return entry

    def _pass(self, key: str) -> None:
        while self._passed and not key.startswith(self._passed[-1]):
            self._passed.pop()
        self._passed.append(key)
        self._next += 1

    async def seek(self, key: str) -> Entry | None:
        """Go on to *key*, or what comes behind it; return what is there."""
        while True:
            while self._next < len(self._page):
                entry = self._page[self._next]
                if entry.key >= key:
                    return entry
                self._pass(entry.key)
            if not self._more:
                return None
            last = self._last or ""
            after = before(key)
            if after > last and after.startswith(self._start):
                self._seen_from = after
                await self._load(after)
            else:
                await self._load(last)

    async def skip(self, beginning: str) -> None:
        """Go on to what comes behind all keys that begin so."""
        entry = await self.seek(beginning + _FAR)
        while entry is not None and entry.key.startswith(beginning):
            self._pass(entry.key)
            entry = await self.peek()

    async def find(self, key: str) -> Entry | None:
        """Return the object of a key that does not lie behind us."""
        entry = await self.seek(key)
        return entry if entry is not None and entry.key == key and entry.is_file else None

    async def named(self, key: str) -> Found:
        """Tell what has the name *key*; what is in such a directory does not lie behind us."""
        if key == self._directory:
            if await self.peek() is not None:
                return Found.DIRECTORY
        else:
            await self.seek(key)
            entry = await self.seek(f"{key}/")
            if entry is not None and entry.key.startswith(f"{key}/"):
                return Found.DIRECTORY
            if key in self._passed:
                return Found.OBJECT
            if key > self._seen_from:
                return Found.NOTHING
        there = await self._end.call(lambda: self._store.has_object(key))
        return Found.OBJECT if there else Found.NOTHING

    async def _load(self, after: str) -> None:
        ask = functools.partial(self._store.page, self._directory, after)
        self._page, self._more = await self._end.call(ask)
        self._next = 0
        if self._page:
            self._last = self._page[-1].key


def before(key: str) -> str:
    """Return a key before *key*, with little in between."""
    code = ord(key[-1]) - 1
    if code <= ord(" "):
        return key[:-1]
    if code in _SURROGATES:
        code = _SURROGATES.start - 1
    return key[:-1] + chr(code) + _FAR
