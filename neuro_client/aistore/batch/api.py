"""GetBatch: many objects by one request, in its order (aistore.md §16.1, §22.27)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from ...concurrency import scoped_iterator
from ...errors import NotSupportedError, ProtocolError, TransportError
from .. import wire
from ..connection.attempts import ObjectCall
from ..connection.requests import RequestClient, encoded
from ..errors import AISError, ErrObjNotFound, missing_object
from ..names import query_string
from ..objects.object import Object
from ..objects.parallel import in_order
from ..versions import GET_BATCH, require, server_version
from .answer import ZIP, Member, members, opened
from .tar import PACKED, TAR, BrokenArchive, cut_off

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

FORMATS = (TAR, *PACKED, ZIP)
_MISSING = "__404__/"
_WORKERS = 16
_NOT_KNOWN = (400, 404, 405, 501)


@attrs.frozen
class BatchItem:
    """Hold one object of a batch; ``error`` tells why there is no ``data``.

    ``opaque`` is what came with the request.
    """

    obj: Object
    archpath: str = ""
    data: bytes = attrs.field(default=b"", repr=False)
    error: str = ""
    opaque: bytes = b""

    @property
    def is_missing(self) -> bool:
        """Tell whether there is no such object, or no such member of an archive."""
        return bool(self.error)


@attrs.frozen
class _Wanted:
    obj: Object
    archpath: str = ""
    opaque: bytes = b""
    start: int = 0
    length: int = -1

    @property
    def uri(self) -> str:
        return f"{self.obj.uri}/{self.archpath}" if self.archpath else self.obj.uri

    def name(self, *, bare: bool) -> str:
        """Return the name of its member in the answer."""
        name = f"{self.obj.name}/{self.archpath}" if self.archpath else self.obj.name
        return name if bare else f"{self.obj.bucket.name}/{name}"

    def entry(self, usual: Bucket | None) -> dict[str, Any]:
        bucket = self.obj.bucket
        found: dict[str, Any] = {"objname": self.obj.name}
        if usual is None or bucket.get_path() != usual.get_path():
            found |= {"bucket": bucket.name, "provider": bucket.provider}
            if bucket.namespace is not None:
                found["uname"] = self.obj.uname
        if self.archpath:
            found["archpath"] = self.archpath
        if self.opaque:
            found["opaque"] = base64.b64encode(self.opaque).decode()
        if self.start:
            found["start"] = self.start
        if self.start or self.length >= 0:
            found["length"] = self.length
        return found

    def item(self, data: bytes, error: str = "") -> BatchItem:
        return BatchItem(self.obj, self.archpath, data, error, self.opaque)


class _Cut(Exception):
    """Carry the error of an answer that broke off on its way; the request itself was accepted."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Batch:
    """Collect objects to read, and read them by one request.

    Objects are named by text in ``bucket``, or are `Object` themselves, of any bucket. Needs a
    server from 3.30 on; with ``fallback`` older ones are asked for one object after the other.
    ``output_format`` is how the server packs the answer, ``.tar``, ``.tgz``, ``.tar.gz`` or
    ``.zip``. With ``cont_on_err`` a missing object is an item with its ``error``; without, it ends
    the reading. ``streaming_get`` False lets the server collect everything before it answers.
    ``only_obj_name`` leaves the buckets out of the answer. ``coloc`` is the server's hint on where
    the objects are, 0 to 2. A stream that breaks is gone on with ``max_resume`` times.
    """

    def __init__(
        self,
        client: RequestClient,
        objects: Object | str | Sequence[Object | str] | None = None,
        bucket: Bucket | None = None,
        output_format: str = ".tar",
        cont_on_err: bool = True,
        only_obj_name: bool = False,
        streaming_get: bool = True,
        *,
        coloc: int = 0,
        fallback: bool = False,
        max_resume: int = 5,
    ) -> None:
        if output_format not in FORMATS:
            raise ValueError(f"output_format is one of {', '.join(FORMATS)}, not {output_format!r}")
        if coloc not in (0, 1, 2) or max_resume < 0:
            raise ValueError("coloc is 0, 1 or 2, max_resume 0 at least")
        self._client = client
        self._bucket = bucket
        self._format = output_format
        self._goes_on = cont_on_err
        self._bare = only_obj_name
        self._streamed = streaming_get
        self._coloc = coloc
        self._fallback = fallback
        self._max_resume = max_resume
        self._wanted: list[_Wanted] = []
        several = [objects] if isinstance(objects, Object | str) else objects or ()
        for one in several:
            self.add(one)

    def __repr__(self) -> str:
        return f"<Batch of {len(self)}>"

    def __len__(self) -> int:
        return len(self._wanted)

    def add(
        self,
        obj: Object | str,
        archpath: str = "",
        opaque: bytes = b"",
        start: int = 0,
        length: int = -1,
    ) -> Batch:
        """Add an object, a member of an archive, or ``length`` bytes from ``start`` on.

        The same may be added again. A ``length`` of -1 is all to the end. ``opaque`` comes back
        with the item.
        """
        if isinstance(obj, str):
            if self._bucket is None:
                raise ValueError(f"{obj!r} is in which bucket? give one, or an Object")
            obj = self._bucket.object(obj)
        if start < 0 or length < -1:
            raise ValueError("start is 0 at least, length -1 for all that follows")
        self._wanted.append(_Wanted(obj, archpath.strip("/"), opaque, start, length))
        return self

    @scoped_iterator
    async def get(self) -> AsyncIterator[BatchItem]:
        """Iterate over the objects in the order in which they were added.

        One object is in memory at a time, of a zip on the disk all. What has been read is not read
        again after a cut.

        Raises:
            ErrObjNotFound: one is missing, unless ``cont_on_err``.
            NotSupportedError: the server is too old, unless ``fallback``.
        """
        wanted = list(self._wanted)
        if not wanted:
            return
        try:
            await require(self._client, "GetBatch", GET_BATCH)
        except NotSupportedError:
            if not self._fallback:
                raise
            source = self._one_by_one(wanted)
        else:
            source = self._resumed(wanted)
        async with aclosing(source) as items:
            async for item in items:
                yield item

    async def _resumed(self, wanted: Sequence[_Wanted]) -> AsyncGenerator[BatchItem]:
        done = cuts = 0
        while done < len(wanted):
            try:
                async with aclosing(self._once(wanted[done:])) as items:
                    async for item in items:
                        done += 1
                        cuts = 0
                        yield item
            except NotSupportedError:
                if not (self._fallback and not done):
                    raise
                async with aclosing(self._one_by_one(wanted)) as items:
                    async for item in items:
                        done += 1
                        yield item
            except _Cut as cut:
                cuts += 1
                pause = self._client.settings.retry.delay(cuts, cut.error)
                if cuts > self._max_resume or pause is None:
                    raise cut.error from cut.error.__cause__
                await asyncio.sleep(pause)

    async def _once(self, wanted: Sequence[_Wanted]) -> AsyncGenerator[BatchItem]:
        """Read what one request gets."""
        async with _known_to(self._client), self._client.open(self._call(wanted)) as answer:
            try:
                told, chunks = await opened(answer, streamed=self._streamed)
                async with aclosing(chunks), aclosing(members(chunks, self._format)) as found:
                    async for item in self._matched(wanted, told, found):
                        yield item
            except TransportError as error:
                raise _Cut(error) from error
            except BrokenArchive as error:
                if not error.cut:
                    raise
                raise _Cut(error) from error

    async def _matched(
        self,
        wanted: Sequence[_Wanted],
        told: Sequence[Mapping[str, Any]],
        found: AsyncGenerator[Member],
    ) -> AsyncGenerator[BatchItem]:
        pending: Member | None = None
        for number, one in enumerate(wanted):
            reason = wire.text(told[number], "err_msg", one.uri) if number < len(told) else ""
            if pending is None:
                pending = await anext(found, None)
            name = one.name(bare=self._bare)
            if pending is not None and pending[0] == name and not reason:
                yield one.item(self._checked(one, pending[1]))
                pending = None
                continue
            marked = pending is not None and _is_mark(pending[0], one)
            if not marked and not reason:
                raise self._unanswered(one, pending)
            reason = reason or f"{one.uri} does not exist"
            if not self._goes_on:
                raise missing_object(reason)
            if marked:
                pending = None
            yield one.item(b"", reason)
        if pending is None:
            pending = await anext(found, None)
        if pending is not None:
            raise ProtocolError(f"The batch has {pending[0]!r}, for which nobody asked")

    def _checked(self, one: _Wanted, data: bytes) -> bytes:
        if one.length == 0:
            return b""  # servers take a length of 0 for none given
        if 0 <= one.length < len(data):
            raise ProtocolError(
                f"{one.uri}: asked for {one.length} bytes and got {len(data)}; the server does not "
                "read parts of objects in batches"
            )
        return data

    def _unanswered(self, one: _Wanted, instead: Member | None) -> Exception:
        if instead is not None:
            return ProtocolError(f"The batch has {instead[0]!r} where {one.uri} was due")
        if self._goes_on:
            return cut_off(f"front of {one.uri}")
        # Well-formed, but shorter: so servers tell that something is missing (aistore.md §22.27).
        return missing_object(f"The batch ended in front of {one.uri}, which does not exist")

    def _call(self, wanted: Sequence[_Wanted]) -> ObjectCall:
        usual = wanted[0].obj.bucket
        given = self._bucket or usual
        query = given.qparam
        if self._coloc:
            query["coloc"] = str(self._coloc)
        body = {
            "in": [one.entry(given) for one in wanted],
            "mime": self._format,
            "coer": self._goes_on,
            "onob": self._bare,
            "strm": self._streamed,
        }
        return ObjectCall(
            "GET",
            f"/v1/ml/moss/{quote(given.name)}",
            query_string(query),
            wanted[0].obj.uname,
            action=encoded(body),
        )

    async def _one_by_one(self, wanted: Sequence[_Wanted]) -> AsyncGenerator[BatchItem]:
        """Read objects without the server's help, some at a time, in order."""

        async def fetch(number: int, _: int) -> BatchItem:
            one = wanted[number]
            try:
                return one.item(await _read(one))
            except ErrObjNotFound as error:
                if not self._goes_on:
                    raise
                return one.item(b"", error.message)

        items = in_order(fetch, len(wanted), part=1, workers=_WORKERS)
        async with aclosing(items):
            async for item in items:
                yield item


