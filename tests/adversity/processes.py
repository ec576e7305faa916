"""Programs in processes of their own that are killed: a platform, and one that moves trees."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import attrs
from yarl import URL

from neuro_client import Client, get
from neuro_client.testing.login import login
from neuro_client.testing.proxy import FaultProxy
from tests.unit.transfer.kit import grown, plant

from .leftovers import kept_journals, parts_below, until

ROOT = Path(__file__).parents[2]
START_TIME = 30.0
RATE = 6 * 2**20
"""Bytes a second of each connection: slow enough to meet a transfer in its middle."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """Run a Python module and read its lines."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        """Return the running process."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start it, again after a kill."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *self._arguments),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def kill(self) -> None:
        """End it with -9, whatever it does, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def line(self) -> str:
        """Read a line; empty at the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_TIME):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def rest(self) -> list[str]:
        """Read all that is still to come, until it ends."""
        assert self.process.stdout is not None
        lines = (await self.process.stdout.read()).decode().splitlines()
        await self.process.wait()
        return lines

    async def tell(self) -> None:
        """Send it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def close(self) -> None:
        """End it, and close what leads to it."""
        if self._process is not None:
            await self.kill()
            assert self.process.stdin is not None
            self.process.stdin.close()
            with suppress(ConnectionError):
                await self.process.stdin.wait_closed()
            # The event loop closes the other pipe when it has seen its end.
            await self.rest()


class Platform(Program):
    """Run ``neuro_client.local`` on the same data and port again and again."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "platform"
        self._ready_file = folder / "ready.json"
        super().__init__(
            *("neuro_client.local", "up", "--port", str(free_port())),
            *("--data", str(self.data), "--ready-file", str(self._ready_file)),
        )

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        await super().start()
        # It prints what it says about itself when all its listeners answer.
        while (line := await self.line()) != "}":
            assert line, "the platform did not start"

    @property
    def ready(self) -> Mapping[str, Any]:
        """Return what the platform says about itself."""
        found: dict[str, Any] = json.loads(self._ready_file.read_text("utf-8"))
        return found


@asynccontextmanager
async def mover(action: str, config: Path, near: Path, far: URL) -> AsyncIterator[Program]:
    """Run the program that moves a tree; it is ready and waits to be told."""
    program = Program("tests.adversity.mover", action, str(config), str(near), str(far))
    try:
        await program.start()
        assert await program.line() == "ready"
        yield program
    finally:
        await program.close()


@attrs.frozen
class Site:
    """Hold a platform in a process of its own, and the slow way to it."""

    platform: Platform
    proxy: FaultProxy
    folder: Path
    config: Path

    def far(self, uri: URL) -> Path:
        """Return where the platform keeps what is under a URI relative to the user's home."""
        return self.platform.data / "storage" / "default" / "user" / uri.path

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Open a client in this process, behind the slow way."""
        async with get(path=self.config) as client:
            yield client

    def tree(self, action: str, number: int, chance: random.Random) -> Tree:
        """Make a tree to move."""
        return Tree(self, action, number, chance)

    async def passed(self, count: int) -> None:
        """Wait until so many more bytes have passed, both directions together."""
        start = self.proxy.sent + self.proxy.received
        await until(
            lambda: self.proxy.sent + self.proxy.received - start >= count,
            f"less than {count} bytes passed",
        )


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    """Start platform and proxy, and log in."""
    platform = Platform(folder)
    try:
        await platform.start()
        ready = await asyncio.to_thread(lambda: platform.ready)
        async with FaultProxy(URL(ready["api_url"]).origin()) as proxy:
            await login(ready, folder / "config", through=proxy.url)
            proxy.throttle(RATE)
            yield Site(platform, proxy, folder, folder / "config")
    finally:
        await platform.close()


SIZES = {
    "large": 5 * 2**20 + 7,
    "empty": 0,
    **{f"{folder}/{n}": 5_000 * n + 1 for folder in ("a", "a/b", "c") for n in range(1, 5)},
}


class Tree:
    """Be a tree to move, one large file in parts among small ones, over older files."""

    sizes: ClassVar[Mapping[str, int]] = SIZES

    def __init__(self, site: Site, action: str, number: int, chance: random.Random) -> None:
        self.action = action
        self.near = site.folder / "near" / str(number)
        self.uri = URL(f"storage:{action}-{number}")
        far = site.far(self.uri)
        self.source, self.target = (self.near, far) if action == "upload" else (far, self.near)
        self.data: dict[str, bytes | None] = {
            path: chance.randbytes(size) for path, size in self.sizes.items()
        }
        self.old: dict[str, bytes | None] = {
            path: b"old" for path in self.data if chance.random() < 0.3
        }

    @property
    def total(self) -> int:
        """Return how many bytes it has."""
        return sum(self.sizes.values())

    async def plant(self) -> None:
        """Write the tree, and what is in its place."""
        await asyncio.to_thread(plant, self.source, self.data)
        await asyncio.to_thread(plant, self.target, self.old)

    def found(self) -> dict[str, bytes | None]:
        """Read the target; blocks."""
        return grown(self.target)

    async def check_whole(self, acknowledged: list[str]) -> None:
        """Assert that these files have arrived, and no file is there by halves."""
        found = await asyncio.to_thread(self.found)
        for path in acknowledged:
            assert found.get(path) == self.data[path], f"{path} was acknowledged and is not there"
        for path, content in found.items():
            if path in self.data:
                assert content in (self.data[path], self.old.get(path)), f"{path} is half there"

    async def check(self) -> None:
        """Assert that everything has arrived, and nothing else is left."""
        found = await asyncio.to_thread(self.found)
        assert found.keys() == self.data.keys(), found.keys() ^ self.data.keys()
        assert found == self.data
        assert not await asyncio.to_thread(parts_below, self.source)
        assert not await asyncio.to_thread(kept_journals)
