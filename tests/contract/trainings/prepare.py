"""What the samples of trainings need on the local platform."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import attrs

from neuro_client.client import Client
from neuro_client.config.services import TrainingsSettings

from ..golden import Prepare

RUNS = {"image": "python:3.11", "command": "sleep", "args": "600"}
ENDS = {"image": "python:3.11", "command": "true"}
PATIENCE = 15.0


@attrs.frozen
class ControlPlane:
    """Call the local control plane without the client's own code for it."""

    url: str
    session: aiohttp.ClientSession
    project: str
    cluster: str

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; give the JSON, None for what is not there or has no body."""
        async with self.session.request(method, f"{self.url}/api/v1{path}", json=body) as answer:
            assert answer.ok or answer.status in (404, 409), await answer.text()
            return await answer.json() if answer.ok and answer.status != 204 else None

    async def have(self, name: str, spec: Mapping[str, Any]) -> str:
        """Return the training of a name, made now if there is none."""
        found = await self.find(name)
        if found is None:
            body = {"name": name, "projectId": self.project, "clusterId": self.cluster}
            found = await self.call("POST", "/workloads/trainings", {**body, "spec": spec})
            return str(found["workloadId"])
        return str(found["id"])

    async def find(self, name: str) -> Any:
        page = await self.call("GET", f"/workloads?filterBy=name=={name}")
        return page["workloads"][0] if page["workloads"] else None

    async def phase(self, id: str, *wanted: str) -> None:
        """Wait until a training is in a phase; none means until it is gone."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.call("GET", f"/workloads/trainings/{id}")
                if (found is None and not wanted) or (found and found["actualPhase"] in wanted):
                    return
                await asyncio.sleep(0.02)

    async def remove(self, name: str) -> None:
        """Delete a training, if there is one, and wait until its name is free."""
        if (found := await self.find(name)) is not None:
            await self.drop(found["id"])

    async def drop(self, id: str) -> None:
        """Delete a training and wait until it is gone."""
        await self.call("DELETE", f"/workloads/trainings/{id}")
        await self.phase(id)


_signed_in: WeakKeyDictionary[Client, dict[str, str]] = WeakKeyDictionary()


@asynccontextmanager
async def control_plane(client: Client) -> AsyncIterator[tuple[ControlPlane, dict[str, str]]]:
    """Sign in, once for each client, and give the values that all samples use."""
    async with aiohttp.ClientSession() as session:
        if client not in _signed_in:
            _signed_in[client] = await sign_in(client, session)
        values = _signed_in[client]
        session.headers["Authorization"] = f"Bearer {values['bearer']}"
        control = ControlPlane(values["trainings"], session, values["project"], values["cluster"])
        yield control, {**values, "submission": str(uuid.uuid4())}


async def sign_in(client: Client, session: aiohttp.ClientSession) -> dict[str, str]:
    """Return the addresses, a token, the project and its cluster."""
    settings = client._services.settings(TrainingsSettings)
    url = str(settings.url).rstrip("/")
    application = {"AppId": settings.client_id, "AppSecret": settings.client_secret}
    asked = {"grantType": "app_token", **application}
    async with session.post(f"{url}/api/v1/token", json=asked) as answer:
        token = (await answer.json())["accessToken"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with session.get(f"{url}/api/v1/org-unit/projects", headers=bearer) as answer:
        [project, *_] = (await answer.json())["projects"]
    return {
        "trainings": url,
        "cluster_url": str(settings.cluster_url).rstrip("/"),
        "client_id": str(settings.client_id),
        "client_secret": str(settings.client_secret),
        "bearer": token,
        "project": str(project["id"]),
        "cluster": project["clusterId"],
    }


@asynccontextmanager
async def signed_in(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Need nothing but a token."""
    async with control_plane(client) as (_, values):
        yield values


@asynccontextmanager
async def creating(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Remove what the sample makes."""
    async with control_plane(client) as (control, values):
        yield values
        await control.remove("mnist-0")


@asynccontextmanager
async def taken(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Have a training with the name of the sample."""
    async with control_plane(client) as (control, values):
        await control.have("taken", ENDS)
        yield values


def with_training(
    name: str, spec: Mapping[str, Any], phase: str
) -> Callable[[Client], AbstractAsyncContextManager[Mapping[str, str]]]:
    """Make what has a training in a phase, with one pod; the samples share it."""

    @asynccontextmanager
    async def prepare(client: Client) -> AsyncIterator[Mapping[str, str]]:
        async with control_plane(client) as (control, values):
            id = await control.have(name, spec)
            await control.phase(id, phase)
            pod = (await control.call("GET", f"/workloads/{id}/pods"))["pods"][0]
            yield {**values, "training": id, "pod": pod["id"]}
            # What the sample did to it must not reach the next one.
            found = await control.call("GET", f"/workloads/trainings/{id}")
            if found is not None and found["desiredPhase"] != "Running":
                await control.drop(id)

    return prepare


running = with_training("mnist-1", RUNS, "Running")
ended = with_training("ended", ENDS, "Completed")

PREPARE: Mapping[str, Prepare] = {
    **dict.fromkeys(
        (
            "token",
            "token_access_key",
            "token_without_expiry",
            "token_refused",
            "token_v2",
            "token_v2_refused",
            "create_invalid",
            "create_unknown_project",
            "create_no_image",
            "get_unknown",
            "get_malformed",
            "delete_unknown",
            "projects",
            "clusters",
        ),
        signed_in,
    ),
    "create": creating,
    "create_prefix": creating,
    "create_taken": taken,
    **dict.fromkeys(
        (
            "get",
            "list",
            "list_filtered",
            "count",
            "workload",
            "events",
            "history",
            "pods",
            "metrics",
            "metrics_unknown_type",
            "pod_metrics",
            "telemetry",
            "batch",
            "suspend",
            "resume",
            "delete",
        ),
        running,
    ),
    "suspend_finished": ended,
    "resume_finished": ended,
}
