"""A platform for tests of runs and artifacts, and a plain HTTP client for its control plane."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from neuro_client.local.platform import LocalPlatform
from neuro_client.local.scheduler import Capacity

from ...contract.golden import basic
from ..unexpected import nothing_fails as nothing_fails

JSON = dict[str, Any]
CORE = "/v1/core/default"
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


class Api:
    """Speak to a control plane as one user, over plain aiohttp."""

    def __init__(
        self, session: aiohttp.ClientSession, platform: Any, ready: JSON, user: tuple[str, str]
    ) -> None:
        self.session = session
        self.platform = platform
        self.ready = ready
        self.user = user

    def another(self, user: tuple[str, str]) -> Api:
        """Return a client of another user."""
        return Api(self.session, self.platform, self.ready, user)

    async def send(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Send one request, signed in unless it is a whole address; give status, body, headers."""
        own = path.startswith("/")
        url = URL(f"{self.ready['url']}{path}" if own else path, encoded=True)
        headers = dict(options.pop("headers", {}))
        if own:
            headers["Authorization"] = basic(*self.user)
        async with self.session.request(method, url, headers=headers, **options) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json(), answer.headers
            return answer.status, await answer.read(), answer.headers

    async def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """Send one request and give the body of the answer."""
        found, body, _ = await self.send(method, path, **options)
        assert found == status, (found, body)
        return body

    async def refused(self, method: str, path: str, status: int, code: int, **options: Any) -> str:
        """Send a request that is refused; give the message."""
        body = await self.call(method, path, status=status, **options)
        assert body["code"] == code and body["details"] == [], body
        return str(body["message"])

    async def create(self, name: str, command: str = "train.py", **spec: Any) -> JSON:
        """Create a run that waits for its source."""
        spec = {"runControllerCommand": command, **spec}
        body = {"name": name, "localDir": True, "spec": spec}
        run: JSON = await self.call("POST", f"{CORE}/runs", json=body)
        return run

    async def submit(
        self, name: str, script: str, command: str = "train.py", **spec: Any
    ) -> tuple[str, list[str]]:
        """Create a run of a script with its source; give its id and those of its experiments."""
        run = await self.create(name, command, **spec)
        source = archive({command.split()[0]: script})
        await self.call("PUT", run["status"]["uploadUrl"], data=source)
        return run["id"], run["status"]["experimentIds"]

    async def run(self, run_id: str) -> JSON:
        """Give a run."""
        found: JSON = await self.call("GET", f"{CORE}/runs/{run_id}")
        return found

    async def experiment(self, experiment_id: str) -> JSON:
        """Give an experiment."""
        found: JSON = await self.call("GET", f"{CORE}/experiments/{experiment_id}")
        return found

    async def until(self, experiment_id: str, *phases: str, within: float = 40.0) -> JSON:
        """Wait for a phase of an experiment and give it."""
        async with asyncio.timeout(within):
            while True:
                found = await self.experiment(experiment_id)
                phase = found["status"]["phase"].removeprefix("EXPERIMENT_STATE_")
                if phase in phases:
                    return found
                assert phase not in FINAL, found["status"]
                await asyncio.sleep(0.02)

    async def done(self, experiment_id: str) -> JSON:
        """Wait for the end and give the status."""
        return dict((await self.until(experiment_id, *FINAL))["status"])

    async def phases(self, experiment_id: str) -> list[str]:
        """Give the phases that an experiment was in, one after another."""
        answer = await self.call("GET", f"{CORE}/experiments/{experiment_id}/events")
        return [one["phase"].removeprefix("EXPERIMENT_STATE_") for one in answer["events"]]

    async def artifacts(self, experiment_id: str) -> dict[str, JSON]:
        """Give all artifacts by name."""
        answer = await self.call("GET", f"{CORE}/experiments/{experiment_id}/artifacts")
        return {one["filename"]: one for one in answer["artifacts"]}

    async def until_captured(self, experiment_id: str, name: str) -> JSON:
        """Wait for an artifact of an experiment that goes on, and give it."""
        async with asyncio.timeout(20):
            while True:
                found = await self.artifacts(experiment_id)
                if name in found:
                    return found[name]
                await asyncio.sleep(0.02)

    async def contents(self, experiment_id: str) -> dict[str, bytes]:
        """Give the contents of all artifacts by name."""
        found = await self.artifacts(experiment_id)
        return {name: await self.call("GET", one["url"]) for name, one in found.items()}

    async def query(self, query: str, **variables: Any) -> JSON:
        """Ask the older interface."""
        headers = {"X-Grid-User": self.user[0], "X-Grid-Key": self.user[1]}
        body = {"query": query, "variables": variables}
        async with self.session.post(
            f"{self.ready['url']}/graphql", json=body, headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            found: JSON = await answer.json()
            return found


def archive(files: dict[str, str]) -> bytes:
    """Pack files as a client does."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return written.getvalue()


@contextlib.asynccontextmanager
async def running(data: Path, *, port: int = 0) -> AsyncIterator[Api]:
    """Run a platform with short pauses and give a client of its user."""
    async with LocalPlatform(data, port=port) as started, aiohttp.ClientSession() as session:
        platform: Any = started
        platform.jobs.capacity = Capacity(2.0, 4096 << 20)
        platform.artifacts.timing.interval = 0.05
        ready = platform.ready["artifacts"]
        yield Api(session, platform, ready, (ready["user_id"], ready["api_key"]))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Give a client of a fresh platform."""
    async with running(tmp_path / "data") as found:
        yield found
