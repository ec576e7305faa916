"""Platforms that are killed, and engines that go away, under jobs in containers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiodocker
import attrs
import pytest

from neuro_client import Client, JobStatus, RemoteImage
from neuro_client.factory import get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .conftest import BUSYBOX, containers
from .test_docker_jobs import ended, lines_of, running, start

LOCAL = RemoteImage(BUSYBOX.name, BUSYBOX.tag)
SOCKET = "/var/run/docker.sock"
COUNTING = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; exit 7"


def up(data: Path, ready: Path) -> list[str]:
    words = [sys.executable, "-m", "neuro_client.local", "up", "--runner", "docker"]
    return [*words, "--data", str(data), "--port", "0", "--ready-file", str(ready)]


@asynccontextmanager
async def doomed(data: Path, ready: Path) -> AsyncIterator[None]:
    """Run a platform in a process of its own and kill it at the end."""
    process = await asyncio.create_subprocess_exec(*up(data, ready), stdout=-3, stderr=-3)
    try:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(ready.exists):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_jobs_survive_the_platform(busybox: aiodocker.Docker, tmp_path: Path) -> None:
    data, ready = tmp_path / "data", tmp_path / "ready.json"
    async with doomed(data, ready):
        await login(json.loads(await asyncio.to_thread(ready.read_text)), tmp_path / "first")
        async with get(path=tmp_path / "first") as client:
            long = await running(client, LOCAL, COUNTING)
            short = await running(client, LOCAL, "echo quick; sleep 0.5; exit 6")
            lost = await running(client, LOCAL, "sleep 60")
            async with client.jobs.logs(long.id) as lines:
                assert await anext(lines) == "line 0"
    container = busybox.containers.container(f"neuro-client-{lost.id}-0")
    await container.delete(force=True)
    await busybox.containers.container(f"neuro-client-{short.id}-0").wait()
    async with LocalPlatform(data, port=0, runner="docker") as platform:
        await login(platform, tmp_path / "second")
        async with get(path=tmp_path / "second") as client:
            assert (await client.jobs.status(long.id)).status is JobStatus.RUNNING
            assert (await ended(client, short)).history.exit_code == 6
            assert await lines_of(client, short) == ["quick"]
            found = await ended(client, lost)
            assert found.status is JobStatus.FAILED
            assert "gone" in (found.history.description or "")
            found = await ended(client, long)
            assert (found.history.exit_code, found.history.restarts) == (7, 0)
            assert await lines_of(client, long) == [f"line {n}" for n in range(60)]
            stays = await running(client, LOCAL, "sleep 60")
    assert await containers(busybox, data) == []
    assert (await asyncio.to_thread((data / "jobs" / stays.id / "0" / "log").read_bytes)) == b""


async def test_a_job_killed_while_its_image_is_fetched(
    docker_platform: LocalPlatform, docker_client: Client
) -> None:
    asked = asyncio.Event()
    writers = []

    def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        asked.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        job = await start(docker_client, RemoteImage(f"127.0.0.1:{port}/some/thing", "v1"), "true")
        await asyncio.wait_for(asked.wait(), 30)
        await docker_client.jobs.kill(job.id)
        assert (await ended(docker_client, job)).status is JobStatus.CANCELLED
        async with asyncio.timeout(30):
            while docker_platform.jobs.current_run(job.id) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for writer in writers:
            writer.transport.abort()


@attrs.define
class Wire:
    """A way to the engine that can be shut, as if the engine had stopped."""

    path: Path
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = attrs.field(factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._accepted, self.path)

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.to_thread(self.path.unlink, True)
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:  # noqa: ASYNC110 - each ends by itself now
            await asyncio.sleep(0.01)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_unix_connection(SOCKET)
        both = {writer, here}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copied(reader, here))
                group.create_task(_copied(there, writer))
        finally:
            for one in both:
                one.transport.abort()
            self._writers -= both


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (OSError, RuntimeError):
        writer.transport.abort()


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Wire]:
    wire = Wire(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{wire.path}")
    await wire.open()
    yield wire
    await wire.shut()


async def test_an_engine_that_stops(busybox: aiodocker.Docker, wire: Wire, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(
            LocalPlatform(tmp_path / "data", port=0, runner="docker")
        )
        await login(platform, tmp_path / "config")
        client = await stack.enter_async_context(get(path=tmp_path / "config"))
        # One that comes back in time costs nothing.
        job = await running(client, LOCAL, COUNTING)
        async with client.jobs.logs(job.id) as lines:
            assert await anext(lines) == "line 0"
            await wire.shut()
            await asyncio.sleep(0.3)
            await wire.open()
        found = await ended(client, job)
        assert found.history.exit_code == 7, found.history
        assert await lines_of(client, job) == [f"line {n}" for n in range(60)]
        # One that does not ends the job with a reason, and the container goes when it is back.
        platform.jobs.runner.patience = 0.5
        job = await running(client, LOCAL, "sleep 60")
        await wire.shut()
        found = await ended(client, job)
        assert found.status is JobStatus.FAILED
        assert "did not come back in 0.5 s" in (found.history.description or "")
        refused = await start(client, LOCAL, "true")
        found = await ended(client, refused)
        assert "cannot start the job" in (found.history.description or "")
        await wire.open()
        assert len(await containers(busybox, tmp_path / "data")) == 1
        job = await start(client, LOCAL, "echo again")
        assert await lines_of(client, job) == ["again"]
        await ended(client, job)
    assert await containers(busybox, tmp_path / "data") == []


async def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    with pytest.raises(
        ConnectionError, match=r"answers at .*nowhere.sock: .*No such file or directory"
    ):
        async with LocalPlatform(tmp_path / "data", port=0, runner="docker"):
            pass
    process = await asyncio.create_subprocess_exec(
        *up(tmp_path / "data", tmp_path / "ready.json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.startswith(b"No container engine answers at")
    assert b"--runner process" in said
