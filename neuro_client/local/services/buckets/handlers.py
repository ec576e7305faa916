"""The calls on buckets (buckets.md §2)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from ...errors import refuse
from ..base import Platform
from . import bodies
from .answer import describe, describe_opening, listed
from .lookup import check_home, cluster_of, find, find_by_path, may_write, username
from .models import Bucket, NameTakenError, ProviderError


class BucketHandlers:
    """Serve the buckets of every cluster."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def list(self, request: web.Request) -> web.Response:
        """List what the caller may read; later clients name one organisation and project."""
        query = request.query
        readable = await self._platform.access.readable(username(request))
        found = [
            bucket
            for bucket in await self._platform.buckets.store.all(
                cluster_of(self._platform, request)
            )
            if any(map(readable, bucket.uris()))
            and query.get("project_name", bucket.owner) == bucket.owner
            and (query.get("org_name", bucket.org) or None) == bucket.org
        ]
        return listed(request, [_describe(request, bucket) for bucket in found])

    async def create(self, request: web.Request) -> web.Response:
        """Make a bucket."""
        new = await bodies.new_bucket(request)
        owner = await check_home(self._platform, request, new.org, new.project)
        cluster = cluster_of(self._platform, request)
        try:
            bucket = await self._platform.buckets.create(cluster, owner, new.org, new.name)
        except NameTakenError:
            raise _taken(owner, new.name) from None
        return _answer(request, bucket, project=new.project is not None, status=201)

    async def add(self, request: web.Request) -> web.Response:
        """Register a bucket made elsewhere."""
        new = await bodies.external_bucket(request)
        owner = await check_home(self._platform, request, new.org, new.project)
        try:
            bucket = await self._platform.buckets.add(
                cluster_of(self._platform, request),
                owner,
                new.org,
                new.name,
                provider=new.provider,
                provider_name=new.provider_name,
                credentials=new.credentials,
            )
        except NameTakenError:
            raise _taken(owner, new.name) from None
        return _answer(request, bucket, project=new.project is not None, status=201)

    async def find(self, request: web.Request) -> web.Response:
        """Tell which bucket a path leads into."""
        return _answer(request, await find_by_path(self._platform, request))

    async def get(self, request: web.Request) -> web.Response:
        """Describe a bucket."""
        return _answer(request, await find(self._platform, request, "read"))

    async def change(self, request: web.Request) -> web.Response:
        """Open a bucket to everybody, or close it."""
        bucket = await find(self._platform, request, "write")
        try:
            bucket = await self._platform.buckets.set_public(bucket, await bodies.public(request))
        except ProviderError as error:
            raise refuse(500, str(error)) from None
        return _answer(request, bucket)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a bucket that is empty, or forget one made elsewhere."""
        bucket = await find(self._platform, request, "write")
        try:
            await self._platform.buckets.delete(bucket)
        except ProviderError as error:
            raise refuse(500, str(error)) from None
        return web.Response(status=204)

    async def make_credentials(self, request: web.Request) -> web.Response:
        """Make credentials that expire, with write access for those who may write."""
        bucket = await find(self._platform, request, "read")
        read_only = not await may_write(self._platform, request, bucket)
        opening = await self._platform.buckets.temporary(bucket, read_only=read_only)
        return web.json_response(describe_opening(bucket, opening, read_only=read_only))

    async def sign(self, request: web.Request) -> web.Response:
        """Make an address that gives one object to whoever has it."""
        bucket = await find(self._platform, request, "read")
        key, expires_in = await bodies.signature(request)
        if expires_in > bodies.LONGEST_SIGNATURE and bucket.provider != "azure":
            raise refuse(400, "expires_in_sec must be at most 7 days")
        try:
            url = await self._platform.buckets.sign(bucket, key, expires_in)
        except ProviderError as error:
            raise refuse(500, str(error)) from None
        return web.json_response({"url": str(url)})


def _answer(
    request: web.Request, bucket: Bucket, *, project: bool = False, status: int = 200
) -> web.Response:
    return web.json_response(_describe(request, bucket, project=project), status=status)


def _describe(request: web.Request, bucket: Bucket, *, project: bool = False) -> dict[str, Any]:
    return describe(bucket, project=project or "project_name" in request.query)


def _taken(owner: str, name: str | None) -> web.HTTPError:
    text = f"{owner!r} has a bucket {name!r} already"
    return web.HTTPConflict(
        text=json.dumps({"code": "unique", "description": text}),
        content_type="application/json",
    )
