"""A cluster killed in the middle of writes: what was acknowledged stays, nothing else does."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

import aiohttp
import attrs
import pytest
from yarl import URL

from neuro_client.local import LocalPlatform

from ...adversity.leftovers import until
from ...adversity.luck import FULL, luck
from ...adversity.processes import Program
from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough

TURNS = 20 if FULL else 1
SIZES = 10, 3000, 2**20 + 1, 3 * 2**20


@attrs.define
class Truth:
    """Remember what must be there and what may be, by name; None for an object that is gone."""

    must: dict[str, bytes | None] = attrs.field(factory=dict)
    may: dict[str, set[bytes | None]] = attrs.field(factory=dict)
    writes: int = 0

    async def change(
        self, name: str, content: bytes | None, work: Callable[[], Awaitable[int]]
    ) -> None:
        """Make a change, and remember it as acknowledged when it is."""
        self.may.setdefault(name, set()).add(content)
        if await work() == 200:
            self.must[name] = content
            self.may[name] = {content}
            self.writes += content is not None

    async def has(self, writes: int) -> None:
        """Wait until so many writes are acknowledged."""
        await until(lambda: self.writes >= writes, "the cluster takes nothing", 30.0)

    def check(self, found: dict[str, bytes]) -> None:
        """Compare with what is there."""
        for name in self.must.keys() | self.may.keys() | found.keys():
            assert found.get(name) in self.may.get(name, set()) | {self.must.get(name)}, name
        self.must = {**dict.fromkeys(self.must), **found}
        self.may = {}


async def work(wire: Wire, truth: Truth, worker: int, chance: random.Random) -> None:
    """Write and remove objects of one's own until the cluster is gone."""
    while True:
        name = f"{worker}-{chance.randrange(6)}"
        path = f"/v1/objects/{BUCKET}/{name}"
        body = chance.randbytes(chance.choice(SIZES))
        choice = chance.randrange(4)

        async def send(path: str = path, body: bytes = body, choice: int = choice) -> int:
            if choice == 0:
                status = (await wire.follow("DELETE", path)).status
                return 200 if status == 404 else status
            if choice == 1:
                upload = (await wire.follow("POST", path, json=action("mpt-upload"))).text
                for number, part in ((1, body), (2, b"end")):
                    query = f"{path}?uploadId={upload}&partNumber={number}"
                    assert (await wire.follow("PUT", query, data=BytesIO(part))).status == 200
                done = action("mpt-complete", [{"part-number": 1}, {"part-number": 2}])
                return (await wire.follow("POST", f"{path}?uploadId={upload}", json=done)).status
            return (await wire.follow("PUT", path, data=BytesIO(body))).status

        content = None if choice == 0 else body + b"end" if choice == 1 else body
        await truth.change(name, content, send)


async def until_gone(wire: Wire, truth: Truth, worker: int, seed: int) -> None:
    with suppress(aiohttp.ClientError, OSError):
        await work(wire, truth, worker, random.Random(seed))


def named(data: Path) -> set[str]:
    """Return the files that the records name; blocks."""
    with closing(sqlite3.connect(data / "state.db")) as db:
        found = {name for (name,) in db.execute("SELECT file FROM ais_parts")}
        for (segments,) in db.execute("SELECT segments FROM ais_objects"):
            found |= {name for name, _ in json.loads(segments)}
    return found


@pytest.mark.slow
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    data, truth, chance = tmp_path / "data", Truth(), luck("aistore kills")
    for _ in range(TURNS):
        program = Program("tests.integration.local_aistore.serve", str(data))
        try:
            await program.start()
            url = URL(await program.line())
            async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
                for worker in range(4):
                    wire = Wire(url, session)
                    seed = chance.getrandbits(32)
                    group.create_task(until_gone(wire, truth, worker, seed))
                await truth.has(truth.writes + chance.randrange(4, 20))
                await program.kill()
        finally:
            await program.close()
        async with LocalPlatform(data, port=0) as platform, aiohttp.ClientSession() as session:
            files = {path.name for path in (data / "aistore" / "objects").glob("*/*")}
            assert files == named(data)
            wire = Wire(platform.aistore.url, session)
            truth.check({name: await wire.get(name) for name in await wire.names()})
    assert truth.must
