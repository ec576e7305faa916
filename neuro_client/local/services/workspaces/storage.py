"""The user's bucket: its name, key and usage, and uploads by presigned links (§1, §3.1, §5)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from aiohttp import web

from .accounts import Accounts, User
from .answers import Refusal, invalid, json_object
from .objects import PART, Objects, ObjectsError

_MOST_PARTS = 10_000
_NOT_IN_XML = re.compile("[\x00-\x1f\ufffe\uffff]")
_TAG = re.compile(r'"?([0-9a-f]{32})"?')


@attrs.define
class Links:
    """How presigned upload links are made; in seconds."""

    lifetime: int = 15 * 60
    age: float = 0.0
    """How long ago they are signed; an age over the lifetime makes links that have expired."""
    part: int = PART
    """Bytes behind each link but the last."""


class Storage:
    """Answer requests for a user's bucket."""

    def __init__(
        self, accounts: Accounts, links: Links, objects: Callable[[User], Awaitable[Objects]]
    ) -> None:
        self._accounts = accounts
        self._links = links
        self._objects = objects

    async def bucket(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/users/storage/bucket."""
        return web.json_response({"bucketAlias": user.bucket})

    async def rotate_key(self, request: web.Request, user: User) -> web.Response:
        """Answer PATCH /api/users/storage/bucket/rotate-key."""
        key = await self._accounts.rotate(user)
        return web.json_response(
            {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
        )

    async def usage(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/users/storage/usage."""
        found = await self._accounts.host.usage(user.bucket)
        return web.json_response(
            {
                "bucketAlias": user.bucket,
                "usedBytes": found.bytes,
                "quotaBytes": found.max_size,
                "objectCount": found.objects,
                "objectQuota": found.max_objects,
                "unfinishedUploadBytes": found.unfinished_bytes,
            }
        )

    async def begin_upload(self, request: web.Request, user: User) -> web.Response:
        """Answer POST /api/users/storage/upload/init."""
        body = await json_object(request)
        key = _key(body)
        size, kind = body.get("size"), body.get("contentType", "application/octet-stream")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise invalid("size must be a number of bytes")
        if not isinstance(kind, str) or not kind.isascii() or not kind.isprintable():
            raise invalid("contentType must be a content type")
        count = max(1, -(-size // self._links.part))
        if count > _MOST_PARTS:
            raise invalid(f"size: {size} bytes are too many for one object")
        objects = await self._objects(user)
        upload = await objects.create_upload(key, kind)
        moment = datetime.fromtimestamp(datetime.now(UTC).timestamp() - self._links.age, UTC)
        urls = [
            objects.link(
                "PUT",
                key,
                self._links.lifetime,
                {"partNumber": str(number), "uploadId": upload},
                moment,
            )
            for number in range(1, count + 1)
        ]
        return web.json_response({"uploadId": upload, "urls": [str(url) for url in urls]})

    async def complete_upload(self, request: web.Request, user: User) -> web.Response:
        """Answer POST /api/users/storage/upload/complete."""
        body = await json_object(request)
        key, upload, parts = _key(body), _upload(body), body.get("parts")
        if not isinstance(parts, list) or not parts:
            raise invalid("parts must be a list of parts, and not empty")
        listed = sorted(_part(part) for part in parts)
        await _passed_on((await self._objects(user)).complete(key, upload, listed))
        return web.Response(status=204)

    async def abort_upload(self, request: web.Request, user: User) -> web.Response:
        """Answer POST /api/users/storage/upload/abort."""
        body = await json_object(request)
        await _passed_on((await self._objects(user)).abort(_key(body), _upload(body)))
        return web.Response(status=204)


def _key(body: dict[str, Any]) -> str:
    key = body.get("key")
    if not isinstance(key, str) or not key or key.startswith("/") or len(key.encode()) > 1024:
        raise invalid("key must be that of an object, without a slash in front")
    if _NOT_IN_XML.search(key):
        raise invalid("key has a character that answers of S3 cannot have")
    return key


def _upload(body: dict[str, Any]) -> str:
    upload = body.get("uploadId")
    if not isinstance(upload, str) or not upload:
        raise invalid("uploadId must be what init answered")
    return upload


def _part(part: Any) -> tuple[int, str]:
    if not isinstance(part, dict):
        raise invalid("each of the parts must be an object")
    number, tag = part.get("PartNumber"), part.get("ETag")
    found = _TAG.fullmatch(tag) if isinstance(tag, str) else None
    if not isinstance(number, int) or not 1 <= number <= _MOST_PARTS or found is None:
        raise invalid("each of the parts needs its PartNumber and ETag")
    return number, found[1]


async def _passed_on(call: Awaitable[None]) -> None:
    """Tell what the bucket refuses as the platform does."""
    try:
        await call
    except ObjectsError as error:
        if error.status is None or error.status >= 500:
            raise
        if "quota is reached" in str(error):
            raise Refusal(403, "quota_exceeded", str(error)) from None
        code = {"InvalidPart": "invalid_part", "NoSuchUpload": "not_found"}
        raise Refusal(error.status, code.get(error.code, "storage_refused"), str(error)) from None
