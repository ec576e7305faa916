"""The protocol that every place bytes can be kept in speaks to the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

import attrs

from .models import Entry, Part, Upload

Chunk = bytes | bytearray | memoryview

Announce = Callable[[Upload], Awaitable[None]]
"""Be told of an upload before there is anything to clean up."""


@attrs.frozen
class Capabilities:
    """Say what a store can do; sizes are in bytes, None means no limit.

    ``random_parts``: the parts of one upload may be sent in any order and at once. ``keeps``:
    `ObjectStore.begin` can go on after the first bytes of an existing object. ``directories``:
    directories exist by themselves, also empty ones. ``checksums`` names what the wire verifies.
    ``ranged_reads``: `ObjectStore.get` can start anywhere. ``buffers_parts``: a part is held in
    memory as a whole while it is sent. ``joins_parts``: neighbouring parts may be written as one,
    which then counts under the number of the first. ``near``: it answers without a round trip.
    """

    min_part: int = 1
    max_part: int | None = None
    max_parts: int | None = None
    random_parts: bool = True
    keeps: bool = False
    directories: bool = True
    ranged_reads: bool = True
    buffers_parts: bool = False
    joins_parts: bool = False
    near: bool = False
    checksums: frozenset[str] = frozenset()


@attrs.frozen
class Body:
    """Hold a sized content that can be read anew for each attempt."""

    size: int
    open: Callable[[], AsyncIterator[Chunk]]

    @classmethod
    def of(cls, data: bytes) -> Body:
        """Wrap bytes at hand."""

        async def chunks() -> AsyncIterator[Chunk]:
            yield data

        return cls(len(data), chunks)

    async def read(self) -> bytes:
        """Return the whole content, for a store that cannot stream it."""
        return b"".join([chunk async for chunk in self.open()])


@runtime_checkable
class ObjectStore(Protocol):
    """Keep objects under keys: names separated by ``/``, the empty key is the root.

    No method retries; the engine does. A key that does not exist raises one of
    `transfer.models.MISSING`. `neuro_client.testing.stores` checks all that is said here.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Say what the store can do."""

    def list(
        self, prefix: str, *, recursive: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[Entry]]:
        """Iterate over what is in directory *prefix*, a parent before its children.

        A store with directories raises `NotADirectoryError` for a file.
        """

    async def head(self, key: str) -> Entry:
        """Describe what is under *key*."""

    def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Read bytes *start* to *end* (not included, None for the last).

        Raise `SourceChangedError` when the content is not *version* any more.
        """

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole object; it appears complete or not at all."""

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open an object of *size* bytes for writing in parts; it appears with `complete`.

        With *keep* its first bytes stay as they are and the parts are written in place. A store
        that chooses the id of the upload itself tells it to *announce* before it makes anything.
        An upload that cannot be taken up again has no id.
        """

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part; doing it again replaces it."""

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Tell which parts have arrived, of a store that cannot list them those of *known*.

        *known* are the parts that the sender remembers. Raise one of `transfer.models.MISSING`
        when there is no such upload any more.
        """

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Put the parts in place under the final key, or raise and leave the old object."""

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload; one that is gone already is no error."""

    async def delete(self, key: str) -> None:
        """Remove an object, or a directory with all below it."""

    async def make_dir(self, key: str) -> None:
        """Make a directory and its parents; one that exists is no error.

        Raise `NotADirectoryError` or `FileExistsError` when something else has the name.
        """


@runtime_checkable
class ReadsWhole(Protocol):
    """Be a store that reads a short object in one call, which costs less than a stream."""

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        """Return all of an object of *size* bytes, at most `models.SLICE`.

        Raise `SourceChangedError` when the content is not *version* any more.
        """


@runtime_checkable
class FlatStore(Protocol):
    """Be a store whose directories are beginnings of keys, and which lists keys in their order.

    The order is that of the characters' numbers, which is that of the bytes in UTF-8.
    """

    async def page(self, directory: str, after: str) -> tuple[Sequence[Entry], bool]:
        """Return the next keys below *directory* that come behind *after*, and if there are more.

        An entry that keeps an empty directory is of kind DIRECTORY, and its key ends in a slash.
        Without entries there are no more. *after* need not exist; "" asks for the first ones.
        """

    async def has_object(self, key: str) -> bool:
        """Tell whether an object has this very key."""

    async def mark(self, key: str) -> None:
        """Keep a directory that has no keys, without a look at what there is."""


@runtime_checkable
class KnowsContent(Protocol):
    """Be a store whose listings may have no times, but checksums that tell a content."""

    async def has_content(self, entry: Entry, chunks: AsyncIterator[Chunk]) -> bool:
        """Tell whether *chunks* are the content of a listed object; False if it cannot tell."""


@runtime_checkable
class FoldsNames(Protocol):
    """Be a store in which two names that differ only in case may be the same."""

    async def folds_names(self, key: str) -> bool:
        """Tell whether upper and lower case are the same in directory *key*."""
