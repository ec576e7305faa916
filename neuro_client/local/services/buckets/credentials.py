"""The calls on persistent credentials, which only their owner sees (buckets.md §3.10)."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from ...errors import refuse
from ..base import Platform
from . import bodies
from .answer import describe_credentials, listed
from .lookup import check, cluster_of, username
from .models import Bucket, Credentials, NameTakenError


class CredentialHandlers:
    """Serve the persistent credentials of every cluster."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def list(self, request: web.Request) -> web.Response:
        """List the caller's own."""
        control = self._platform.buckets
        cluster = cluster_of(self._platform, request)
        found = await control.store.credentials(cluster, username(request))
        return listed(request, [describe_credentials(item, control) for item in found])

    async def create(self, request: web.Request) -> web.Response:
        """Make credentials for some buckets."""
        new = await bodies.new_credentials(request)
        cluster = cluster_of(self._platform, request)
        buckets = await self._buckets(request, cluster, new.bucket_ids)
        for bucket in buckets:
            await check(self._platform, request, bucket, "read" if new.read_only else "write")
        control = self._platform.buckets
        try:
            made = await control.issue(
                cluster, username(request), new.name, buckets, read_only=new.read_only
            )
        except NameTakenError:
            raise refuse(500, f"There are credentials {new.name!r} already") from None
        return web.json_response(describe_credentials(made, control), status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Describe one set."""
        found = await self._find(request)
        return web.json_response(describe_credentials(found, self._platform.buckets))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete one set; its key is of no use from then on."""
        await self._platform.buckets.withdraw(await self._find(request))
        return web.Response(status=204)

    async def _find(self, request: web.Request) -> Credentials:
        key = request.match_info["credentials"]
        found: Credentials | None = await self._platform.buckets.store.credentials_at(
            cluster_of(self._platform, request), username(request), key
        )
        if found is None:
            raise web.HTTPNotFound(text=f"Credentials {key!r} not found")
        return found

    async def _buckets(
        self, request: web.Request, cluster: str, bucket_ids: Sequence[str]
    ) -> Sequence[Bucket]:
        found = []
        for bucket_id in bucket_ids:
            bucket = await self._platform.buckets.store.get(cluster, bucket_id)
            if bucket is None:
                raise refuse(500, f"There is no bucket with the id {bucket_id!r}")
            if bucket.imported is not None:
                raise refuse(400, f"Bucket {bucket_id} was made elsewhere; use its own keys")
            found.append(bucket)
        return found
