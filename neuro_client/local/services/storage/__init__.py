"""Files of a cluster over HTTP (storage.md §1 to §8)."""

from __future__ import annotations

from aiohttp import web

from ..base import Platform, Service
from .handlers import Handlers

ROOT = "/api/v1/storage/{cluster}"


def create(platform: Platform) -> Service:
    """Build the service."""
    handlers = Handlers(platform)
    # `/` is the root of a cluster's storage, without the slash there is nothing (storage.md §1).
    # A name may have line ends, which a plain dot does not match.
    path = f"{ROOT}/{{path:(?s:.*)}}"
    return Service(
        name="storage",
        routes=[
            web.get(path, handlers.dispatch, allow_head=False),
            web.head(path, handlers.dispatch),
            web.put(path, handlers.dispatch),
            web.patch(path, handlers.dispatch),
            web.post(path, handlers.dispatch),
            web.delete(path, handlers.dispatch),
        ],
        lifespan=handlers.lifespan,
    )
