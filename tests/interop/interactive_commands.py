"""Drive the published commands that reach into jobs, and those of images."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from .blob_commands import found
from .running import Program, execute


class InteractiveCommands(Program):
    """Each ``step_…`` is one scenario."""

    async def step_exec(self) -> None:
        """Run commands in a job, by both names of the command."""
        ran = await self.neuro_says(
            "run", "--detach", "-s", "cpu-small", "ubuntu", "--", "sleep 60"
        )
        job = found(r"job-[0-9a-f-]{36}", ran)
        while "running" not in await self.neuro_says("job status", job):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for command in ("exec", "job exec"):
            said = await self.neuro_says(command, "--no-tty", job, "--", "echo", "here I am")
            assert "here I am" in said, said
        await self.neuro_says("exec", "--no-tty", job, "--", "sh -c 'exit 3'", code=3)
        await self.neuro_says("job kill", job)

    async def step_images(self) -> None:
        """Push an image, look at it, pull and remove it."""
        name = "interop-command"
        with tempfile.TemporaryDirectory() as folder:
            content = Path(folder, "data")
            await asyncio.to_thread(content.write_bytes, os.urandom(300_000))
            archive = f"{folder}/image.tar"
            await self._docker("tar", "-C", folder, "-cf", archive, "data")
            await self._docker("docker", "import", archive, f"{name}:v1")
        try:
            await self.neuro_says("image push", f"{name}:v1")
            assert f"image:{name}" in await self.neuro_says("image ls")
            assert "v1" in await self.neuro_says("image tags", f"image:{name}")
            await self.neuro_says("image size", f"image:{name}:v1")
            assert "sha256:" in await self.neuro_says("image digest", f"image:{name}:v1")
            await self._docker("docker", "rmi", "-f", f"{name}:v1")
            await self.neuro_says("image pull", f"image:{name}:v1")
            for command in ("push", "pull"):
                words = [f"{name}:v1"] if command == "push" else [f"image:{name}:v1"]
                await self.neuro_says(command, *words)
            assert f"image:{name}" in await self.neuro_says("images")
            await self.neuro_says("image rm", f"image:{name}:v1")
            await self.neuro_says("image digest", f"image:{name}:v1", code=72)
        finally:
            await self._docker("docker", "rmi", "-f", f"{name}:v1")

    async def _docker(self, *words: str) -> None:
        got = await execute(self.config, *words)
        assert got.code == 0, got.text
