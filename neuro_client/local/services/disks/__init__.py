"""The disks service (platform-disk-api): persistent disks that jobs mount."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ..base import Platform, Service
from .control import DiskControl
from .handlers import DiskHandlers
from .store import SCHEMA

_ROOT = "/api/v1/disk/{cluster}"


def create(platform: Platform) -> Service:
    """Build the service; it is entered before that of jobs, which take up their disks at once."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        platform.disks = DiskControl(platform)
        async with platform.disks.lifespan():
            yield

    handlers = DiskHandlers(platform)
    return Service(
        name="disk-api",
        routes=[
            web.get(_ROOT, handlers.list),
            web.post(_ROOT, handlers.create),
            web.get(_ROOT + "/{disk}", handlers.get),
            web.delete(_ROOT + "/{disk}", handlers.delete),
        ],
        lifespan=lifespan,
        schema=SCHEMA,
    )
