from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from neuro_client import threads
from neuro_client.threads import run_blocking, run_short

Run = Callable[..., Awaitable[object]]


@pytest.fixture(autouse=True)
def full_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_batch", 8)  # slow calls make it smaller


async def test_blocking_work_runs_in_its_own_threads() -> None:
    name = await run_blocking(lambda: threading.current_thread().name)
    assert name.startswith("neuro-disk")


@pytest.mark.parametrize("run", [run_blocking, run_short])
async def test_cancelled_caller_waits_for_the_thread(run: Run) -> None:
    release = threading.Event()
    ended = []

    def work() -> None:
        release.wait(5)
        time.sleep(0.02)
        ended.append(True)

    async def call() -> None:
        await run(work)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_short_calls_share_a_hop() -> None:
    names = await asyncio.gather(*(run_short(threading.get_ident) for _ in range(8)))
    assert len(set(names)) == 1
    assert names[0] != threading.get_ident()


async def test_each_caller_gets_its_own_outcome() -> None:
    def work(number: int) -> int:
        if number % 3 == 0:
            raise OSError(number)
        return number

    calls = [run_short(work, number) for number in range(50)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        if number % 3 == 0:
            assert isinstance(outcome, OSError)
            assert outcome.args == (number,)
        else:
            assert outcome == number


async def test_a_cancelled_caller_does_not_disturb_those_in_the_same_hop() -> None:
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def first() -> str:
        loop.call_soon_threadsafe(begun.set)
        release.wait(5)
        return "first"

    tasks = [asyncio.ensure_future(run_short(work)) for work in (first, lambda: "second")]
    await begun.wait()
    tasks[1].cancel()
    await asyncio.sleep(0)
    assert not tasks[1].done()
    release.set()
    assert await tasks[0] == "first"
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]


def test_a_loop_of_its_own_for_each_run() -> None:
    async def main() -> int:
        return await run_short(threading.get_ident)

    assert asyncio.run(main()) != threading.get_ident()
    assert asyncio.run(main()) != threading.get_ident()


async def test_slow_calls_run_side_by_side() -> None:
    await asyncio.gather(*(run_short(time.sleep, 3 * threads._SHORT) for _ in range(8)))
    barrier = threading.Barrier(2)
    await asyncio.gather(*(run_short(barrier.wait, 5) for _ in range(2)))


@pytest.mark.parametrize("run", [run_blocking, run_short])
async def test_a_stop_iteration_reaches_the_caller(run: Run) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await run(next, iter(()))


async def test_a_refused_thread_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_submit", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        await run_short(time.sleep, 0)
