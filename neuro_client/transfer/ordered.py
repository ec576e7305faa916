"""Walk a tree in the order of its keys, so that one listing tells all there is in a flat store.

A directory at a time would cost a request for each. The other end is walked in the same order, and
both listings are read side by side, a page at a time: a million keys cost constant memory.
"""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterator

import attrs

from .keys import Found, Keys
from .models import MISSING, AsyncFilterFunc, Entry, EntryKind
from .moving import Transfer
from .store import FlatStore, FoldsNames, ObjectStore
from .tree import Directory, Narrow, Tree, list_all


@attrs.define(eq=False)
class _Level:
    """Hold a directory on the way down: what is left of it, and the names that it has had."""

    directory: Directory
    existing: dict[str, Entry]
    left: Iterator[Entry] = attrs.field(factory=lambda: iter(()))
    names: dict[str, str] = attrs.field(factory=dict)
    files: list[str] = attrs.field(factory=list)

    def file(self, name: str) -> None:
        """Take note of a file, as long as a directory of its name may come."""
        self._forget(name)
        self.files.append(name)

    def has_file(self, name: str) -> bool:
        """Tell whether a directory that begins has the name of a file."""
        self._forget(f"{name}/")
        return name in self.files

    def _forget(self, name: str) -> None:
        # What stands between a name and the directory of that name begins with it.
        while self.files and not name.startswith(self.files[-1]):
            self.files.pop()


