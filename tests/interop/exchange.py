"""Let the two clients work side by side: one login, one storage, one job, one bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yarl import URL

import neuro_client
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .exchange_buckets import BucketExchange
from .running import execute, run_steps

_SHOW = """
import asyncio, neuro_sdk
async def main():
    async with neuro_sdk.get() as client:
        print(client.username, client.cluster_name, client.config.org_name, sorted(client.presets))
asyncio.run(main())
"""


class Exchange(BucketExchange):
    """Each ``step_…`` hands something from one client to the other."""

    async def step_1_they_read_our_login(self) -> None:
        """Write a login, let them use it, and read it again."""
        await login(self.platform, self.ours)
        got = await execute(self.ours, self.python, "-c", _SHOW)
        assert got.code == 0 and got.text.startswith("user default None"), got.text
        await self.published(self.ours, "config", "switch-cluster", "second")
        async with neuro_client.get(path=self.ours) as client:
            assert client.cluster_name == "second"
            await client.config.switch_cluster("default")
            await client.config.switch_org("team")
        assert "team" in await self.published(self.ours, "config", "show")
        async with neuro_client.get(path=self.ours) as client:
            await client.config.switch_org(None)

    async def step_2_we_read_their_login(self) -> None:
        """Use the login that the published command line wrote."""
        async with neuro_client.get(path=self.theirs) as client:
            assert (client.username, client.cluster_name) == ("user", "default")
            assert "cpu-small" in client.presets
            await client.config.fetch()
        assert "cpu-small" in await self.published(self.theirs, "config", "show")

    async def step_3_files(self) -> None:
        """Read what the other wrote, both ways."""
        data = bytes(range(256)) * 50_000
        source = self.folder / "source"
        (source / "déep").mkdir(parents=True)
        (source / "déep" / "a b%c#d").write_bytes(data)
        async with neuro_client.get(path=self.ours) as client:
            storage = client.storage
            await storage.upload_dir(source, URL("storage:by-us"))
            back = self.folder / "by-us"
            await self.published(self.ours, "cp", "-r", "-T", "storage:by-us", str(back))
            assert (back / "déep" / "a b%c#d").read_bytes() == data
            await self.published(self.ours, "cp", "-r", "-T", str(source), "storage:by-them")
            await storage.download_dir(URL("storage:by-them"), self.folder / "them")
            assert (self.folder / "them" / "déep" / "a b%c#d").read_bytes() == data
            result = await storage.upload_dir(source, URL("storage:by-them"), continue_=True)
            assert result.files + result.skipped == 1

    async def step_4_jobs(self) -> None:
        """Start with one, follow and end with the other."""
        async with neuro_client.get(path=self.ours) as client:
            job = await client.jobs.start(
                image=client.parse.remote_image("ubuntu"),
                preset_name="cpu-small",
                name="by-us",
                command="seq 1 100",
            )
            await client.jobs.wait(job.id)
            text = await self.published(self.ours, "logs", "by-us")
            assert text.split() == [str(n) for n in range(1, 101)], text
            await self.published(
                self.ours, "run", "-s", "cpu-small", "-n", "by-them", "--detach", "ubuntu", "--",
                "sh -c 'seq 1 100; sleep 0.5'",
            )  # fmt: skip
            async with client.jobs.list(name="by-them") as jobs:
                (found,) = [job async for job in jobs]
            async with client.jobs.logs(found.id) as lines:
                assert [line async for line in lines] == [str(n) for n in range(1, 101)]


async def run_exchange(
    platform: LocalPlatform, python: str, neuro: str, folder: Path
) -> dict[str, Any]:
    """Run the scenarios and return what failed."""
    steps, failed = await run_steps(Exchange(platform, python, neuro, folder))
    return {"steps": steps, "members": steps, "used": steps, "failed": failed}
