"""An S3 endpoint: buckets in plain files, for every program that speaks S3."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

from aiohttp import web

from ..base import Platform, Service
from .control import S3Control
from .files import Files
from .handlers import Handlers
from .models import SCHEMA
from .records import Records
from .store import S3Store
from .writing import Writer

logger = logging.getLogger(__name__)


class _Endpoint:
    """Hold what is made when the platform's state is open."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._handlers: Handlers | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open the folder, sweep what a kill left, and give the other services the control."""
        platform = self._platform
        files = Files(platform.data / "s3")
        async with Records.open(platform.data / "state.db") as records:
            store = S3Store(records)
            await asyncio.to_thread(files.prepare)
            used = await store.files()
            if left := await asyncio.to_thread(files.sweep, used):
                logger.info("Removed %d files that no object names", left)
            with closing(Writer(store, files)) as writer:
                self._handlers = Handlers(store, files, writer)
                platform.s3 = S3Control(platform, store, files)
                yield

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        assert self._handlers is not None
        return await self._handlers.handle(request)

    def ready(self) -> Mapping[str, str]:
        """Return address and region."""
        control: S3Control = self._platform.s3
        return {"url": str(control.url).rstrip("/"), "region": control.region}


def create(platform: Platform) -> Service:
    """Build the service."""
    endpoint = _Endpoint(platform)
    return Service(
        name="s3",
        routes=[web.route("*", "/{path:(?s:.*)}", endpoint.handle)],
        lifespan=endpoint.lifespan,
        own_listener=True,
        ready=endpoint.ready,
        schema=SCHEMA,
        public=("/",),
    )
