"""A local platform, a client of its workspaces, and files to submit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from neuro_client.local import LocalPlatform
from neuro_client.local.settings import GarageSettings
from neuro_client.threads import run_blocking
from neuro_client.workspaces import Configs, SubmitPlan, SubmittedTask, Workspaces
from tests.integration.local_workspaces.files import model, shard

MiB = 2**20
TASKS = "POST /api/tasks"
CONFIGS = Configs("My Run", model_class="Net", model_args={"start": 1.0}, num_rounds=1)


@attrs.frozen
class World:
    """A platform with a client, and a folder with ``shards`` in it."""

    platform: LocalPlatform
    workspaces: Workspaces
    folder: Path

    @property
    def ready(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.platform.ready["workspaces"]
        return found

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    async def submit(self, name: str = "My Run", **options: Any) -> SubmittedTask:
        found: SubmittedTask = await self.workspaces.submit(name, **self.given(options))
        return found

    async def plan(self, name: str = "My Run", **options: Any) -> SubmitPlan:
        found: SubmitPlan = await self.workspaces.submit(name, dry_run=True, **self.given(options))
        return found

    def given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is submitted unless a test says otherwise."""
        usual = {"scripts": {"model_def.py": model()}, "configs": CONFIGS, "shards": self.shards}
        return {**usual, **options}

    async def keys(self, prefix: str = "jobs/") -> list[str]:
        async with self.workspaces.storage.list(prefix) as found:
            return [item.key async for item in found]

    async def tasks(self) -> list[str]:
        async with self.workspaces.list() as found:
            return [task.id async for task in found]

    async def unfinished(self) -> list[str]:
        async with self.workspaces.storage.list_multipart_uploads() as found:
            return [item.key async for item in found]


def settings(ready: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of ``Workspaces.connect`` that a platform's ready.json has."""
    names = ("api_key", "s3_url", "s3_region", "access_key_id", "secret_access_key", "bucket")
    return {name: ready[name] for name in names}


async def plant(folder: Path, shards: Sequence[bytes] = ()) -> Path:
    """Write shards; by default two small ones that the model reads."""

    def work() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(shards or (shard(1.0), shard(3.0, samples=3))):
            (folder / f"shard_{number}.zip").write_bytes(data)

    await run_blocking(work)
    return folder


@asynccontextmanager
async def opened(
    folder: Path, *, garage: GarageSettings | None = None, **options: Any
) -> AsyncIterator[World]:
    """Start a platform and open a client."""
    await plant(folder / "shards")
    async with LocalPlatform(folder / "platform", port=0, garage=garage) as platform:
        platform.workspaces.timing.sync = 0.1
        ready = platform.ready["workspaces"]
        given = {**settings(ready), **options}
        async with Workspaces.connect(ready["url"], **given) as workspaces:
            yield World(platform, workspaces, folder)
