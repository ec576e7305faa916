"""A datastore that is being filled, as a store that is written (grid-artifacts.md §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NoReturn

import attrs
from yarl import URL

from ..concurrency import ScopedIterator
from ..errors import NotSupportedError, ProtocolError, ResourceNotFound, TransferError
from ..transfer import Body, Capabilities, Chunk, Entry, EntryKind, Part, Upload
from ..transfer.models import MiB
from ..transfer.plan import plan_parts
from ..transfer.store import Announce
from ..transport import Transport
from .batches import Batches
from .errors import LinkExpiredError
from .service import GridService
from .wire import items_of

_MAX_PARTS = 10_000
_MIN_PART = 5 * MiB
_MAX_FILES = 3000
_COUNT = "parts"


@attrs.frozen
class _Asked:
    key: str
    count: int


@attrs.frozen
class _Given:
    upload_id: str
    urls: Mapping[int, URL] = attrs.field(repr=False)


@attrs.frozen
class _Sent:
    key: str
    upload_id: str
    tags: Sequence[tuple[int, str]]


class DatastoreStore:
    """Write files into a datastore by links that the control plane gives, for many at a time.

    ``done`` is told of each file that is complete.
    """

    def __init__(
        self,
        service: GridService,
        links: Transport,
        id: str,
        part_size: int,
        done: Callable[[str], Awaitable[None]],
    ) -> None:
        self._service = service
        self._links = links
        self._id = id
        self._part_size = part_size
        self._done = done
        self._given: dict[str, _Given] = {}
        self._asking: Batches[_Asked, _Given] = Batches(self._ask, _MAX_FILES)
        self._ending: Batches[_Sent, None] = Batches(self._end, _MAX_FILES)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DatastoreStore]:
        """Be usable for the length of a block."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._asking.running())
            await stack.enter_async_context(self._ending.running())
            yield self

    @property
    def capabilities(self) -> Capabilities:
        """Say what a datastore can do: be written, in parts."""
        return Capabilities(min_part=_MIN_PART, max_parts=_MAX_PARTS, directories=False)

    async def _ask(self, asked: Sequence[_Asked]) -> list[_Given]:
        objects = [{"key": item.key, "partCount": str(item.count)} for item in asked]
        answer = await self._service.json(
            "POST",
            "datastores",
            self._id,
            "presigned-urls",
            json={"objects": objects},
            idempotent=True,
        )
        given = {str(item.get("key")): _given(item) for item in items_of(answer, "objects")}
        if missing := [item.key for item in asked if item.key not in given]:
            raise ProtocolError(f"The server gave no link to upload {missing[0]!r} to")
        return [given[item.key] for item in asked]

    async def _end(self, sent: Sequence[_Sent]) -> list[None]:
        objects = [
            {
                "key": item.key,
                "uploadId": item.upload_id,
                "urls": [{"partNumber": str(number), "etag": tag} for number, tag in item.tags],
            }
            for item in sent
        ]
        await self._service.json(
            "POST",
            "datastores",
            self._id,
            "presigned-urls",
            "completed",
            json={"objects": objects},
            idempotent=True,
        )
        return [None] * len(sent)

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole file."""
        given = await self._asking.ask(_Asked(key, 1))
        tag = await self._send(given, key, 1, Body.of(body))
        await self._ending.ask(_Sent(key, given.upload_id, [(1, tag)]))
        await self._done(key)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open a file for writing in parts."""
        if keep:
            raise ValueError("a file of a datastore cannot be continued; upload it as a whole")
        count = plan_parts(size, self._part_size, self.capabilities).count
        self._given[key] = given = await self._asking.ask(_Asked(key, count))
        return Upload(key, given.upload_id, size, state={_COUNT: count})

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the known parts, if the server goes on with the same upload."""
        count = int(upload.state[_COUNT])
        given = await self._asking.ask(_Asked(upload.key, count))
        if given.upload_id != upload.id:
            raise ResourceNotFound(f"The unfinished upload of {upload.key!r} is gone")
        self._given[upload.key] = given
        return [part for part in known if part.tag]

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part; a link that is refused is replaced once."""
        try:
            tag = await self._send(self._given[upload.key], upload.key, number, body)
        except LinkExpiredError:
            await self.parts(upload)
            tag = await self._send(self._given[upload.key], upload.key, number, body)
        return Part(number, offset, body.size, tag)

    async def _send(self, given: _Given, key: str, number: int, body: Body) -> str:
        url = given.urls.get(number)
        if url is None:
            raise ProtocolError(f"The server gave no link for part {number} of {key!r}")
        answer = await self._links.send(
            "PUT", url, body=body.open, headers={"Content-Length": str(body.size)}, retry=None
        )
        tag = answer.headers.get("ETag", "").strip('"')
        if not tag:
            raise ProtocolError(f"Part {number} of {key!r} was answered without an ETag")
        return tag

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Put a file together."""
        total = sum(part.size for part in parts)
        if total != upload.size:
            raise TransferError(f"{upload.key!r} has {total} of {upload.size} bytes")
        tags = [(part.number, part.tag or "") for part in parts]
        await self._ending.ask(_Sent(upload.key, upload.id, tags))
        self._given.pop(upload.key, None)
        await self._done(upload.key)

    async def abort(self, upload: Upload) -> None:
        """Forget an upload; the server removes it with the datastore that is never completed."""
        self._given.pop(upload.key, None)

    async def make_dir(self, key: str) -> None:
        """Do nothing: names make folders."""

    async def head(self, key: str) -> Entry:
        """Describe the root; nothing else can be looked at."""
        if not key:
            return Entry("", EntryKind.DIRECTORY)
        self._refuse()

    # Nothing can be read back, or removed.

    def _refuse(self) -> NoReturn:
        raise NotSupportedError("A datastore that is being filled can only be written")

    def list(self, prefix: str, *, recursive: bool = False) -> ScopedIterator[Entry]:
        """Refuse."""
        self._refuse()

    def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> ScopedIterator[Chunk]:
        """Refuse."""
        self._refuse()

    async def delete(self, key: str) -> None:
        """Refuse."""
        self._refuse()


def _given(item: Mapping[str, Any]) -> _Given:
    urls = items_of(item, "urls")
    try:
        # The signature covers the very bytes of the link.
        found = {int(url["partNumber"]): URL(url["url"], encoded=True) for url in urls}
    except (KeyError, TypeError, ValueError):
        raise ProtocolError(
            f"The links to upload {item.get('key')!r} cannot be read: $.objects[].urls"
        ) from None
    return _Given(str(item.get("uploadId") or ""), found)
