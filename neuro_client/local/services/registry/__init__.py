"""The image registry of each cluster (disks-secrets-images-users-accounts.md §3.2).

Registries own the root of a host, and an image's name begins with it; so each cluster has a
listener of its own. Blobs are plain files named by their content in ``<data>/registry/<cluster>``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from ..base import Platform, Service
from .files import Files
from .handlers import Handlers
from .store import SCHEMA

_KEEP_UPLOADS = 24 * 3600.0


def create(platform: Platform) -> Sequence[Service]:
    """Build the registry of every cluster."""
    return [_registry(platform, cluster) for cluster in platform.settings.clusters]


def _registry(platform: Platform, cluster: str) -> Service:
    files = Files(platform.data / "registry" / cluster)
    handlers = Handlers(platform, cluster, files)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await asyncio.to_thread(files.prepare, _KEEP_UPLOADS)
        await handlers.open()
        yield

    return Service(
        name=f"registry/{cluster}",
        routes=[web.route("*", "/v2{path:(?:/.*)?}", handlers.handle)],
        lifespan=lifespan,
        own_listener=True,
        schema=SCHEMA,
        public=("/v2",),
    )
