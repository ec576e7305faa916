"""A platform for tests of workspaces, on each kind of bucket, and a plain client for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.services.workspaces.objects import Objects
from neuro_client.local.settings import GarageSettings

from ..buckets.garage import ABSENT, Garage, find, garage_node
from ..unexpected import nothing_fails as nothing_fails
from .files import body

JSON = dict[str, Any]
FINAL = ("FINISHED", "FAILED", "CANCELLED")
DASHBOARD = "/api/customer/dashboard"
PATIENCE = 20.0


class Api:
    """Speak to a platform as one user, over plain HTTP."""

    def __init__(self, session: aiohttp.ClientSession, platform: Any, ready: Mapping[str, str]):
        self.session = session
        self.platform = platform
        self.url = ready["url"]
        self.bucket = ready["bucket"]
        self.headers = {"Authorization": f"Bearer {ready['api_key']}"}

    async def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """Send one request; give the JSON, or the text of another answer."""
        headers = self.headers | options.pop("headers", {})
        url = f"{self.url}{path}"
        async with self.session.request(method, url, headers=headers, **options) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            return json.loads(text) if answer.content_type == "application/json" else text

    async def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """Send a request that is refused; give code and message in one."""
        found = await self.call(method, path, status=status, **options)
        assert found.keys() <= {"code", "message", "hint"}
        return f"{found['code']}: {found['message']}"

    async def objects(self) -> Objects:
        """Give the bucket."""
        found: Objects = await self.platform.workspaces.objects("user")
        return found

    async def put(self, content: Mapping[str, bytes]) -> None:
        """Put objects into the bucket."""
        objects = await self.objects()
        for key, data in content.items():
            link = objects.link("PUT", key)
            async with self.session.put(link, data=data) as answer:
                assert answer.ok, await answer.text()

    async def read(self, key: str) -> bytes:
        """Read an object of the bucket."""
        link = (await self.objects()).link("GET", key)
        async with self.session.get(link) as answer:
            assert answer.ok, await answer.text()
            return await answer.read()

    async def keys(self, prefix: str) -> list[str]:
        """List objects below a prefix, by what follows it."""
        found = await (await self.objects()).list(prefix)
        return [one.key.removeprefix(prefix) for one in found]

    async def create(self, slug: str, name: str = "My Run", **more: Any) -> str:
        """Start a task; give its id."""
        request = body(slug, name, **more)
        return str((await self.call("POST", "/api/tasks", status=201, json=request))["id"])

    async def get(self, task_id: str) -> JSON:
        """Give a task."""
        found: JSON = await self.call("GET", f"/api/tasks/{task_id}")
        return found

    async def until(self, task_id: str, *states: str) -> JSON:
        """Wait for a state; give the task."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.get(task_id)
                if found["status"] in states:
                    return found
                assert found["status"] not in FINAL, found
                await asyncio.sleep(0.02)

    async def log(self, task_id: str) -> str:
        """Give the log of a task."""
        return str(await self.call("GET", f"/api/tasks/{task_id}/logs"))

    async def logged(self, task_id: str, text: str) -> None:
        """Wait until the log of a task has a text."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if text in await self.log(task_id):
                    return
                await asyncio.sleep(0.02)

    async def stored(self, prefix: str, name: str) -> None:
        """Wait until an object is in the bucket."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if name in await self.keys(prefix):
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    data: Path, *, port: int = 0, garage: GarageSettings | None = None
) -> AsyncIterator[Api]:
    """Run a platform and give a client of its user."""
    async with (
        LocalPlatform(data, port=port, garage=garage) as platform,
        aiohttp.ClientSession() as session,
    ):
        platform.workspaces.timing.sync = 0.1
        yield Api(session, platform, platform.ready["workspaces"])


@pytest.fixture(scope="module")
def garage() -> Iterator[Garage]:
    """Run a real Garage."""
    program = find()
    if program is None:
        pytest.skip(ABSENT)
    with garage_node(program) as node:
        yield node


def settings_of(node: Garage) -> GarageSettings:
    """Return how a platform reaches a Garage."""
    return GarageSettings(URL(node.admin), node.token, URL(node.url))


@pytest.fixture
async def local_api(tmp_path: Path) -> AsyncIterator[Api]:
    """Give a client of a fresh platform with buckets of its own, in whose ways it can stand."""
    async with running(tmp_path / "data") as found:
        yield found


@pytest.fixture(params=["local", pytest.param("garage", marks=pytest.mark.thorough)])
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """Give a client of a fresh platform, with buckets of its own or on a real Garage."""
    there = request.param == "garage"
    garage = settings_of(request.getfixturevalue("garage")) if there else None
    async with running(tmp_path / "data", garage=garage) as found:
        yield found
