"""A platform for tests of trainings, and a plain HTTP client for its control plane."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from neuro_client.local.platform import LocalPlatform
from neuro_client.local.scheduler import Capacity

from ..unexpected import nothing_fails as nothing_fails

MIB = 1 << 20
TRAININGS = "/api/v1/workloads/trainings"
WORKLOADS = "/api/v1/workloads"
FINAL = ("Completed", "Failed")
JSON = dict[str, Any]


class Api:
    """Speak to a control plane as one application, over plain aiohttp."""

    def __init__(self, session: aiohttp.ClientSession, platform: Any, ready: JSON) -> None:
        self.session = session
        self.platform = platform
        self.ready = ready
        self.url = ready["url"]
        self.headers: dict[str, str] = {}

    async def sign_in(self, client_id: str | None = None, secret: str | None = None) -> Api:
        """Get a token, the platform's own application's unless another one is named."""
        body = {
            "grantType": "app_token",
            "AppId": client_id or self.ready["client_id"],
            "AppSecret": secret or self.ready["client_secret"],
        }
        answer = await self.call("POST", "/api/v1/token", json=body)
        self.headers = {"Authorization": f"Bearer {answer['accessToken']}"}
        return self

    async def another(self, client_id: str, secret: str) -> Api:
        """Sign in as another application."""
        return await Api(self.session, self.platform, self.ready).sign_in(client_id, secret)

    async def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """Send one request; give the JSON, or the text of another answer."""
        headers = {**self.headers, **options.pop("headers", {})}
        url = f"{self.url}{path}"
        async with self.session.request(method, url, headers=headers, **options) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            if answer.content_type == "application/json":
                return await answer.json()
            return text

    def body(self, name: str, script: str = "true", **spec: Any) -> JSON:
        """Describe a training that runs a script."""
        quoted = script.replace("'", "'\\''")
        return {
            "name": name,
            "projectId": self.ready["project_id"],
            "clusterId": self.ready["cluster_id"],
            "spec": {"image": "python:3.11", "command": "sh -c", "args": f"'{quoted}'", **spec},
        }

    async def create(
        self, name: str, script: str = "true", *, project: str | None = None, **spec: Any
    ) -> str:
        """Create a training and give its id."""
        body = self.body(name, script, **spec)
        if project is not None:
            body["projectId"] = project
        answer = await self.call("POST", TRAININGS, json=body)
        return str(answer["workloadId"])

    async def get(self, workload_id: str) -> JSON:
        """Give the training."""
        found: JSON = await self.call("GET", f"{TRAININGS}/{workload_id}")
        return found

    async def workload(self, workload_id: str) -> JSON:
        """Give the training as the generic endpoint tells it."""
        found: JSON = await self.call("GET", f"{WORKLOADS}/{workload_id}")
        return found

    async def until(self, workload_id: str, *phases: str, within: float = 15.0) -> JSON:
        """Wait for a phase and give the training."""
        async with asyncio.timeout(within):
            while True:
                found = await self.get(workload_id)
                if found["actualPhase"] in phases:
                    return found
                if found["actualPhase"] in FINAL:
                    raise AssertionError(await self.history(workload_id))
                await asyncio.sleep(0.03)

    async def done(self, workload_id: str) -> str:
        """Wait for the end and give the last phase."""
        return str((await self.until(workload_id, *FINAL))["actualPhase"])

    async def gone(self, workload_id: str, within: float = 15.0) -> None:
        """Wait until a deleted training is no more."""
        async with asyncio.timeout(within):
            while True:
                path = f"{self.url}{TRAININGS}/{workload_id}"
                async with self.session.get(path, headers=self.headers) as answer:
                    if answer.status == 404:
                        return
                    found = await answer.json()
                    assert answer.status == 200, found
                await asyncio.sleep(0.03)

    async def act(self, workload_id: str, action: str, *, status: int = 202) -> Any:
        """Suspend or resume."""
        return await self.call("POST", f"{TRAININGS}/{workload_id}/{action}", status=status)

    async def history(self, workload_id: str) -> list[JSON]:
        """Give all that happened."""
        answer = await self.call("GET", f"{WORKLOADS}/{workload_id}/history?limit=500")
        return [record["spec"] for record in answer["records"]]

    async def phases(self, workload_id: str) -> list[str]:
        """Give the phases in order."""
        found = await self.history(workload_id)
        return [spec["phaseUpdate"]["phase"] for spec in found if "phaseUpdate" in spec]

    async def reasons(self, workload_id: str) -> list[str]:
        """Give the reasons of the events, the newest first."""
        answer = await self.call("GET", f"{WORKLOADS}/{workload_id}/events?limit=500")
        return [event["reason"] for event in answer["events"]]

    async def pods(self, workload_id: str) -> list[JSON]:
        """Give the pods."""
        answer = await self.call("GET", f"{WORKLOADS}/{workload_id}/pods")
        return list(answer["pods"])

    async def names(self, query: str = "") -> list[str]:
        """Give the names in a list."""
        answer = await self.call("GET", f"{WORKLOADS}?{query}")
        return [workload["name"] for workload in answer["workloads"]]

    def log_path(self, name: str, query: str = "", project: str = "default") -> str:
        """Give the path of a log."""
        return f"/cluster-api/api/v1/{project}/workloads/training/runai/{name}/logs?{query}"

    async def log(self, name: str, query: str = "follow=true") -> str:
        """Give the log as text."""
        return str(await self.call("GET", self.log_path(name, query)))


@contextlib.asynccontextmanager
async def running(data: Path, *, port: int = 0) -> AsyncIterator[Api]:
    """Run a platform with short pauses and give a signed-in client."""
    async with LocalPlatform(data, port=port) as started, aiohttp.ClientSession() as session:
        platform: Any = started
        platform.jobs.capacity = Capacity(2.0, 4096 * MIB)
        timing = platform.trainings.timing
        timing.backoff, timing.backoff_max, timing.grace, timing.sample = 0.02, 0.05, 5.0, 0.1
        yield await Api(session, platform, platform.ready["trainings"]).sign_in()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """Give a client of a fresh platform."""
    async with running(tmp_path / "data") as found:
        yield found


def span() -> str:
    """Give the begin and end of the last minute, as a query."""
    now = time.time()
    stamps = [
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in (now - 60, now + 1)
    ]
    return f"start={stamps[0]}&end={stamps[1]}"
