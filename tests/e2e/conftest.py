"""A platform whose jobs are containers, and what must not be left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import pytest

from neuro_client import Client, LocalImage, RemoteImage
from neuro_client.factory import get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .docker import engine, forget, make_busybox, names_of

BUSYBOX = LocalImage("neuro-client-busybox", "v1")


@pytest.fixture
async def busybox() -> AsyncIterator[aiodocker.Docker]:
    """Connect to an engine that has the image ``BUSYBOX``."""
    async with engine() as docker:
        await make_busybox(docker, str(BUSYBOX))
        try:
            yield docker
        finally:
            await forget(docker, str(BUSYBOX))


@pytest.fixture
async def docker_platform(
    busybox: aiodocker.Docker, tmp_path: Path
) -> AsyncIterator[LocalPlatform]:
    """Run a platform on the engine; at its end the engine must be as before."""
    before = await names_of(busybox)
    async with LocalPlatform(tmp_path / "data", port=0, runner="docker") as platform:
        yield platform
    assert await containers(busybox, tmp_path / "data") == []
    assert await names_of(busybox) == before


@pytest.fixture
async def docker_client(docker_platform: LocalPlatform, tmp_path: Path) -> AsyncIterator[Client]:
    """Open a client of that platform."""
    await login(docker_platform, tmp_path / "config")
    async with get(path=tmp_path / "config") as client:
        yield client


@pytest.fixture
async def image(docker_client: Client, busybox: aiodocker.Docker) -> RemoteImage:
    """Put the image into the platform's registry, and nowhere else."""
    remote = await docker_client.images.push(BUSYBOX)
    await forget(busybox, remote.as_docker_url())
    return remote


async def containers(docker: aiodocker.Docker, data: Path) -> list[str]:
    """List what containers the platform of a folder has."""
    label = f'{{"label": ["neuro-client.data={data / "jobs"}"]}}'
    return [item.id for item in await docker.containers.list(all="1", filters=label)]
