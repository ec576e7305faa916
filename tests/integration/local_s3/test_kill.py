"""A platform killed in the middle of writes: what was acknowledged stays, nothing else does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import attrs
import pytest

from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Key

from ...adversity.luck import FULL, luck
from ...adversity.processes import Program
from .conftest import ALL
from .files import named_files, stored_files
from .test_uploads import Upload, etag
from .wire import BUCKET, Remote, Wire

TURNS = 20 if FULL else 2
SIZES = 10, 3000, 2**20 + 1, 3 * 2**20


@attrs.define
class Truth:
    """Remember what must be there, by key; None for an object that must be gone.

    What was on its way may be there or not.
    """

    must: dict[str, str | None] = attrs.field(factory=dict)
    may: dict[str, set[str | None]] = attrs.field(factory=dict)

    async def change(self, key: str, tag: str | None, work: Callable[[], Awaitable[int]]) -> None:
        """Make a change, and remember it as acknowledged when it is."""
        self.may.setdefault(key, set()).add(tag)
        if await work() in (200, 204):
            self.must[key] = tag
            self.may[key] = {tag}

    def check(self, found: dict[str, str]) -> None:
        """Compare with what is listed."""
        for key in self.must.keys() | self.may.keys() | found.keys():
            allowed = self.may.get(key, set()) | {self.must.get(key)}
            assert found.get(key) in allowed, key
        self.must = {**dict.fromkeys(self.must), **found}
        self.may = {}


async def work(wire: Wire, truth: Truth, worker: int, chance: random.Random) -> None:
    """Write, complete and remove objects of one's own until the platform is gone."""
    while True:
        key = f"{worker}-{chance.randrange(6)}"
        path = f"/{BUCKET}/{key}"
        body = chance.randbytes(chance.choice(SIZES))
        match chance.randrange(4):
            case 0:

                async def remove(path: str = path) -> int:
                    return (await wire.call("DELETE", path)).status

                await truth.change(key, None, remove)
            case 1:
                upload = await Upload.begin(wire, path)
                await upload.part(1, body)
                await upload.part(2, b"replaced")
                await upload.part(2, b"end")
                digests = hashlib.md5(body).digest() + hashlib.md5(b"end").digest()

                async def complete(upload: Upload = upload, body: bytes = body) -> int:
                    return (await upload.complete((1, etag(body)), (2, etag(b"end")))).status

                await truth.change(key, f'"{hashlib.md5(digests).hexdigest()}-2"', complete)
            case _:

                async def put(path: str = path, body: bytes = body) -> int:
                    return (await wire.call("PUT", path, body=body)).status

                await truth.change(key, etag(body), put)


async def until_gone(wire: Wire, truth: Truth, worker: int, seed: int) -> None:
    with suppress(aiohttp.ClientError, OSError):
        await work(wire, truth, worker, random.Random(seed))


@asynccontextmanager
async def killed(data: Path) -> AsyncIterator[tuple[Program, Wire]]:
    """Serve in a process of its own, and speak to it."""
    program = Program("tests.integration.local_s3.serve", str(data))
    try:
        await program.start()
        told = json.loads(await program.line())
        key = Key(told["access_key_id"], told["secret_access_key"])
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield program, Wire(Remote.at(told["url"]), session, key, "garage")
    finally:
        await program.close()


async def listed(wire: Wire) -> dict[str, str]:
    """Return all objects with their ETags, each read and compared."""
    answer = await wire.call("GET", f"/{BUCKET}?list-type=2")
    names = map(unquote, answer.texts("Contents/Key"))
    found = dict(zip(names, answer.texts("Contents/ETag"), strict=True))
    for key, tag in found.items():
        whole = await wire.get(key)
        assert (whole.status, whole.headers["ETag"]) == (200, tag)
        if tag.endswith('-2"'):
            first = hashlib.md5(whole.body[:-3]).digest()
            assert whole.body.endswith(b"end")
            digest = hashlib.md5(first + hashlib.md5(b"end").digest()).hexdigest()
            assert tag == f'"{digest}-2"', key
        else:
            assert tag == etag(whole.body), key
    return found


@pytest.mark.slow
@pytest.mark.timeout(600 if FULL else 60)
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    data, truth, chance = tmp_path / "data", Truth(), luck("s3 kills")
    for _ in range(TURNS):
        async with killed(data) as (program, wire), asyncio.TaskGroup() as group:
            for worker in range(4):
                group.create_task(until_gone(wire, truth, worker, chance.getrandbits(32)))
            await asyncio.sleep(0.2 + chance.random())
            await program.kill()
        async with LocalPlatform(data, port=0) as platform:
            assert stored_files(data) == named_files(data)
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                key = await platform.s3.create_key({BUCKET: ALL}, prefix="GK")
                truth.check(await listed(Wire(platform, session, key, "garage")))
    assert truth.must
