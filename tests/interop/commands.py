"""Drive the published command line against the platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from neuro_client.local import LocalPlatform

from .blob_commands import BlobCommands
from .interactive_commands import InteractiveCommands
from .resource_commands import ResourceCommands
from .running import run_steps


class Commands(BlobCommands, ResourceCommands, InteractiveCommands):
    """Hold the login that all commands use; each ``step_…`` is one scenario."""

    async def step_1_login(self) -> None:
        """Log in; every other step uses this login."""
        platform = self.platform
        await self.neuro_says("config login-with-token", platform.token, str(platform.api_url))
        shown = await self.neuro_says("config show")
        assert "user" in shown and "default" in shown and "cpu-small" in shown, shown
        assert (await self.neuro_says("config show-token")).strip() == platform.token
        clusters = await self.neuro_says("config get-clusters")
        assert "second" in clusters and "team" in clusters, clusters
        await self.neuro_says("config switch-cluster", "second")
        await self.neuro_says("config switch-org", "team")
        assert "team" in await self.neuro_says("config show")
        await self.neuro_says("config switch-org", "NO_ORG")
        await self.neuro_says("config switch-cluster", "default")
        await self.neuro_says("config aliases")
        await self.neuro_says("help", "cp")
        assert await self.neuro_says("completion generate", "bash")

    async def step_storage(self) -> None:
        """Move files with every command of storage, and with the shortcuts."""
        source = self.folder / "source"
        (source / "deep").mkdir(parents=True)
        (source / "small").write_bytes(b"small")
        (source / "deep" / "large").write_bytes(os.urandom(3_000_000))
        await self.neuro_says("mkdir", "storage:made")
        await self.neuro_says("storage mkdir", "-p", "storage:made/a/b")
        await self.neuro_says("storage cp", "-r", str(source), "storage:made/one")
        await self.neuro_says("cp", "-r", "-T", "storage:made/one", str(self.folder / "back"))
        await self.neuro_says("cp", "-r", "-u", "-T", str(source), "storage:made/one")
        for name in ("small", "deep/large"):
            assert (self.folder / "back" / name).read_bytes() == (source / name).read_bytes()
        listed = await self.neuro_says("storage ls", "-l", "storage:made/one")
        assert "small" in listed and "deep" in listed, listed
        assert "one" in await self.neuro_says("ls", "storage:made")
        assert "small" in await self.neuro_says("storage glob", "storage:made/*/sm*")
        tree = await self.neuro_says("storage tree", "storage:made")
        assert "large" in tree, tree
        await self.neuro_says("storage df")
        await self.neuro_says("mv", "storage:made/one/small", "storage:made/one/moved")
        await self.neuro_says("storage mv", "storage:made/one/moved", "storage:made/one/again")
        await self.neuro_says("rm", "storage:made/one/again")
        await self.neuro_says("storage rm", "-r", "storage:made")
        gone = await self.neuro_says("ls", "storage:made", code=72)
        assert "made" in gone, gone

    async def step_jobs(self) -> None:
        """Run, follow, list and end jobs with every command, and with the shortcuts."""
        ran = await self.neuro_says(
            "run",
            "-s",
            "cpu-small",
            "-n",
            "command-one",
            "ubuntu",
            "--",
            "sh -c 'sleep 2; echo from-the-shell; sleep 1'",
        )
        assert "from-the-shell" in ran, ran
        await self.neuro_says(
            "job run", "-s", "cpu-small", "-n", "command-two", "--detach", "--no-wait-start",
            "ubuntu", "--", "sleep 60",
        )  # fmt: skip
        assert "from-the-shell" in await self.neuro_says("logs", "command-one")
        assert "from-the-shell" in await self.neuro_says("job logs", "command-one")
        assert "command-one" in await self.neuro_says("status", "command-one")
        assert "succeeded" in await self.neuro_says("job status", "command-one")
        assert "command-one" in await self.neuro_says("ps", "-a")
        assert "command-two" in await self.neuro_says("job ls")
        again = await self.neuro_says("job generate-run", "command-one")
        assert "from-the-shell" in again, again
        await self.neuro_says("job bump-life-span", "command-two", "1h")
        for command in ("top", "job top"):
            shown = await self.neuro_says(command, "--timeout", "3", "command-two", code=124)
            assert "command-two" in shown, shown
        await self.neuro_says("kill", "command-two")
        await self.neuro_says("job kill", "command-two")
        refused = await self.neuro_says("status", "job-absent", code=65)
        assert "job-absent" in refused, refused

    async def step_9_logout(self) -> None:
        """Log in through the browser, and out again."""
        kept, self.config = self.config, self.folder / "leaving"
        for enter, leave in (("login", "logout"), ("config login", "config logout")):
            await self.neuro_says(enter, str(self.platform.api_url))
            assert "user" in await self.neuro_says("config show")
            await self.neuro_says(leave)
            await self.neuro_says("config show", code=70)
        self.config = kept


async def run_commands(platform: LocalPlatform, neuro: str, folder: Path) -> dict[str, Any]:
    """Run the scenarios in an existing folder and return what was used and what failed."""
    commands = Commands(platform, neuro, folder)
    await commands.find_members()
    steps, failed = await run_steps(commands)
    return {"steps": steps, "members": commands.members, "used": commands.used, "failed": failed}
