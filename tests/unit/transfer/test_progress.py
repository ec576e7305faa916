from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from neuro_client.transfer.progress import STEP_INTERVAL, Reporter

from .kit import Diary

SRC, DST = URL("file:///f"), URL("storage://c/f")


async def test_events_come_in_order_in_the_awaiting_task() -> None:
    tasks: set[object] = set()

    class Watching(Diary):
        def start(self, data: object) -> None:
            tasks.add(asyncio.current_task())
            super().start(data)  # type: ignore[arg-type]

    diary = Watching()
    reporter = Reporter(diary)

    async def work() -> str:
        reporter.enter(SRC, DST)
        report = reporter.file(SRC, DST, 10)
        await asyncio.sleep(0)
        report.advance(4)
        report.advance(6)
        report.complete()
        reporter.leave(SRC, DST)
        return "done"

    assert await reporter.run(work) == "done"
    assert [kind for kind, _ in diary.events] == [
        "enter",
        "start",
        "step",
        "step",
        "complete",
        "leave",
    ]
    assert tasks == {asyncio.current_task()}


async def test_steps_are_few_and_rise() -> None:
    diary = Diary()
    reporter = Reporter(diary)

    async def work() -> None:
        report = reporter.file(SRC, DST, 10_000)
        begin = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - begin < 2.5 * STEP_INTERVAL:
            report.advance(20)
            await asyncio.sleep(0.001)
        report.advance(-report.done)  # a failed attempt
        report.advance(10_000)
        report.complete()

    await reporter.run(work)
    currents = [data.current for kind, data in diary.events if kind == "step"]  # type: ignore[attr-defined]
    assert 3 <= len(currents) <= 6
    assert currents == sorted(set(currents))
    assert currents[-1] == 10_000


async def test_an_empty_file_has_no_step() -> None:
    diary = Diary()
    reporter = Reporter(diary)

    async def work() -> None:
        reporter.file(SRC, DST, 0).complete()

    await reporter.run(work)
    assert [kind for kind, _ in diary.events] == ["start", "complete"]


async def test_a_failure_comes_after_the_events_before_it() -> None:
    diary = Diary()
    reporter = Reporter(diary)

    async def work() -> None:
        reporter.fail(SRC, DST, "a pipe")
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await reporter.run(work)
    assert [kind for kind, _ in diary.events] == ["fail"]


async def test_cancelling_the_caller_ends_the_work() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    task = asyncio.create_task(Reporter(Diary()).run(work))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
