"""Calls that can be cancelled anywhere: prepare, act, look at what is there, act again."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import ClassVar

from neuro_client import Client, Factory, get
from neuro_client.config import Token, store
from neuro_client.transport import DEFAULT_TIMEOUT, ClientTimeout
from tests.unit.transfer.kit import grown, plant

from .bench import Bench
from .journeys import MIB, PARTS, Journey, Login, Logs, Start, StartOnce, Wait
from .leftovers import kept_journals, parts_below, until

SIZES = {"one": 10, "below/two": 2 * MIB + 1, "below/three": 0}
OLD: dict[str, bytes | None] = {"one": b"old", "below/two": b"old content"}


class Cancellable(Journey):
    """Be a journey that may be cancelled anywhere, and made again after that.

    ``awaits`` is how many suspensions it has at least: a test that finds fewer proves less.
    """

    awaits: ClassVar[int]

    async def check_cancelled(self) -> None:
        """Assert that nothing is there by halves after a cancellation."""

    async def again(self, client: Client) -> None:
        """Make the same call again, and assert that all is right then."""
        await self.act(client, DEFAULT_TIMEOUT)
        await self.check(None)


class _Tree(Cancellable):
    """Move three files, one of them in three parts, over older ones."""

    up: ClassVar[bool]

    def __init__(self, bench: Bench, number: int) -> None:
        super().__init__(bench, number)
        near = self.folder / "near"
        far = bench.platform.storage_root("default") / "user" / self.uri.path
        self.near = near
        self.source, self.target = (near, far) if self.up else (far, near)
        chance = random.Random(number)
        self.data: dict[str, bytes | None] = {
            path: chance.randbytes(size) for path, size in SIZES.items()
        }

    async def prepare(self) -> None:
        await asyncio.to_thread(plant, self.source, self.data)
        await asyncio.to_thread(plant, self.target, OLD)

    async def check_cancelled(self) -> None:
        # What was on its way to the server arrives, or does not, after the end of the call.
        await until(
            lambda: not parts_below(self.source) + parts_below(self.target),
            f"unfinished files stay in {self.target}",
        )
        assert not kept_journals(), kept_journals()
        found = await asyncio.to_thread(grown, self.target)
        assert found.keys() <= self.data.keys()
        for path, data in self.data.items():
            assert found.get(path) in (data, OLD.get(path)), path

    async def check(self, error: Exception | None) -> None:
        found = await asyncio.to_thread(grown, self.target)
        assert found == self.data
        assert not kept_journals(), kept_journals()


class UploadTree(_Tree):
    name = "upload of a tree"
    awaits = 62
    up = True

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.storage.upload_dir(self.near, self.uri, options=PARTS)


class DownloadTree(_Tree):
    name = "download of a tree"
    awaits = 68
    up = False

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.storage.download_dir(self.uri, self.near, options=PARTS)


class FollowedLogs(Logs, Cancellable):
    name = "logs of a running job"
    awaits = 13

    async def check_cancelled(self) -> None:
        await self.check(RuntimeError("cancelled"))

    async def again(self, client: Client) -> None:
        self.lines = []
        await super().again(client)


class FinishedLogs(FollowedLogs):
    name = "logs of a finished job"
    awaits = 12
    script = "seq 1 600; printf end"

    async def prepare(self) -> None:
        await super().prepare()
        await self.bench.straight.jobs.wait(self.job.id)


class StartedTwice(Start, Cancellable):
    """Start a job without a submission id: a second call may make a second job, not more."""

    name = "start, again"
    awaits = 3

    async def check_cancelled(self) -> None:
        assert len(await self._found()) <= 1

    async def again(self, client: Client) -> None:
        before = await self._found()
        await self.act(client, DEFAULT_TIMEOUT)
        assert self.job is not None
        assert await self._found() == {*before, self.job.id}

    async def _found(self) -> set[str]:
        async with self.bench.straight.jobs.list(tags=[self.tag]) as jobs:
            return {job.id async for job in jobs}


class StartedOnce(StartOnce, StartedTwice):
    name = "start once, again"
    awaits = 8

    async def again(self, client: Client) -> None:
        await self.act(client, DEFAULT_TIMEOUT)
        assert self.job is not None
        assert await self._found() == {self.job.id}


class Waiting(Wait, Cancellable):
    name = "wait, again"
    awaits = 12

    async def check_cancelled(self) -> None:
        await self.check(RuntimeError("cancelled"))


class _OwnConfig(Cancellable):
    """Work with a config folder that nobody else uses."""

    @property
    def config(self) -> Path:
        return self.folder / "config"

    async def check_cancelled(self) -> None:
        # The database, and the files that belong to it while it is open somewhere.
        allowed = {"db", "db-wal", "db-shm", "services.toml"}
        found = await asyncio.to_thread(grown, self.config)
        assert found.keys() <= allowed


class LoggingIn(Login, _OwnConfig):
    name = "login, again"
    awaits = 8

    async def again(self, client: Client) -> None:
        # A login that was complete when the cancellation came stays, and is not replaced.
        factory = await asyncio.to_thread(Factory, self.config)
        if not await asyncio.to_thread(lambda: factory.is_config_present):
            await self.act(client, DEFAULT_TIMEOUT)
        await self.check(None)


class Opening(_OwnConfig):
    """Open a client and close it."""

    name = "opening a client"
    awaits = 11

    async def prepare(self) -> None:
        await super().prepare()
        factory = await asyncio.to_thread(Factory, self.config)
        url = self.bench.proxy.url / "api/v1"
        await factory.login_with_token(self.bench.platform.token, url=url)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        async with get(path=self.config, timeout=timeout) as own:
            await own.storage.stat(self.uri)

    async def check(self, error: Exception | None) -> None:
        await self.check_cancelled()


class Refreshing(Opening):
    """Open a client with a token that has expired."""

    name = "refresh of a token"
    awaits = 14

    async def prepare(self) -> None:
        await super().prepare()
        refresh = await self.bench.platform.tokens.issue_refresh(self.bench.platform.username)
        token = Token(self.bench.platform.token, time.time() - 1.0, refresh)
        await asyncio.to_thread(store.save_token, self.config, token)

    async def check(self, error: Exception | None) -> None:
        await super().check(error)
        token = await asyncio.to_thread(store.load_token, self.config)
        assert token is not None
        assert token.expires_at > time.time()


CALLS: tuple[type[Cancellable], ...] = (
    UploadTree,
    DownloadTree,
    FollowedLogs,
    FinishedLogs,
    StartedTwice,
    StartedOnce,
    Waiting,
    LoggingIn,
    Opening,
    Refreshing,
)
