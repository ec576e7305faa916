"""The log of a training over connections that break, end early or are no WebSockets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from neuro_client.errors import ConfigError, ResourceNotFound
from neuro_client.trainings import Trainings

from .server import ControlPlane, Log, serve, served

STAMPS = [f"2024-05-01T10:00:{n // 3:02}.00000000{n % 3}Z" for n in range(30)]
TEXTS = [f"line {n}" for n in range(30)]
LINES = [f"{stamp} {text}\n".encode() for stamp, text in zip(STAMPS, TEXTS, strict=True)]
SIZE = len(LINES[0])


async def read(trainings: Trainings, id: str) -> list[str]:
    async with trainings.logs(id) as lines:
        return [line async for line in lines]


@pytest.mark.parametrize("websockets", [True, False], ids=["websocket", "http"])
async def test_nothing_is_lost_or_repeated(websockets: bool) -> None:
    state = ControlPlane(log_lines=LINES, websockets=websockets)
    id = state.add()
    # An end in order proves nothing: the training still runs.
    state.logs = [
        Log(after=5 * SIZE + 9, cut=True),
        Log(refuse=503),
        Log(code=1000, after=SIZE * 9),
    ]
    if not websockets:
        state.logs.insert(0, Log())  # the refused upgrade

    def end() -> None:
        if state.requests["log"] >= 4:
            state.trainings[id]["actualPhase"] = "Completed"

    state.on_request["get"] = end
    async with served(state) as trainings:
        assert await read(trainings, id) == TEXTS
    followed = [query for query in state.queries if "timestamps" in query]
    assert {query["timestamps"] for query in followed} == {"true"}
    assert followed[0]["follow"] == "true"
    assert "sinceTime" in followed[-1]
    assert followed[-1]["follow"] == "false"


async def test_a_server_that_goes_away_is_come_back_to() -> None:
    state = ControlPlane(log_lines=LINES, logs=[Log(code=1001, after=SIZE), Log(code=1011)])
    id = state.add("Completed")
    async with served(state) as trainings:
        assert await read(trainings, id) == TEXTS


async def test_what_is_there_now() -> None:
    state = ControlPlane(log_lines=[*LINES[:3], b"half a li"])
    id = state.add()
    async with served(state) as trainings:
        async with trainings.logs(id, follow=False) as lines:
            assert [line async for line in lines] == [*TEXTS[:3], "half a li"]
        async with trainings.logs(
            id,
            follow=False,
            tail=2,
            timestamps=True,
            pod="p-0",
            container="main",
            previous=True,
            since=datetime(2024, 5, 1, 10, 0, 0, tzinfo=UTC),
        ) as lines:
            assert [line async for line in lines] == [f"{STAMPS[2]} line 2", "half a li"]
    assert state.queries[-1] == {
        "timestamps": "true",
        "follow": "false",
        "pod": "p-0",
        "container": "main",
        "previous": "true",
        "tail": "2",
        "sinceTime": "2024-05-01T10:00:00.000000Z",
    }


async def test_a_log_is_waited_for() -> None:
    state = ControlPlane(log_lines=LINES, logs=[Log(refuse=404)])
    id = state.add("Pending")

    def start() -> None:
        if state.requests["get"] == 3:
            state.trainings[id]["actualPhase"] = "Running"
        elif state.requests["log"] == 2:
            state.trainings[id]["actualPhase"] = "Completed"

    state.on_request["get"] = start
    async with served(state) as trainings:
        assert await read(trainings, id) == TEXTS
        state.logs = [Log(refuse=404)]
        with pytest.raises(ResourceNotFound, match="answered 404"):
            await read(trainings, id)


async def test_a_role_that_may_not_read_workloads_finds_the_project() -> None:
    state = ControlPlane(log_lines=LINES, project_names=False)
    id = state.add("Completed")
    async with served(state) as trainings:
        assert await read(trainings, id) == TEXTS
        assert await read(trainings, id) == TEXTS
    assert state.requests["workload"] == state.requests["projects"] == 1


async def test_refused_before_anything_is_sent() -> None:
    state = ControlPlane()
    async with serve(state) as url:
        async with Trainings.connect(url, token="t") as trainings:
            with pytest.raises(ConfigError, match="RUNAI_CLUSTER_URL"):
                await read(trainings, "x")
        async with Trainings.connect(url, token="t", cluster_url=url) as trainings:
            with pytest.raises(ValueError, match="tail"):
                async with trainings.logs("x", tail=-1) as lines:
                    await anext(lines)
    assert state.requests.total() == 0
