"""The journeys of a user as cases: prepare, act through trouble, look at what came of it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, ClassVar

from yarl import URL

from neuro_client import Client, Factory, TransferOptions
from neuro_client.jobs import JobDescription, JobStatus
from neuro_client.transport import ClientTimeout

from .bench import IMAGE, Bench

MIB = 2**20
PARTS = TransferOptions(part_size=MIB)


class Journey:
    """Be one case of a journey; ``steps`` is how many requests it must make at least.

    ``repeats`` says whether the journey promises to get over a passing trouble; ``polls`` that the
    number of its requests is up to the time it takes.
    """

    name: ClassVar[str]
    steps: ClassVar[int]
    repeats: ClassVar[bool] = True
    polls: ClassVar[bool] = False

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.number = number
        self.folder = bench.folder / str(number)

    @property
    def uri(self) -> URL:
        """Return a folder of the storage for this case alone."""
        return URL(f"storage:{self.name.replace(' ', '-')}-{self.number}")

    async def prepare(self) -> None:
        """Make what the journey starts from."""
        await asyncio.to_thread(self.folder.mkdir)
        await self.bench.straight.storage.mkdir(self.uri)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        """Go, meeting trouble."""
        raise NotImplementedError

    async def check(self, error: Exception | None) -> None:
        """Assert that the outcome is right and complete, or nothing came of it by halves."""
        raise NotImplementedError

    def make(self, path: Path, size: int) -> bytes:
        """Write a file of the case's own content."""
        data = random.Random(f"{self.number} {path.name}").randbytes(size)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return data


class Login(Journey):
    name = "login"
    steps = 1

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        factory = await asyncio.to_thread(Factory, self.folder / "config")
        url = self.bench.proxy.url / "api/v1"
        await factory.login_with_token(self.bench.platform.token, url=url, timeout=timeout)

    async def check(self, error: Exception | None) -> None:
        factory = await asyncio.to_thread(Factory, self.folder / "config")
        present = await asyncio.to_thread(lambda: factory.is_config_present)
        assert present is (error is None)
        if present:
            async with await factory.get() as client:
                assert client.username == "user"


class Upload(Journey):
    """Upload one file; ``size`` decides whether it goes in parts."""

    size: ClassVar[int]

    async def prepare(self) -> None:
        await super().prepare()
        self.data = await asyncio.to_thread(self.make, self.folder / "file", self.size)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.storage.upload_file(self.folder / "file", self.uri / "file", options=PARTS)

    async def check(self, error: Exception | None) -> None:
        names = await self.bench.names(self.uri)
        assert names == {"file"} or (error is not None and not names)
        if names:
            assert await self.bench.content(self.uri / "file") == self.data


class UploadSmall(Upload):
    name = "upload small"
    steps = 1
    size = 10_000


class UploadParts(Upload):
    name = "upload in parts"
    steps = 5
    size = 3 * MIB + 1


class Download(Journey):
    """Download one file; ``size`` decides whether it comes in ranges."""

    size: ClassVar[int]

    async def prepare(self) -> None:
        await super().prepare()
        self.data = random.Random(self.number).randbytes(self.size)
        await self.bench.straight.storage.create(self.uri / "file", self.data)

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.storage.download_file(self.uri / "file", self.folder / "file", options=PARTS)

    async def check(self, error: Exception | None) -> None:
        found = await asyncio.to_thread(read_all, self.folder)
        assert found == {"file": self.data} or (error is not None and not found)


class DownloadSmall(Download):
    name = "download small"
    steps = 2
    size = 10_000


class DownloadParts(Download):
    name = "download in parts"
    steps = 4
    size = 3 * MIB + 1