@asynccontextmanager
async def _known_to(client: RequestClient) -> AsyncGenerator[None]:
    """Tell a server that does not say its version, and knows no batches, from one that refuses."""
    try:
        yield
    except AISError as error:
        refused = error.status in _NOT_KNOWN and "does not exist" not in error.message
        if not refused or "path" not in error.message or await server_version(client) is not None:
            raise
        raise NotSupportedError(
            f"GetBatch needs AIStore 3.30 or newer; this server does not know it ({error.message})"
        ) from error


async def _read(one: _Wanted) -> bytes:
    if one.length == 0:
        await one.obj.head()
        return b""
    if one.archpath or not (one.start or one.length > 0):
        data = await one.obj.get(one.archpath).read_all()
        end = None if one.length < 0 else one.start + one.length
        return data[one.start : end]
    last = "" if one.length < 0 else one.start + one.length - 1
    return await one.obj.get(byte_range=f"bytes={one.start}-{last}").read_all()


def _is_mark(name: str, one: _Wanted) -> bool:
    """Tell whether a member stands for a missing object, with its bucket or without."""
    names = {one.name(bare=False), one.name(bare=True)}
    names |= {one.obj.name, f"{one.obj.bucket.name}/{one.obj.name}"}
    return name.startswith(_MISSING) and name.removeprefix(_MISSING) in names
