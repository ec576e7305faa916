"""The artifacts of experiments as a store that is read, by links that are renewed (§3.3, §5)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn

import attrs

from ..concurrency import SingleFlight, scoped_iterator
from ..errors import (
    IllegalArgumentError,
    NotSupportedError,
    ResourceNotFound,
    SourceChangedError,
    TransferError,
)
from ..transfer import Body, Capabilities, Chunk, Entry, EntryKind, Part, Upload
from ..transfer.store import Announce
from ..transport import Answer, Transport
from .errors import LinkExpiredError
from .models import Artifact

_PAGE = 1000
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_UNSATISFIABLE = 416

Refresh = Callable[[str], Awaitable[Sequence[Artifact]]]
"""List the artifacts of an experiment, given its id."""


@attrs.define(eq=False)
class _Item:
    artifact: Artifact
    experiment_id: str
    etag: str = ""


class ArtifactStore:
    """Keep what was listed under keys, and read it through the links.

    A link that is refused is replaced by listing the artifacts of its experiment again, also in
    the middle of a file; all parts of a file are of one version.
    """

    def __init__(self, links: Transport, refresh: Refresh) -> None:
        self._links = links
        self._refresh = refresh
        self._items: dict[str, _Item] = {}
        self._keys: list[str] = []
        self._renewing: SingleFlight[None] = SingleFlight()
        self._fresh: dict[str, dict[str, Artifact]] = {}

    def add(self, key: str, experiment_id: str, artifact: Artifact) -> None:
        """Take in an artifact that was listed."""
        self._items[key] = _Item(artifact, experiment_id)
        self._keys = []

    def artifact(self, key: str) -> Artifact:
        """Return what was listed under *key*, with its present link."""
        return self._item(key).artifact

    def _item(self, key: str) -> _Item:
        try:
            return self._items[key]
        except KeyError:
            raise ResourceNotFound(f"There is no artifact {key!r} in the listing") from None

    def _sorted(self) -> list[str]:
        if not self._keys:
            self._keys = sorted(self._items)
        return self._keys

    @property
    def capabilities(self) -> Capabilities:
        """Say what can be done: reading, from anywhere."""
        return Capabilities(directories=False)

    async def page(self, directory: str, after: str) -> tuple[Sequence[Entry], bool]:
        """Return the next keys below *directory* that come behind *after*."""
        keys = self._sorted()
        start = f"{directory}/" if directory else ""
        first = max(bisect_left(keys, start), bisect_right(keys, after))
        found = [key for key in keys[first : first + _PAGE] if key.startswith(start)]
        return [self._entry(key) for key in found], len(found) == _PAGE

    def _entry(self, key: str) -> Entry:
        found = self._items[key].artifact
        when = found.last_modified
        mtime = None if when is None else when.timestamp()
        return Entry(key, EntryKind.FILE, found.size, mtime, found.version)

    async def has_object(self, key: str) -> bool:
        """Tell whether an artifact has this very key."""
        return key in self._items

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over what was listed."""
        start = f"{prefix}/" if prefix else ""
        told: set[str] = set()
        for key in self._sorted():
            if not key.startswith(start):
                continue
            below = key[len(start) :].split("/")
            for depth in range(1, len(below) if recursive else min(len(below), 2)):
                folder = start + "/".join(below[:depth])
                if folder not in told:
                    told.add(folder)
                    yield Entry(folder, EntryKind.DIRECTORY)
            if recursive or len(below) == 1:
                yield self._entry(key)

    async def head(self, key: str) -> Entry:
        """Describe an artifact, or the folder of that name."""
        if key in self._items:
            return self._entry(key)
        if not key or any(name.startswith(f"{key}/") for name in self._items):
            return Entry(key, EntryKind.DIRECTORY)
        raise ResourceNotFound(f"There is no artifact {key!r} in the listing")

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range of one version."""
        item = self._pinned(key, version)
        stop = item.artifact.size if end is None else min(end, item.artifact.size)
        if start >= stop:
            return
        async with self._open(key, item, start, stop) as answer:
            async for chunk in answer.chunks():
                yield chunk

    async def read(self, key: str, size: int, version: str | None = None) -> bytes:
        """Read a whole short artifact."""
        item = self._pinned(key, version)
        if not item.artifact.size:
            return b""
        async with self._open(key, item, 0, item.artifact.size) as answer:
            return await answer.read()

    def _pinned(self, key: str, version: str | None) -> _Item:
        item = self._item(key)
        if version is not None and version != item.artifact.version:
            raise _changed(key)
        return item

    @asynccontextmanager
    async def _open(self, key: str, item: _Item, start: int, stop: int) -> AsyncIterator[Answer]:
        async with AsyncExitStack() as stack:
            link = item.artifact.url
            try:
                answer = await stack.enter_async_context(self._asked(item, start, stop))
            except LinkExpiredError:
                await self._renew(key, item, link)
                answer = await stack.enter_async_context(self._asked(item, start, stop))
            self._compare(key, item, answer, start, stop)
            yield answer

    @asynccontextmanager
    async def _asked(self, item: _Item, start: int, stop: int) -> AsyncIterator[Answer]:
        headers = {"Accept-Encoding": "identity"}
        if start or stop < item.artifact.size:
            headers["Range"] = f"bytes={start}-{stop - 1}"
            if item.etag:
                headers["If-Range"] = item.etag
        try:
            async with self._links.request(
                "GET", item.artifact.url, headers=headers, decompress=False
            ) as answer:
                yield answer
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise
            raise _changed(item.artifact.filename) from error

    def _compare(self, key: str, item: _Item, answer: Answer, start: int, stop: int) -> None:
        """Check that an answer is the range that was asked for, of the version that was listed."""
        etag = answer.headers.get("ETag", "")
        if item.etag and etag and etag != item.etag:
            raise _changed(key)
        size = item.artifact.size
        if answer.status == 206:
            place = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
            if place is None or (int(place[1]), int(place[2])) != (start, stop - 1):
                raise TransferError(f"{key!r}: the server sent another range than was asked for")
            if place[3] not in ("*", str(size)):
                raise _changed(key)
        elif start or stop < size:
            if item.etag and not etag:
                raise _changed(key)
            raise TransferError(f"{key!r}: the server sent all of it instead of a range")
        elif answer.headers.get("Content-Length", str(size)) != str(size):
            raise _changed(key)
        if not etag.startswith("W/"):
            item.etag = etag

    async def _renew(self, key: str, item: _Item, refused: object) -> None:
        """Replace the links of an experiment, unless that was done since one was *refused*."""
        id = item.experiment_id
        if item.artifact.url == refused:
            await self._renewing.run(id, lambda: self._relist(id))
        fresh = self._fresh[id].get(item.artifact.filename)
        if fresh is None:
            raise ResourceNotFound(f"{key!r} is not among the artifacts any more")
        if fresh.version != item.artifact.version:
            raise _changed(key)

    async def _relist(self, experiment_id: str) -> None:
        """List the artifacts of an experiment, and give what is unchanged its new link."""
        fresh = {found.filename: found for found in await self._refresh(experiment_id)}
        self._fresh[experiment_id] = fresh
        for item in self._items.values():
            found = fresh.get(item.artifact.filename)
            same = found is not None and found.version == item.artifact.version
            if item.experiment_id == experiment_id and found is not None and same:
                item.artifact = found

    # Nothing can be written.

    def _refuse(self) -> NoReturn:
        raise NotSupportedError("Artifacts are written by the experiment itself, not through here")

    async def mark(self, key: str) -> None:
        """Refuse."""
        self._refuse()

    async def put(self, key: str, body: bytes) -> None:
        """Refuse."""
        self._refuse()

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Refuse."""
        self._refuse()

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Refuse."""
        self._refuse()

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Refuse."""
        self._refuse()

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Refuse."""
        self._refuse()

    async def abort(self, upload: Upload) -> None:
        """Refuse."""
        self._refuse()

    async def delete(self, key: str) -> None:
        """Refuse."""
        self._refuse()

    async def make_dir(self, key: str) -> None:
        """Refuse."""
        self._refuse()


def _changed(key: str) -> SourceChangedError:
    return SourceChangedError(
        f"{key!r} is not what was listed; the experiment writes it, or the server sent something "
        "else: list and download it again",
        entry=key,
    )