class UploadDir(Journey):
    name = "upload of a folder"
    steps = 7

    async def prepare(self) -> None:
        await super().prepare()
        sizes = {"one": 10, "below/two": 2 * MIB + 1, "below/three": 0}
        self.data = {
            path: await asyncio.to_thread(self.make, self.folder / "source" / path, size)
            for path, size in sizes.items()
        }

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        await client.storage.upload_dir(self.folder / "source", self.uri / "dir", options=PARTS)

    async def check(self, error: Exception | None) -> None:
        names = await self.bench.names(self.uri)
        found: dict[str, bytes] = {}
        if "dir" in names:
            top = await self.bench.names(self.uri / "dir")
            below = await self.bench.names(self.uri / "dir/below") if "below" in top else set()
            found = {
                path: await self.bench.content(self.uri / "dir" / path)
                for path in [*(top - {"below"}), *(f"below/{name}" for name in below)]
            }
        if error is None:
            assert found == self.data
        for path, data in self.data.items():
            assert found.get(path, data) == data


class Start(Journey):
    """Start a job; the number of jobs there is decides."""

    name = "start"
    steps = 1
    repeats = False
    options: ClassVar[dict[str, Any]] = {}

    async def prepare(self) -> None:
        self.job: JobDescription | None = None
        self.tag = f"case-{self.number}"

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        self.job = await client.jobs.start(
            image=IMAGE, preset_name="cpu-small", command="true", tags=[self.tag], **self.more
        )

    @property
    def more(self) -> dict[str, Any]:
        """Return what else is asked of the start."""
        return {}

    async def check(self, error: Exception | None) -> None:
        async with self.bench.straight.jobs.list(tags=[self.tag]) as jobs:
            ids = [job.id async for job in jobs]
        assert len(ids) <= 1
        if error is None:
            assert self.job is not None
            assert ids == [self.job.id]


class StartOnce(Start):
    name = "start with a submission id"
    steps = 3
    repeats = True

    @property
    def more(self) -> dict[str, Any]:
        return {"submission_id": f"submission-{self.number}"}


class Logs(Journey):
    name = "logs"
    steps = 3
    polls = True
    script = "seq 1 300; sleep 0.2; seq 301 600; printf end"

    async def prepare(self) -> None:
        self.job = await self.bench.job(self.script)
        self.lines: list[str] = []

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        async with client.jobs.logs(self.job.id) as lines:
            async for line in lines:
                self.lines.append(line)

    async def check(self, error: Exception | None) -> None:
        expected = [*map(str, range(1, 601)), "end"]
        assert self.lines == (expected if error is None else expected[: len(self.lines)])


class Wait(Journey):
    name = "wait"
    steps = 3
    polls = True

    async def prepare(self) -> None:
        self.job = await self.bench.job("sleep 0.4")

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        self.job = await client.jobs.wait(self.job.id)

    async def check(self, error: Exception | None) -> None:
        if error is None:
            assert self.job.status is JobStatus.SUCCEEDED
        else:
            await self.bench.straight.jobs.wait(self.job.id)  # the job itself took no harm


class Top(Journey):
    name = "top"
    steps = 1
    repeats = False
    seen = 0.0

    async def prepare(self) -> None:
        self.job = await self.bench.job("echo up; exec sleep 60")
        async with self.bench.straight.jobs.logs(self.job.id) as lines:
            assert await anext(lines) == "up"

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        async with client.jobs.top(self.job.id) as records:
            self.seen = (await anext(records)).timestamp

    async def check(self, error: Exception | None) -> None:
        assert bool(self.seen) is (error is None)
        await self.bench.straight.jobs.kill(self.job.id)


class Listing(Journey):
    name = "list"
    steps = 1
    repeats = False

    async def prepare(self) -> None:
        self.expected = [(await self.bench.job("true")).id for _ in range(2)]
        self.found: list[str] = []

    async def act(self, client: Client, timeout: ClientTimeout) -> None:
        async with client.jobs.list() as jobs:
            async for job in jobs:
                self.found.append(job.id)

    async def check(self, error: Exception | None) -> None:
        async with self.bench.straight.jobs.list() as jobs:
            everything = [job.id async for job in jobs]
        assert set(self.expected) <= set(everything)
        assert self.found == (everything if error is None else everything[: len(self.found)])


JOURNEYS: tuple[type[Journey], ...] = (
    Login,
    UploadSmall,
    UploadParts,
    DownloadSmall,
    DownloadParts,
    UploadDir,
    Start,
    StartOnce,
    Logs,
    Wait,
    Top,
    Listing,
)


def read_all(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
