"""Workspaces: tasks that train on what their user put into a bucket, on a port of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from ...files import read_json
from ...pages import add_pages
from ...scheduler import Capacity
from ...tokens import signing_key
from ..base import Platform, Service
from . import accounts, models
from .accounts import Accounts, User
from .calls import Door, Parts
from .control import TaskControl
from .garage_host import GarageHost
from .hosts import BucketHost
from .launch import Launcher
from .local_host import LocalHost
from .machine import Machine
from .objects import Objects
from .pages import TaskPages
from .seams import Clock, LocalWorkspaces, Member
from .sessions import Sessions
from .storage import Links, Storage
from .store import TaskStore
from .tasks import Tasks

_NAME = "workspaces"
_DASHBOARD = "/dashboard"
_CONNECTIONS = 16
_IMAGE = "NEURO_LOCAL_WORKSPACES_IMAGE"


class _Endpoint:
    """Hold what is made when the platform's state is open."""

    def __init__(self, platform: Platform) -> None:
        self.door = Door()
        self._platform = platform
        self._host: BucketHost | None = None
        self._member: Member | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Read what is there, and run tasks meanwhile."""
        platform = self._platform
        key = await asyncio.to_thread(signing_key, platform.data / "signing.key")
        garage = platform.settings.garage
        # The platform's own endpoint may have any certificate; it is on this machine.
        trust = garage is not None
        async with ClientSession(
            connector=TCPConnector(limit=_CONNECTIONS, ssl=trust),
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
        ) as session:
            host: BucketHost = GarageHost(garage, session) if garage else LocalHost(platform)
            clock, links = Clock(), Links()
            known = Accounts(platform.state, host, key, clock)

            async def objects_of(user: User) -> Objects:
                bucket_key = await known.bucket_key(user)
                return Objects(session, host.url, host.region, user.bucket, bucket_key)

            async def objects(username: str) -> Objects:
                return await objects_of(await known.user(username))

            def capacity() -> Capacity:
                found: Capacity = platform.jobs.capacity
                return found

            launcher = Launcher(platform.data / _NAME, capacity)
            launcher.image = os.environ.get(_IMAGE) or launcher.image
            store = TaskStore(platform.state)
            control = TaskControl(store, launcher, platform.jobs.runner, objects, clock)
            platform.workspaces = LocalWorkspaces(platform, control, known, links, clock)
            self.door.parts = Parts(
                known,
                Sessions(known),
                Storage(known, links, objects_of),
                Tasks(control, objects_of, clock),
                Machine(capacity),
            )
            self._host, self._member = host, await self._first_member()
            async with control.lifespan():
                yield

    async def _first_member(self) -> Member:
        """Return the platform's user; his API key stays while it is good."""
        platform, known = self._platform, self.door.parts.accounts
        workspaces: LocalWorkspaces = platform.workspaces
        told = await asyncio.to_thread(read_json, platform.data / "ready.json")
        mine = told.get(_NAME)
        key = mine.get("api_key") if isinstance(mine, dict) else None
        await known.add_user(platform.username)
        owner = await known.user_of_key(key) if isinstance(key, str) else None
        if owner is None or owner.username != platform.username:
            key = await known.add_key(platform.username)
        return await workspaces.member(platform.username, str(key))

    def ready(self) -> Mapping[str, str]:
        """Return addresses and credentials."""
        assert self._host is not None and self._member is not None
        url = str(self._platform.listener(_NAME)).rstrip("/")
        return {
            "url": url,
            "api_key": self._member.api_key,
            "s3_url": str(self._host.url).rstrip("/"),
            "s3_region": self._host.region,
            "access_key_id": self._member.access_key_id,
            "secret_access_key": self._member.secret_access_key,
            "bucket": self._member.bucket,
            "dashboard_url": f"{url}{_DASHBOARD}",
        }


def create(platform: Platform) -> Service:
    """Build the service."""
    endpoint = _Endpoint(platform)
    pages = add_pages(
        _DASHBOARD,
        TaskPages(lambda: endpoint.door.parts),
        title="Workspaces",
        platform=platform,
        base=lambda: platform.listener(_NAME),
    )
    return Service(
        name=_NAME,
        routes=[*endpoint.door.routes(), *pages.routes, endpoint.door.elsewhere()],
        lifespan=endpoint.lifespan,
        own_listener=True,
        ready=endpoint.ready,
        schema=accounts.SCHEMA + models.SCHEMA,
        public=("/",),
    )
