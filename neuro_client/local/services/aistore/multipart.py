"""Objects that come in parts, in any order (aistore.md §16.2)."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from aiohttp import web

from ..s3.models import Segment
from ..s3.records import Transaction
from . import checksums
from .bodies import hashed, receive
from .cluster import Cluster
from .content import Content
from .errors import AISError, bad_request
from .messages import Message
from .models import Body, Bucket
from .reading import object_headers

_LARGEST = 9999


class Multipart:
    """Begin, fill, complete and abort uploads; unfinished ones show nothing."""

    def __init__(self, cluster: Cluster, content: Content) -> None:
        self._cluster = cluster
        self._content = content

    async def begin(self, bucket: Bucket, name: str) -> web.Response:
        """Answer with the id of a new upload."""
        upload = str(uuid.uuid4())

        def work(tx: Transaction) -> list[str]:
            tx.execute("INSERT INTO ais_uploads VALUES (?, ?, ?)", (upload, bucket.id, name))
            return []

        await self._content.store.transaction(work)
        return web.Response(text=upload)

    async def put_part(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Keep a part, instead of an earlier one of the same number."""
        upload = await self._upload(request, bucket, name)
        number = request.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number[:9]) <= _LARGEST:
            raise bad_request(f'invalid part number "{number[:20]}"')
        received = await receive(request, self._content.files, {checksums.NONE})

        def work(tx: Transaction) -> list[str]:
            key = (upload, int(number))
            if tx.fetch_one("SELECT id FROM ais_uploads WHERE id=?", (upload,)) is None:
                return [received.file]
            row = tx.fetch_one("SELECT file FROM ais_parts WHERE upload=? AND number=?", key)
            sql = "INSERT OR REPLACE INTO ais_parts VALUES (?, ?, ?, ?)"
            tx.execute(sql, (*key, received.size, received.file))
            return [] if row is None else [row["file"]]

        await self._content.store.transaction(work)
        return web.Response()

    async def complete(
        self, request: web.Request, bucket: Bucket, name: str, message: Message
    ) -> web.Response:
        """Make the parts that are named one object."""
        upload = await self._upload(request, bucket, name)
        rows = await self._content.store.rows(
            "SELECT * FROM ais_parts WHERE upload=? ORDER BY number", (upload,)
        )
        parts = {row["number"]: Segment(row["file"], row["size"]) for row in rows}
        numbers = _numbers(message.value)
        missing = [number for number in numbers if number not in parts]
        if missing:
            raise bad_request(f"upload {upload}: part {missing[0]} was not uploaded")
        segments = [parts[number] for number in numbers]
        kind = bucket.checksum_type
        checksum = await asyncio.to_thread(hashed, self._content.files, segments, kind)
        size = sum(segment.size for segment in segments)
        body = Body(size, kind, checksum, segments, len(segments))
        left = [part.file for number, part in parts.items() if number not in set(numbers)]

        def forget(tx: Transaction) -> list[str]:
            now = tx.fetch_all("SELECT file FROM ais_parts WHERE upload=?", (upload,))
            if {row["file"] for row in now} != {part.file for part in parts.values()}:
                raise AISError(409, f"upload {upload}: a part came meanwhile", "ErrBusy")
            if not tx.execute("DELETE FROM ais_uploads WHERE id=?", (upload,)):
                raise _unknown(upload)
            return left

        found = await self._content.write(bucket, name, body, also=forget)
        return web.Response(headers=object_headers(found))

    async def abort(self, request: web.Request, bucket: Bucket, name: str) -> web.Response:
        """Drop an upload and its parts."""
        upload = await self._upload(request, bucket, name)
        rows = await self._content.store.rows(
            "SELECT file FROM ais_parts WHERE upload=?", (upload,)
        )

        def work(tx: Transaction) -> list[str]:
            if not tx.execute("DELETE FROM ais_uploads WHERE id=?", (upload,)):
                raise _unknown(upload)
            return [row["file"] for row in rows]

        await self._content.store.transaction(work)
        return web.Response()

    async def _upload(self, request: web.Request, bucket: Bucket, name: str) -> str:
        upload = request.query.get("uploadId", "")
        sql = "SELECT id FROM ais_uploads WHERE id=? AND bucket=? AND name=?"
        if not await self._content.store.rows(sql, (upload, bucket.id, name)):
            raise _unknown(upload)
        return upload


def _unknown(upload: str) -> AISError:
    return AISError(404, f'upload "{upload[:60]}" does not exist', "ErrNotFound")


def _numbers(value: Any) -> list[int]:
    if not isinstance(value, list) or not value:
        raise bad_request("the list of parts is empty")
    found = []
    for part in value:
        if not isinstance(part, dict) or set(part) - {"part-number", "etag"}:
            raise bad_request("failed to unmarshal mpt-complete value: found unknown field")
        number = part.get("part-number")
        if not isinstance(number, int):
            raise bad_request("a part has no number")
        found.append(number)
    if sorted(set(found)) != sorted(found):
        raise bad_request("a part is named twice")
    return sorted(found)
