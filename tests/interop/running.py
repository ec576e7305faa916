"""Run the published command line, and scenarios."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs

from neuro_client.local import LocalPlatform

_SECTION = re.compile(r"^(Commands|Command Shortcuts):\n((?:  .*\n?)+)", re.M)
_BROWSER = Path(__file__).with_name("browser.py")
_TIMEOUT = 60.0


@attrs.frozen
class Output:
    """Hold what a command left."""

    code: int
    text: str


async def execute(config: Path, *words: str) -> Output:
    """Run a program with the login in *config*, nothing on its standard input."""
    environment = {
        **os.environ,
        "NEUROMATION_CONFIG": str(config),
        "HOME": str(config.parent),
        "BROWSER": f"{sys.executable} {_BROWSER} %s",
        "NEURO_CLI_DISABLE_PYPI_VERSION_CHECK": "1",
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
    }
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{' '.join(words[1:])} took longer than {_TIMEOUT:g} s") from None
    assert process.returncode is not None
    return Output(process.returncode, out.decode())


class Program:
    """Run commands of the published program with one login, and note which."""

    def __init__(self, platform: LocalPlatform, neuro: str, folder: Path) -> None:
        self.platform = platform
        self.neuro = neuro
        self.folder = folder
        self.config = folder / "config"
        self.used: set[str] = set()
        self.members: set[str] = set()

    async def neuro_says(self, command: str, *words: str, code: int = 0) -> str:
        """Run one command, check its exit code and return what it printed."""
        self.used.add(command)
        got = await execute(self.config, self.neuro, *command.split(), *words)
        assert got.code == code, f"{command} {words} ended with {got.code}:\n{got.text}"
        return got.text

    async def find_members(self) -> None:
        """List every command, as the program's own help does: groups, and shortcuts."""
        top = await self._sections()
        self.members.update(top["Command Shortcuts"])
        for group in top["Commands"]:
            below = await self._sections(group)
            self.members.update(f"{group} {name}" for name in below["Commands"])

    async def _sections(self, *group: str) -> dict[str, list[str]]:
        text = (await execute(self.config, self.neuro, *group, "--help")).text
        return {
            section[1]: [line.split()[0] for line in section[2].splitlines()]
            for section in _SECTION.finditer(text)
        }


async def run_steps(holder: object) -> tuple[list[str], dict[str, str]]:
    """Run every ``step_…`` in the order of the names; return them, and what failed."""
    failed: dict[str, str] = {}
    steps = sorted(name for name in dir(holder) if name.startswith("step_"))
    for name in steps:
        step: Callable[[], Awaitable[None]] = getattr(holder, name)
        try:
            await step()
        except Exception:
            failed[name] = traceback.format_exc()
    return steps, failed


def tree(root: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


class Published:
    """Hold both clients' logins, and run the published command line with either."""

    def __init__(self, platform: LocalPlatform, python: str, neuro: str, folder: Path) -> None:
        self.platform = platform
        self.python = python
        self.neuro = neuro
        self.theirs = folder / "commands" / "config"
        self.ours = folder / "ours"
        self.folder = folder / "exchange"
        self.folder.mkdir()

    async def published(self, config: Path, *words: str) -> str:
        """Run the published command line and return what it printed."""
        got = await execute(config, self.neuro, *words)
        assert got.code == 0, f"{words} ended with {got.code}:\n{got.text}"
        return got.text
