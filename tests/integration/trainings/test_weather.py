"""Signing in, listing and waiting while the control plane misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from neuro_client.errors import (
    AuthenticationError,
    ConflictError,
    ProtocolError,
    ResourceNotFound,
    ServerNotAvailable,
    TrainingFailed,
)
from neuro_client.retry import NEVER
from neuro_client.trainings import (
    PhaseChange,
    TokenEndpoint,
    TrainingFailure,
    TrainingPhase,
    Trainings,
    polling,
)

from .server import ControlPlane, serve, served, trainings_at

RUNNING, COMPLETED, FAILED = TrainingPhase.RUNNING, TrainingPhase.COMPLETED, TrainingPhase.FAILED


async def collect(trainings: Trainings, *ids: str) -> list[PhaseChange]:
    async with trainings.watch(ids) as changes:
        return [change async for change in changes]


def after(count: int, act: Callable[[], None]) -> Callable[[], None]:
    """Return what acts when it is called for the *count*-th time."""
    left = [count]

    def called() -> None:
        left[0] -= 1
        if left[0] == 0:
            act()

    return called


# Signing in


async def test_parallel_calls_sign_in_once_and_replay_once() -> None:
    state = ControlPlane()
    ids = [state.add() for _ in range(20)]
    async with served(state) as trainings:
        await asyncio.gather(*map(trainings.get, ids))
        assert state.requests["token"] == 1
        state.valid.clear()
        await asyncio.gather(*map(trainings.get, ids))
    assert state.requests["token"] == 2
    assert state.requests["refused"] == 20


@pytest.mark.parametrize(
    ("grants", "endpoint", "asked"),
    [
        (("app_token",), TokenEndpoint.AUTO, {"token": 1}),
        (("client_credentials",), TokenEndpoint.AUTO, {"token": 2}),
        (("v2",), TokenEndpoint.AUTO, {"token": 2, "token-v2": 1}),
        (("v2",), TokenEndpoint.V2, {"token-v2": 1}),
    ],
)
async def test_the_way_to_sign_in_is_found_and_kept(
    grants: tuple[str, ...], endpoint: TokenEndpoint, asked: dict[str, int]
) -> None:
    state = ControlPlane(token_grants=grants)
    id = state.add()
    async with served(state, token_endpoint=endpoint) as trainings:
        await trainings.get(id)
        first = {key: state.requests[key] for key in ("token", "token-v2") if state.requests[key]}
        assert first == asked
        state.valid.clear()
        await trainings.get(id)
    assert state.requests["token"] + state.requests["token-v2"] == sum(asked.values()) + 1


async def test_wrong_credentials_and_tokens_without_renewal() -> None:
    state = ControlPlane()
    id = state.add()
    async with serve(state) as url:
        async with trainings_at(url, "wrong") as trainings:
            with pytest.raises(AuthenticationError, match="check url, client_id") as caught:
                await trainings.get(id)
            assert "wrong" not in str(caught.value) + repr(trainings)
        async with Trainings.connect(url, token="stale") as trainings:
            with pytest.raises(AuthenticationError):
                await trainings.get(id)
        state.valid.add("good")
        async with Trainings.connect(url, token="good") as trainings:
            assert (await trainings.get(id)).id == id
        with pytest.raises(RuntimeError, match="closed"):
            await trainings.get(id)


async def test_a_refusal_in_the_middle_of_a_watch_is_renewed_once_or_told() -> None:
    state = ControlPlane()
    id = state.add()
    state.on_request["get"] = after(3, state.valid.clear)
    async with served(state) as trainings, trainings.watch(id) as changes:
        assert (await anext(changes)).phase is RUNNING
        state.on_request["token"] = lambda: state.trainings[id].update(actualPhase="Completed")
        assert (await anext(changes)).phase is COMPLETED
        assert await anext(changes, None) is None
        assert state.requests["token"] == 2
        state.token_grants = ()
        state.valid.clear()
        with pytest.raises(AuthenticationError):
            await trainings.wait(state.add())


# Listing


async def test_ten_thousand_are_listed_a_page_at_a_time() -> None:
    state = ControlPlane()
    for number in range(10_000):
        state.trainings[str(number)] = {
            "name": f"t-{number}",
            "createdAt": "2024-05-01 10:00:00.5Z",
            "actualPhase": "Dreaming",
            "type": "training" if number % 2 else "runai-interactive",
        }
    async with served(state) as trainings:
        async with trainings.list() as listing:
            first = await anext(listing)
            await anext(listing)
            assert state.requests["list"] <= 2
            assert (first.phase, first.phase_text) == (TrainingPhase.UNKNOWN, "Dreaming")
            count = 2
            async for _ in listing:
                count += 1
        assert (count, state.requests["list"]) == (5_000, 20)
        async with trainings.list(types=None, limit=3) as listing:
            assert [item.id async for item in listing] == ["0", "1", "2"]
        async with trainings.list(types=None, limit=3, page_size=2) as listing:
            assert [item.id async for item in listing] == ["0", "1", "2"]
        result = await trainings.batch(map(str, range(250)), "suspend")
        assert (len(result.succeeded), result.request_ids) == (250, ("1", "2", "3"))


async def test_answers_of_something_else() -> None:
    state = ControlPlane(gets=["html"] * 3, lists=[None])
    id = state.add()
    async with served(state, retry=NEVER) as trainings:
        with pytest.raises(ServerNotAvailable, match="HTML page"):
            await trainings.get(id)
        state.trainings[id] = {"name": 1}
        state.gets.clear()
        with pytest.raises(ProtocolError, match=r"\$\.workloadId is missing; \$\.name should"):
            await trainings.get(id)


# Waiting


async def test_trouble_passes_while_one_waits() -> None:
    state = ControlPlane(gets=[404, 500, "html", "lost", 503, 429])
    id = state.add("Dreaming")
    state.on_request["get"] = after(9, lambda: state.trainings[id].update(actualPhase="Completed"))
    async with served(state) as trainings:
        found = await trainings.wait(id)
    assert found.phase is COMPLETED
    assert state.requests["get"] >= 9


async def test_a_training_that_is_not_known_yet_and_one_that_never_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = ControlPlane()
    late = "11111111-1111-4111-8111-111111111111"
    state.on_request["get"] = after(3, lambda: state.trainings.update({late: {**known}}))
    known = {**state.trainings[state.add("Completed")], "workloadId": late}
    async with served(state) as trainings:
        assert (await trainings.wait(late)).id == late
        monkeypatch.setattr(polling, "CREATION_GRACE", 0.0)
        with pytest.raises(ResourceNotFound):
            await trainings.wait("22222222-2222-4222-8222-222222222222")


async def test_the_ends_of_a_wait() -> None:
    state = ControlPlane()
    failed, stopped, running = state.add("Failed"), state.add("Stopped"), state.add()
    state.trainings[failed]["message"] = "back-off limit"
    async with served(state) as trainings:
        with pytest.raises(TrainingFailed, match="ended Failed: back-off limit") as caught:
            await trainings.wait(failed)
        assert isinstance(caught.value, TrainingFailure)
        assert caught.value.training is not None
        assert caught.value.training.id == failed
        assert [condition.type for condition in caught.value.conditions] == ["Ready"]
        assert (await trainings.wait(failed, check=False)).phase is FAILED
        assert (await trainings.wait(failed, until=[FAILED])).phase is FAILED
        with pytest.raises(TrainingFailed):
            await trainings.wait(failed, until=[RUNNING])
        waited = await trainings.wait(stopped, until=lambda phase: phase.name == "STOPPED")
        assert waited.phase is TrainingPhase.STOPPED
        with pytest.raises(ValueError, match="at least one phase"):
            await trainings.wait(stopped, until=[])
        with pytest.raises(TimeoutError, match=r"still Stopped after 0\.2 s"):
            await trainings.wait(stopped, timeout=0.2)
        state.trainings[stopped]["desiredPhase"] = "Deleted"
        with pytest.raises(TrainingFailed, match="was deleted"):
            await trainings.wait(stopped)
        state.on_request["get"] = after(2, lambda: state.remove(running))
        with pytest.raises(TrainingFailed, match="was deleted"):
            await trainings.wait(running)
        with pytest.raises(ConflictError):
            await trainings.suspend(failed)
        await trainings.get_run(failed).stop()


# Watching many


async def test_watching_a_thousand_is_one_loop() -> None:
    state = ControlPlane()
    ids = [state.add() for _ in range(1_000)]
    gone = ids[7]

    def end() -> None:
        state.remove(gone)
        for training in state.trainings.values():
            training["actualPhase"] = "Completed"

    state.on_request["list"] = after(6, end)  # a round is two pages
    async with served(state) as trainings:
        all_of_them, *single = await asyncio.gather(
            collect(trainings, *ids), *(collect(trainings, id) for id in ids[:100])
        )
    assert [[change.id for change in changes] for changes in single] == [
        [id] * 2 for id in ids[:100]
    ]
    last = {change.id: change for change in all_of_them}
    assert len(all_of_them) == 2 * len(last) == 2_000
    assert {id for id, change in last.items() if change.deleted} == {gone}
    assert all(last[id].phase is COMPLETED for id in ids if id != gone)
    assert state.requests["list"] <= 10
    # The one that is gone, and the one that slipped from the second page to the first.
    assert state.requests["get"] == 2


async def test_a_role_that_may_not_list_watches_too() -> None:
    state = ControlPlane(lists=[403])
    ids = [state.add() for _ in range(50)]

    def end() -> None:
        for training in state.trainings.values():
            training["actualPhase"] = "Failed"

    state.on_request["get"] = after(75, end)
    async with served(state) as trainings:
        changes = await collect(trainings, *ids)
    assert state.requests["list"] == 1
    assert sorted(change.id for change in changes if change.phase is FAILED) == sorted(ids)


async def test_a_watcher_that_leaves_disturbs_no_other() -> None:
    state = ControlPlane()
    first, second = state.add(), state.add()
    async with served(state) as trainings:
        async with asyncio.TaskGroup() as group:
            other = group.create_task(collect(trainings, second))
            async with trainings.watch(first) as changes:
                await anext(changes)
            leaving = group.create_task(collect(trainings, first))
            await asyncio.sleep(0)
            leaving.cancel()
            state.trainings[second]["actualPhase"] = "Completed"
        assert other.result()[-1].phase is COMPLETED
