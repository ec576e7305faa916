"""The buckets service (platform-buckets-api): records of buckets, and what opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ..base import Platform, Service
from .control import BucketControl
from .credentials import CredentialHandlers
from .handlers import BucketHandlers
from .store import SCHEMA

_ROOT = "/api/v1/buckets/{cluster}"


def create(platform: Platform) -> Service:
    """Build the service."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        control = BucketControl(platform)
        await control.recover()
        platform.buckets = control
        yield

    buckets, credentials = BucketHandlers(platform), CredentialHandlers(platform)
    bucket = _ROOT + "/buckets/{bucket}"
    one_set = _ROOT + "/persistent_credentials/{credentials}"
    return Service(
        name="buckets-api",
        routes=[
            web.get(_ROOT + "/buckets", buckets.list),
            web.post(_ROOT + "/buckets", buckets.create),
            web.post(_ROOT + "/buckets/import/external", buckets.add),
            web.get(_ROOT + "/buckets/find/by_path", buckets.find),
            web.get(bucket, buckets.get),
            web.patch(bucket, buckets.change),
            web.delete(bucket, buckets.delete),
            web.post(bucket + "/make_tmp_credentials", buckets.make_credentials),
            web.post(bucket + "/sign_blob_url", buckets.sign),
            web.get(_ROOT + "/persistent_credentials", credentials.list),
            web.post(_ROOT + "/persistent_credentials", credentials.create),
            web.get(one_set, credentials.get),
            web.delete(one_set, credentials.delete),
        ],
        lifespan=lifespan,
        schema=SCHEMA,
    )
