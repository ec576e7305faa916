"""The Docker runner meets the contract of runners on a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import pytest
from yarl import URL

from neuro_client.local.runners import opened
from tests.integration.runners.contract import CHECKS, Bench, Check

from .docker import engine, forget, make_busybox

IMAGE = "neuro-client-runner-test:v1"
PLATFORM = URL("http://127.0.0.1:1")


@pytest.fixture
async def docker() -> AsyncIterator[aiodocker.Docker]:
    async with engine() as docker:
        await make_busybox(docker, IMAGE)
        try:
            yield docker
        finally:
            await forget(docker, IMAGE)


def bench_of(docker: aiodocker.Docker, folder: Path) -> Bench:
    async def left() -> list[object]:
        label = f'{{"label": ["neuro-client.data={folder / "jobs"}"]}}'
        return [
            *await docker.containers.list(all="1", filters=label),
            *await asyncio.to_thread(lambda: [*folder.glob("jobs/*/secrets")]),
        ]

    return Bench(
        open=lambda: opened("docker", folder / "jobs", PLATFORM),
        folder=folder,
        left=left,
        image=IMAGE,
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, docker: aiodocker.Docker, tmp_path: Path) -> None:
    await check(bench_of(docker, tmp_path))
