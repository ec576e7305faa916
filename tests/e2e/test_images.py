"""Images to and from a real container engine, by way of the platform's registry."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import attrs
import pytest

from neuro_client import AbstractDockerImageProgress, LocalImage
from neuro_client.client import Client
from neuro_client.factory import get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .docker import engine, forget, make_image, names_of

NAME = "neuro-client-test"
LOCAL = LocalImage(NAME, "v1")
EXAMPLE = Path(__file__).parents[2] / "docs/example/images.py"


@attrs.define
class Events(AbstractDockerImageProgress):
    """Keep what is told."""

    events: list[object] = attrs.field(factory=list)

    def pull(self, data: object) -> None:
        self.events.append(data)

    push = step = save = commit_started = commit_finished = pull

    def layers(self) -> set[str]:
        """Return what was told of layers."""
        return {event.status for event in self.events if hasattr(event, "status")}


@pytest.fixture
async def docker() -> AsyncIterator[aiodocker.Docker]:
    async with engine() as docker:
        await make_image(docker, str(LOCAL), {"data": os.urandom(2_000_000)})
        try:
            yield docker
        finally:
            await forget(docker, str(LOCAL), f"{NAME}:again", f"{NAME}:v2")


async def test_there_and_back(docker: aiodocker.Docker, client: Client) -> None:
    told = Events()
    remote = await client.images.push(LOCAL, progress=told)
    assert str(remote) == f"image://default/user/{NAME}:v1"
    assert type(told.events[0]).__name__ == "ImageProgressPush"
    assert {"Preparing", "Pushing", "Pushed"} <= told.layers()
    assert await client.images.size(remote) > 2_000_000
    assert await client.images.tags(remote.with_tag(None)) == [remote]

    again = Events()
    await client.images.push(LOCAL, remote, progress=again)
    assert "Layer already exists" in again.layers()

    before = (await docker.images.inspect(str(LOCAL)))["Id"]
    await forget(docker, str(LOCAL), remote.as_docker_url())
    told = Events()
    assert await client.images.pull(remote, progress=told) == LOCAL
    assert "Pull complete" in told.layers()
    assert (await docker.images.inspect(str(LOCAL)))["Id"] == before
    other = LocalImage(NAME, "again")
    assert await client.images.pull(remote, other) == other
    assert (await docker.images.inspect(str(other)))["Id"] == before


async def test_pulled_names_go_with_the_client(
    docker: aiodocker.Docker, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    await login(local_platform, tmp_path / "config")
    async with get(path=tmp_path / "config") as client:
        remote = await client.images.push(LOCAL)
        await forget(docker, remote.as_docker_url())
        await client.images.pull(remote)
        assert remote.as_docker_url() in await names_of(docker)
    assert remote.as_docker_url() not in await names_of(docker)
    assert str(LOCAL) in await names_of(docker)


async def test_what_is_missing_or_not_permitted(
    docker: aiodocker.Docker, client: Client, local_platform: LocalPlatform
) -> None:
    with pytest.raises(ValueError, match="no image neuro-client-test:none"):
        await client.images.push(LocalImage(NAME, "none"))
    with pytest.raises(ValueError, match=r"no image .* to pull"):
        await client.images.pull(client.parse.remote_image(f"image:{NAME}:none"))
    await local_platform.add_user("other")
    theirs = client.parse.remote_image(f"image:/other/{NAME}:v1")
    try:
        with pytest.raises(aiodocker.DockerError) as caught:
            await client.images.push(LOCAL, theirs)
        assert caught.value.status == 900
        assert "denied" in str(caught.value).lower()
    finally:
        await forget(docker, theirs.as_docker_url())


async def test_the_engine_s_own_command(
    docker: aiodocker.Docker, local_platform: LocalPlatform, client: Client, tmp_path: Path
) -> None:
    """``docker login``, ``push`` and ``pull`` need nothing of ours."""
    host = local_platform.registry("default").authority
    name = f"{host}/user/{NAME}:v2"
    environ = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}

    async def run(*words: str, text: str = "") -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            ["docker", *words],
            input=text,
            capture_output=True,
            text=True,
            env=environ,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    await run("login", "-u", "user", "--password-stdin", host, text=local_platform.token)
    await run("tag", str(LOCAL), name)
    await run("push", name)
    [found] = await client.images.list()
    assert (found.owner, found.name) == ("user", NAME)
    digest = await client.images.digest(found.with_tag("v2"))
    await forget(docker, name)
    assert digest in await run("pull", name)
    await forget(docker, name)


async def test_the_example_of_the_documentation(
    docker: aiodocker.Docker, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    await login(local_platform, tmp_path / "config")
    try:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(EXAMPLE), str(LOCAL)],
            capture_output=True,
            text=True,
            env={**os.environ, "NEUROMATION_CONFIG": str(tmp_path / "config")},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "Pushed" in done.stdout
        assert done.stdout.splitlines()[-1] == "['v1']"
        assert f"{LOCAL}-copy" in await names_of(docker)
    finally:
        await forget(docker, f"{LOCAL}-copy")
