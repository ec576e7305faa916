"""The Grid control plane: runs that really run, their artifacts, datastores; on its own port."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from ...files import read_json
from ...pages import add_pages
from ...tokens import signing_key
from ..base import Platform, Service
from ..s3.files import Files
from . import accounts, datastores, store
from .accounts import Accounts
from .basics import Basics
from .calls import Finder, Tokens
from .control import GridControl
from .datastores import Datastores
from .experiments import Experiments
from .graph import Graph
from .handlers import Handlers
from .launch import Places
from .links import Links
from .logs import Logs
from .pages import ExperimentPages, Parts
from .routes import routes
from .runs import Runs
from .seams import LocalArtifacts
from .serving import Serving
from .store import GridStore
from .troubles import Troubles

logger = logging.getLogger(__name__)
_NAME = "artifacts"


class _Endpoint:
    """Hold what is made when the platform's state is open."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._handlers: Handlers | None = None
        self._credentials = ("", "")
        self._parts: Parts | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Read what is there, sweep what a kill left, and run experiments meanwhile."""
        platform = self._platform
        folder = platform.data / _NAME
        files, kept = Files(folder / "objects"), GridStore(platform.state)
        used = await kept.purged()
        key, before, left = await asyncio.to_thread(_prepared, platform.data, files, used)
        if left:
            logger.info("Removed %d files that no artifact names", left)
        known = Accounts(platform.state, key)
        await known.open()
        self._credentials = await known.key_for(platform.username, before)
        control = GridControl(platform, kept, files, Places(folder))
        links = Links(key, lambda: platform.listener(_NAME))
        tokens, troubles = Tokens(key), Troubles()
        finder = Finder(platform, control)
        stores = Datastores(platform.state, control.places, links, list(platform.settings.clusters))
        experiments = Experiments(control, finder, tokens, links, troubles)
        platform.artifacts = LocalArtifacts(control, known, links, tokens, experiments, troubles)
        runs = Runs(control, finder, tokens, links, stores)
        logs = Logs(platform.state, control)
        self._parts = Parts(known, runs, experiments, logs)
        basics = Basics(platform, known, finder, time.time())
        table = routes(basics, runs, experiments, stores, Graph(known, control, logs))
        self._handlers = Handlers(known, Serving(control, links, stores, troubles), table)
        async with control.lifespan():
            yield

    def parts(self) -> Parts:
        """Return what the pages ask."""
        assert self._parts is not None
        return self._parts

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        assert self._handlers is not None
        return await self._handlers.handle(request)

    def ready(self) -> Mapping[str, str]:
        """Return address and credentials."""
        user_id, api_key = self._credentials
        return {
            "url": str(self._platform.listener(_NAME)).rstrip("/"),
            "user_id": user_id,
            "api_key": api_key,
            "cluster_id": next(iter(self._platform.settings.clusters)),
        }


def create(platform: Platform) -> Service:
    """Build the service."""
    endpoint = _Endpoint(platform)
    pages = add_pages(
        "/dashboard",
        ExperimentPages(endpoint.parts),
        title="Experiments",
        platform=platform,
        base=lambda: platform.listener(_NAME),
        items="experiments",
    )
    return Service(
        name=_NAME,
        routes=[*pages.routes, web.route("*", "/{path:(?s:.*)}", endpoint.handle)],
        lifespan=endpoint.lifespan,
        own_listener=True,
        ready=endpoint.ready,
        schema=store.SCHEMA + accounts.SCHEMA + datastores.SCHEMA,
        public=("/",),
    )


def _prepared(data: Path, files: Files, used: set[str]) -> tuple[bytes, str | None, int]:
    """Read the signing key and the API key that was told last; remove files that nothing names."""
    files.prepare()
    mine = read_json(data / "ready.json").get(_NAME)
    before = mine.get("api_key") if isinstance(mine, dict) else None
    return signing_key(data / "signing.key"), before, files.sweep(used)
