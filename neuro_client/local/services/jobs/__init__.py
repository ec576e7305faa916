"""The jobs service (platform-api): create, look up, list and end jobs; their HTTP ports."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from ...runners import opened
from ...scheduler import SCHEMA, Capacity, JobControl, JobStore
from ...scheduler.launch import Resolvers
from ..base import Platform, Service
from .handlers import JobHandlers
from .listing import Listing
from .proxy import PREFIX, JobProxy

log = logging.getLogger(__name__)
_PATH = "/api/v1/jobs"


def create(platform: Platform) -> Service:
    """Describe the service."""
    handlers = JobHandlers(platform)
    proxy = JobProxy(platform)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with opened(platform.settings.runner, platform.data / "jobs", platform.url) as runner:
            for sentence in runner.describe():
                log.warning("%s", sentence)
            control = JobControl(platform, JobStore(platform.state), runner, machine())
            control.resolvers = Resolvers(platform.secrets.value, platform.disks.path)
            platform.jobs = control
            session = ClientSession(
                connector=TCPConnector(limit=0),
                auto_decompress=False,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None, connect=10),
            )
            async with session, control.lifespan():
                proxy.session = session
                yield

    one = _PATH + "/{id}"
    return Service(
        name="jobs",
        routes=[
            web.post(_PATH, handlers.create),
            web.get(_PATH, Listing(platform).answer, allow_head=False),
            web.get(one, handlers.get, allow_head=False),
            web.delete(one, handlers.delete),
            web.put(one + "/max_run_time_minutes", handlers.set_life_span),
            web.post(one + "/drop", handlers.drop),
            web.post(one + "/drop_progress", handlers.drop_progress),
            web.route("*", PREFIX + "{host}{path:(?:/.*)?}", proxy.answer),
        ],
        lifespan=lifespan,
        schema=SCHEMA,
        public=(PREFIX,),
    )


def machine() -> Capacity:
    """Give what this machine has for jobs; blocks for no time."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return Capacity(float(cores), psutil.virtual_memory().total)