class InOrder(Tree):
    """Plan entry by entry, in the order of the keys."""

    def __init__(
        self, transfer: Transfer, accept: AsyncFilterFunc | None, narrow: Narrow | None
    ) -> None:
        super().__init__(transfer, accept, narrow)
        target = transfer.target.store
        self._there: Keys | None = None
        if isinstance(target, FlatStore):
            self._there = Keys(transfer.mover.target, target, transfer.target.key)
        self._folds = isinstance(target, FoldsNames)

    @staticmethod
    def fits(source: ObjectStore, target: ObjectStore) -> bool:
        """Tell whether this way costs less: one end is flat, and the other answers at once."""
        ends = (source, target)
        return any(isinstance(end, FlatStore) for end in ends) and all(
            isinstance(end, FlatStore) or end.capabilities.near for end in ends
        )

    async def plan(self) -> None:
        """Walk through the source."""
        if isinstance(self.source.store, FlatStore):
            await self._by_keys(self.source.store)
        else:
            await self._by_directories()

    # From a store with directories

    async def _by_directories(self) -> None:
        levels: list[_Level] = []
        await self._descend(levels, self.root)
        while levels:
            level = levels[-1]
            directory = level.directory
            entry = next(level.left, None)
            try:
                if entry is None:
                    self.done(levels.pop().directory)
                elif entry.is_dir:
                    await self._descend(levels, directory.child(entry.name))
                else:
                    existing = await self._existing(level, entry)
                    await self.give_file(directory, entry, existing)
            except Exception as error:
                level.left = iter(())
                self.failed(directory, error)

    async def _descend(self, levels: list[_Level], directory: Directory) -> None:
        try:
            level = _Level(directory, await self.prepare(directory))
            self.entered(directory)
            entries = await list_all(self.transfer.mover.source, self.source.at(directory.path))
            chosen = await self.choose(directory, entries)
            # In the order of keys, a directory stands where its slash puts it.
            chosen.sort(key=lambda entry: f"{entry.name}/" if entry.is_dir else entry.name)
            level.left = iter(chosen)
        except Exception as error:
            self.failed(directory, error)
            self.done(directory)
        else:
            levels.append(level)

    async def _existing(self, level: _Level, entry: Entry) -> Entry | None:
        if self._there is None or not level.directory.compare:
            return level.existing.get(entry.name)
        return await self._there.find(self.target.at(level.directory.below(entry.name)))

    async def prepare(self, directory: Directory) -> dict[str, Entry]:
        """Make sure the target directory exists, in a flat store without waiting for it."""
        key = self.target.at(directory.path)
        store = self.target.store
        if self._there is None or not isinstance(store, FlatStore):
            return await super().prepare(directory)
        if not key:
            return {}
        found = await self._there.named(key)
        if found is Found.OBJECT:
            raise NotADirectoryError(errno.ENOTDIR, f"{key!r} is an object, not a directory")
        if found is Found.NOTHING:
            directory.compare = False  # nothing to compare with, nor below

            async def mark() -> None:
                try:
                    await self.transfer.mover.target.call(lambda: store.mark(key))
                except Exception:
                    directory.failed = True
                    raise

            await self.give(directory, directory.path, mark)
        return {}

    # From a flat store

    async def _by_keys(self, store: FlatStore) -> None:
        keys = Keys(self.transfer.mover.source, store, self.source.key)
        if await keys.peek() is None and self.source.key:
            await self._refuse_nothing()
        levels: list[_Level] = []
        await self._enter(levels, self.root)
        while levels and (entry := await keys.pop()) is not None:
            begin = f"{self.source.key}/" if self.source.key else ""
            path = entry.key.removeprefix(begin)
            while (here := levels[-1].directory).parent and not path.startswith(f"{here.path}/"):
                self.done(levels.pop().directory)
            refused = await self._take(levels, entry, path)
            if refused:
                await keys.skip(begin + refused)
        while levels:
            self.done(levels.pop().directory)

    async def _refuse_nothing(self) -> None:
        """Say that the source is missing, or what else it is."""
        where = str(self.source.url(""))
        try:
            await list_all(self.transfer.mover.source, self.source.key)
        except MISSING as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from error
        except NotADirectoryError as error:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), where) from error

    async def _take(self, levels: list[_Level], entry: Entry, path: str) -> str:
        """Enter the directories of a key and move its object.

        Return the beginning of the path that is not entered, with its slash; "" if there is none.
        """
        begin = f"{levels[-1].directory.path}/".removeprefix("/")
        *folders, name = path.removeprefix(begin).split("/")
        for folder in folders:
            begin += f"{folder}/"
            if not await self._step(levels, folder):
                return begin
        level = levels[-1]
        if name and await self._takes(level, entry):
            level.file(name)
            await self.give_file(level.directory, entry, await self._existing(level, entry))
        return ""

    async def _step(self, levels: list[_Level], name: str) -> bool:
        """Go into a directory of the last one; tell whether that could be done."""
        here = levels[-1].directory
        key = self.source.at(here.below(name))
        entry = Entry(key, EntryKind.DIRECTORY)
        if not name:
            reason = "its key has an empty part, which no path has"
            entry = Entry(f"{key}/", EntryKind.OTHER, reason=reason)
        if not await self._takes(levels[-1], entry):
            return False
        child = here.child(name)
        if levels[-1].has_file(name):
            where = str(self.target.dir_url(child.path))
            self.failed(child, NotADirectoryError(errno.ENOTDIR, "a file has this name", where))
            self.done(child)
            return False
        return await self._enter(levels, child)

    async def _takes(self, level: _Level, entry: Entry) -> bool:
        """Tell whether an entry is to be moved; a name that cannot be used is one failure."""
        try:
            if not await self.accepted(level.directory, entry):
                return False
            if self._folds and entry.name != (
                first := level.names.setdefault(_folded(entry.name), entry.name)
            ):
                await self.check_case(level.directory, first, entry.name)
        except Exception as error:
            self.failed(level.directory, error)
            return False
        return True

    async def _enter(self, levels: list[_Level], directory: Directory) -> bool:
        try:
            level = _Level(directory, await self.prepare(directory))
        except Exception as error:
            self.failed(directory, error)
            self.done(directory)
            return False
        self.entered(directory)
        levels.append(level)
        return True


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
