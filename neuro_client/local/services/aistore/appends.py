"""Objects written bit by bit: what is appended shows when it is flushed (aistore.md §16.4).

The first append to an object that exists goes on behind its content.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

from aiohttp import web

from ..s3.models import Segment
from ..s3.records import Transaction
from . import checksums
from .bodies import PIECE, hashed, receive
from .cluster import Node
from .content import Content
from .errors import bad_request
from .models import Body, Bucket, Object


class Appends:
    """Keep the files that handles stand for, and make objects of them."""

    def __init__(self, content: Content, node: Node) -> None:
        self._content = content
        self._files = content.files
        self._node = node

    async def append(self, request: web.Request, bucket: Bucket, name: str) -> str:
        """Add the body to the file of a handle, or to a new one; return the handle."""
        handle = request.query.get("append_handle", "")
        file = await self._file(bucket, name, handle) if handle else ""
        received = await receive(request, self._files, {checksums.NONE})
        if file:
            await asyncio.to_thread(self._join, file, [received.file])
            await asyncio.to_thread(self._files.remove, [received.file])
        else:
            file = await self._begin(bucket, name, received.file)
        state = base64.b64encode(file.encode()).decode()
        return f"{self._node.id}|{self._files.path(file)}|{bucket.checksum_type}|{state}"

    async def flush(self, request: web.Request, bucket: Bucket, name: str) -> Object:
        """Make the file of a handle the object."""
        handle = request.query.get("append_handle", "")
        if not handle:
            raise bad_request("append handle is missing")
        file = await self._file(bucket, name, handle)
        body = await asyncio.to_thread(self._body, file, bucket.checksum_type)

        def forget(tx: Transaction) -> list[str]:
            if not tx.execute("DELETE FROM ais_appends WHERE file=?", (file,)):
                raise bad_request(f'invalid append handle "{handle[:100]}"')
            return []

        return await self._content.write(bucket, name, body, also=forget)

    async def _begin(self, bucket: Bucket, name: str, file: str) -> str:
        found = await self._content.find(bucket, name)
        if found is not None:

            async def copy(found: Object) -> str:
                return await asyncio.to_thread(self._copied, [*found.body.files, file])

            new = await self._content.steady(bucket, found, copy)
            await asyncio.to_thread(self._files.remove, [file])
            file = new

        def keep(tx: Transaction) -> list[str]:
            tx.execute("INSERT INTO ais_appends VALUES (?, ?, ?)", (file, bucket.id, name))
            return []

        await self._content.store.transaction(keep)
        return file

    async def _file(self, bucket: Bucket, name: str, handle: str) -> str:
        file = handle.split("|")[1].rpartition("/")[2] if handle.count("|") >= 3 else ""
        sql = "SELECT file FROM ais_appends WHERE file=? AND bucket=? AND name=?"
        if not await self._content.store.rows(sql, (file, bucket.id, name)):
            raise bad_request(f'invalid append handle "{handle[:100]}"')
        return file

    def _copied(self, names: Sequence[str]) -> str:
        file = self._files.store([])
        self._join(file, names)
        return file

    def _join(self, file: str, names: Sequence[str]) -> None:
        with open(self._files.path(file), "ab") as target:
            for name in names:
                with open(self._files.path(name), "rb") as source:
                    while piece := source.read(PIECE):
                        target.write(piece)

    def _body(self, file: str, kind: str) -> Body:
        with open(self._files.path(file), "rb") as opened:
            size = opened.seek(0, 2)
        segments = [Segment(file, size)]
        return Body(size, kind, hashed(self._files, segments, kind), segments)
