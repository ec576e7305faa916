"""The Run:ai control plane and its clusters: trainings that really run, on a port of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from ...files import read_json
from ...tokens import signing_key
from ..base import Platform, Service
from . import accounts, assets, org, store
from .accounts import Accounts
from .assets import Assets
from .control import TrainingControl
from .handlers import Handlers
from .launch import Launcher
from .logs import ClusterApi
from .lookups import Lookups
from .org import Organization
from .render import Renderer
from .routes import routes
from .sampling import Sampler
from .seams import LocalTrainings
from .signing_in import SigningIn
from .store import TrainingStore
from .workloads import Manners

_NAME = "trainings"
_PROFILE, _MODE = "NEURO_LOCAL_TRAININGS_PROFILE", "NEURO_LOCAL_TRAININGS_MODE"


class _Endpoint:
    """Hold what is made when the platform's state is open."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._handlers: Handlers | None = None
        self._credentials = ("", "")

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Read what is there, and run trainings meanwhile."""
        platform = self._platform
        key = await asyncio.to_thread(signing_key, platform.data / "signing.key")
        organization = Organization(platform.state)
        await organization.open(list(platform.settings.clusters))
        known = Accounts(platform.state, key)
        await known.open()
        told = await asyncio.to_thread(read_json, platform.data / "ready.json")
        mine = told.get(_NAME)
        secret = mine.get("client_secret") if isinstance(mine, dict) else None
        self._credentials = await known.own_application(secret)
        folder = platform.data / _NAME
        kept = Assets(platform.state, folder, key)
        launcher = Launcher(kept, folder, lambda: platform.jobs.capacity)
        control = TrainingControl(platform, TrainingStore(platform.state), organization, launcher)
        trainings = LocalTrainings(control, known, kept, _manners())
        platform.trainings = trainings
        signing_in = SigningIn(platform, known, lambda: trainings.token_lifetime)
        lookups = Lookups(organization)
        lookups.cluster_url = platform.listener(_NAME)
        cluster = ClusterApi(platform, control)
        table = routes(control, Renderer(organization), lookups, cluster, lambda: trainings.manners)
        self._handlers = Handlers(known, signing_in, table)
        async with control.lifespan(), Sampler(control).lifespan():
            yield

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        assert self._handlers is not None
        return await self._handlers.handle(request)

    def ready(self) -> Mapping[str, str]:
        """Return addresses and credentials."""
        organization: Organization = self._platform.trainings.org
        project = next(iter(organization.projects.values()))
        url = str(self._platform.listener(_NAME)).rstrip("/")
        client_id, secret = self._credentials
        return {
            "url": url,
            "client_id": client_id,
            "client_secret": secret,
            "project_id": str(project.id),
            "cluster_id": project.cluster,
            "cluster_url": url,
        }


def create(platform: Platform) -> Service:
    """Build the service."""
    endpoint = _Endpoint(platform)
    return Service(
        name=_NAME,
        routes=[web.route("*", "/{path:(?s:.*)}", endpoint.handle)],
        lifespan=endpoint.lifespan,
        own_listener=True,
        ready=endpoint.ready,
        schema=org.SCHEMA + accounts.SCHEMA + assets.SCHEMA + store.SCHEMA,
        public=("/",),
    )


def _manners() -> Manners:
    """Read how the environment wants the control plane to behave."""
    found = Manners()
    found.profile = os.environ.get(_PROFILE) or found.profile
    found.mode = os.environ.get(_MODE) or found.mode
    return found
