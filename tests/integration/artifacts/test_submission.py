"""Answers that get lost around a submission, and a log that is cut: on the local platform."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import pytest
from aiohttp import web

from neuro_client.artifacts import GridRun, RunRequest
from neuro_client.artifacts.submission import Submission
from neuro_client.errors import (
    ConflictError,
    IllegalArgumentError,
    ResourceNotFound,
    TransportError,
)
from neuro_client.local import LocalPlatform
from neuro_client.testing.proxy import FaultProxy

from .grid import Grid, serving
from .test_local_platform import opened

pytestmark = pytest.mark.thorough

STAMP = "2024-05-01T10:00:02.000000Z"


def request(folder: Path, name: str) -> RunRequest:
    """Return a request for a script that ends at once."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text("print('done')")
    return RunRequest(name=name, script="train.py", local_dir=folder)


async def test_a_run_is_made_once_and_never_left_half_made(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    async with opened(local_platform) as artifacts:
        lost = local_platform.fault("POST /runs", cut_after=0)
        with local_platform.intercept() as seen:
            made = await artifacts.submit(request(folder, "lost"))
        assert lost.hits == 1
        assert [call.method for call in seen.calls if call.path.endswith("/runs")].count(
            "POST"
        ) == 1
        assert (await artifacts.get("lost")).id == made.id

        local_platform.fault("POST /runs", refuse=True)
        with pytest.raises(TransportError):
            await artifacts.submit(request(folder, "never"))
        local_platform.fault("PUT /", status=400)
        with pytest.raises(IllegalArgumentError):
            await artifacts.submit(request(folder, "half"))
        for name in ("never", "half"):
            with pytest.raises(ResourceNotFound):
                await artifacts.get(name)
        with pytest.raises(ValueError, match="no file"):
            await artifacts.submit(RunRequest(script="none.py", local_dir=folder))
        await artifacts.wait("lost", timeout=60)


async def test_the_run_of_somebody_quicker_stays_theirs(
    local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await local_platform.artifacts.add_run("taken", {})
    find = Submission._found
    looks: list[Submission] = []

    async def too_early(self: Submission) -> GridRun | None:
        looks.append(self)
        return None if len(looks) == 1 else await find(self)

    monkeypatch.setattr(Submission, "_found", too_early)
    local_platform.fault("POST /runs", refuse=True)
    mine = attrs.evolve(request(tmp_path / "code", "taken"), args=("--mine",))
    async with opened(local_platform) as artifacts:
        with pytest.raises(ConflictError, match="at the same time"):
            await artifacts.submit(mine)
        assert (await artifacts.get("taken")).id == theirs.id


async def test_a_log_goes_on_where_it_was_cut(local_platform: LocalPlatform) -> None:
    run = await local_platform.artifacts.add_run("talking", {})
    [experiment] = run.experiments
    await experiment.log("one", "two")
    seen: list[str] = []
    arrived: asyncio.Queue[str] = asyncio.Queue()
    async with FaultProxy(local_platform.listener("artifacts")) as proxy:
        async with opened(local_platform, url=str(proxy.url)) as artifacts:

            async def read() -> None:
                async with artifacts.logs("talking") as lines:
                    async for line in lines:
                        seen.append(line)
                        arrived.put_nowait(line)

            task = asyncio.create_task(read())
            assert [await arrived.get() for _ in range(2)] == ["one", "two"]
            proxy.cut()
            await experiment.log("three")
            assert await arrived.get() == "three"
            await experiment.log("four")
            await experiment.end()
            await task
    assert seen == ["one", "two", "three", "four"]


@pytest.mark.parametrize("protocol", ["graphql-ws", "graphql-transport-ws"])
async def test_both_protocols_of_live_logs_are_spoken(protocol: str) -> None:
    said: list[str] = []
    word = {"graphql-ws": "data", "graphql-transport-ws": "next"}[protocol]
    lines = [{"message": f"line {number}\n", "timestamp": STAMP} for number in range(2)]
    grid = Grid({"mnist-exp0": {}}, phases={"mnist-exp0": "RUNNING"})

    async def before(request: web.Request) -> web.StreamResponse | None:
        if request.path == "/graphql":
            found = {"getExperimentLogs": {"success": True, "lines": lines}}
            return web.json_response({"data": found})
        if request.path != "/subscriptions":
            return None
        socket = web.WebSocketResponse(protocols=[protocol])
        await socket.prepare(request)
        said.append((await socket.receive_json())["type"])
        said.append((await socket.receive_json())["type"])
        await socket.send_json({"type": "connection_ack"})
        await socket.send_json({"type": "ka"})
        payload = {"data": {"getLiveExperimentLogs": lines[0]}}
        await socket.send_json({"id": "1", "type": word, "payload": payload})
        await socket.send_json({"id": "1", "type": "complete"})
        grid.phases = {}  # it has ended, and its whole log has one line more
        await socket.close()
        return socket

    grid.before = before
    async with serving(grid) as artifacts, artifacts.logs("mnist", timestamps=True) as found:
        assert [line async for line in found] == [f"{STAMP} line 0", f"{STAMP} line 1"]
    assert said == ["connection_init", "start" if protocol == "graphql-ws" else "subscribe"]
