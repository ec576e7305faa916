"""The secrets service (platform-secrets): values that jobs get and nobody reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ..base import Platform, Service
from .control import SCHEMA, SecretControl
from .handlers import SecretHandlers

_ROOT = "/api/v1/secrets/{cluster}"


def create(platform: Platform) -> Service:
    """Build the service; it is entered before that of jobs, which take up their secrets at once."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        platform.secrets = await SecretControl.create(platform)
        yield

    handlers = SecretHandlers(platform)
    return Service(
        name="secrets",
        routes=[
            web.get(_ROOT, handlers.list),
            web.post(_ROOT, handlers.add),
            web.delete(_ROOT + "/{key}", handlers.remove),
        ],
        lifespan=lifespan,
        schema=SCHEMA,
    )
