"""``jobs.logs`` and ``jobs.wait`` over real sockets that break."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from neuro_client.errors import (
    AuthorizationError,
    IllegalArgumentError,
    JobFailed,
)
from neuro_client.jobs import JobStatus

from .server import JOB, START, Cut, OneJob, jobs_at, line, serve

TEN = [line(n // 3, f"line {n % 2}") for n in range(10)]
TEXTS = [f"line {n % 2}" for n in range(10)]


async def read(state: OneJob, **options: object) -> list[str]:
    async with (
        serve(state) as root,
        jobs_at(root) as jobs,
        jobs.logs(JOB, **options) as lines,  # type: ignore[arg-type]
    ):
        return [line async for line in lines]


@pytest.mark.parametrize("follow", [True, False])
async def test_a_finished_job_gives_its_whole_log(follow: bool) -> None:
    state = OneJob(TEN, "succeeded")
    assert await read(state, follow=follow) == TEXTS
    assert state.queries[0] == {"timestamps": "true", "separator": ""}
    assert state.status_reads == 1


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("after", [0, 1, 75, 290])
async def test_cuts_lose_and_repeat_nothing(follow: bool, after: int) -> None:
    cuts = [Cut(after), Cut(after + 3), Cut(after + 90, code=1011), Cut(after, code=1001)]
    state = OneJob(TEN, "succeeded", cuts=cuts)
    assert await read(state, follow=follow) == TEXTS
    assert len(state.queries) >= 5


async def test_an_orderly_end_of_a_running_job_is_not_the_end() -> None:
    state = OneJob(TEN[:4], cuts=[Cut(), Cut(60, code=1000)])
    async with serve(state) as root, jobs_at(root) as jobs, jobs.logs(JOB) as lines:
        found = [await anext(lines) for _ in range(4)]
        state.lines = TEN
        found += [await anext(lines) for _ in range(6)]
        assert found == TEXTS
        state.end()
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


async def test_lines_come_while_the_job_runs() -> None:
    state = OneJob(TEN, hold=True)
    async with serve(state) as root, jobs_at(root) as jobs, jobs.logs(JOB) as lines:
        assert [await anext(lines) for _ in range(10)] == TEXTS
        assert state.status_reads == 0
        state.end("failed", 3)
        assert [line async for line in lines] == []


@pytest.mark.thorough
async def test_a_restart_of_the_platform_is_survived() -> None:
    before = OneJob(TEN[:5], hold=True)
    after = OneJob(TEN, "succeeded", cuts=[Cut(refuse=503), Cut(refuse=502)])
    after.status_answers = [500, 503, 200]
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        root = await first.enter_async_context(serve(before))
        jobs = await stack.enter_async_context(jobs_at(root))
        lines = await stack.enter_async_context(jobs.logs(JOB))
        assert [await anext(lines) for _ in range(5)] == TEXTS[:5]
        await first.aclose()

        async def come_back() -> None:
            await asyncio.sleep(0.4)
            await stack.enter_async_context(serve(after, root.port or 0))

        async with asyncio.TaskGroup() as group:
            group.create_task(come_back())
            assert [line async for line in lines] == TEXTS[5:]
    assert after.status_answers == []


async def test_a_job_not_known_yet_is_waited_for_briefly() -> None:
    state = OneJob(TEN, "succeeded", cuts=[Cut(refuse=400), Cut(refuse=404)])
    assert await read(state) == TEXTS


@pytest.mark.thorough
async def test_an_unknown_job_is_reported() -> None:
    started = time.monotonic()
    with pytest.raises(IllegalArgumentError):
        await read(OneJob(cuts=[Cut(refuse=400)] * 60))
    assert 1.9 < time.monotonic() - started < 3.5


async def test_no_right_is_reported_at_once() -> None:
    state = OneJob(cuts=[Cut(refuse=403)])
    with pytest.raises(AuthorizationError):
        await read(state)
    assert len(state.queries) == 1


async def test_since_tail_and_timestamps() -> None:
    state = OneJob(TEN, "succeeded")
    since = START.replace(second=2)
    assert await read(state, since=since) == TEXTS[6:]
    assert state.queries[0]["since"] == "2022-07-01T12:00:02+00:00"
    assert await read(state, tail=3, follow=False) == TEXTS[-3:]
    assert await read(state, tail=0) == []
    assert await read(state, tail=99) == TEXTS
    assert (await read(state, timestamps=True))[-1] == "2022-07-01T12:00:03.000000000Z line 1"
    with pytest.raises(ValueError, match="negative"):
        await read(state, tail=-1)


async def test_the_last_line_may_have_no_end() -> None:
    moment, text = line(50, "no end")
    state = OneJob([*TEN, (moment, text.rstrip(b"\n"))], "succeeded", cuts=[Cut(60)])
    assert await read(state) == [*TEXTS, "no end"]


async def test_what_is_there_now_of_a_silent_job() -> None:
    state = OneJob(TEN, hold=True)
    started = time.monotonic()
    assert await read(state, follow=False) == TEXTS
    assert 0.9 < time.monotonic() - started < 3


async def test_what_is_there_now_of_a_job_that_never_stops_writing() -> None:
    far = [line(10**9, f"later {n}") for n in range(5)]
    state = OneJob([*TEN, *far], hold=True)
    started = time.monotonic()
    assert await read(state, follow=False) == TEXTS
    assert time.monotonic() - started < 0.9


async def test_a_job_that_has_not_started_has_nothing_now() -> None:
    state = OneJob(status="pending", started=False, hold=True)
    assert await read(state, follow=False) == []
    assert state.queries == []


async def test_a_long_line_comes_in_pieces_over_any_cut() -> None:
    text = "x" * (2**20 + 5)
    state = OneJob([line(1, text), line(1, "y")], "succeeded", chunk=2**18)
    state.cuts = [Cut(2**20 + 100), Cut(2**20 + 36)]
    found = await read(state)
    assert [len(part) for part in found] == [2**20, 5, 1]
    assert "".join(found[:2]) == text


async def test_leaving_early_closes_the_connection() -> None:
    state = OneJob(TEN, hold=True)
    async with serve(state) as root, jobs_at(root) as jobs:
        async with jobs.logs(JOB) as lines:
            assert await anext(lines) == TEXTS[0]
        state.changed.set()


async def test_waiting_for_a_short_job() -> None:
    state = OneJob()
    async with serve(state) as root, jobs_at(root) as jobs:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(jobs.wait(JOB))
            await asyncio.sleep(0.3)
            state.end()
            ended = time.monotonic()
            job = await waiting
    assert job.status is JobStatus.SUCCEEDED
    assert time.monotonic() - ended < 0.5


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_the_failure_of_a_job_has_its_last_lines(status: str) -> None:
    many = [line(90 + n / 10, str(n)) for n in range(30)]
    state = OneJob(many, status, exit_code=3)
    async with serve(state) as root, jobs_at(root) as jobs:
        with pytest.raises(JobFailed) as caught:
            await jobs.wait(JOB)
        assert caught.value.log_tail == tuple(str(n) for n in range(10, 30))
        assert caught.value.exit_code == 3
        # Twenty lines were in the last seconds, so the rest was not read.
        assert [query["since"][:19] for query in state.queries] == ["2022-07-01T12:01:10"]
        assert (await jobs.wait(JOB, check=False)).status == status


async def test_a_short_log_is_read_whole_for_the_failure() -> None:
    state = OneJob(TEN, "failed", exit_code=1)
    async with serve(state) as root, jobs_at(root) as jobs:
        with pytest.raises(JobFailed) as caught:
            await jobs.wait(JOB)
    assert caught.value.log_tail == tuple(TEXTS)


async def test_a_failure_is_told_without_lines_when_they_cannot_be_had() -> None:
    state = OneJob(TEN, "failed", exit_code=1, cuts=[Cut(refuse=403)] * 9)
    async with serve(state) as root, jobs_at(root) as jobs:
        with pytest.raises(JobFailed) as caught:
            await jobs.wait(JOB)
    assert caught.value.log_tail == ()


async def test_a_time_out_leaves_the_job_alone() -> None:
    state = OneJob()
    async with serve(state) as root, jobs_at(root) as jobs:
        with pytest.raises(TimeoutError, match=r"still running after 0\.2 s"):
            await jobs.wait(JOB, timeout=0.2)
        state.end()
        assert (await jobs.wait(JOB, timeout=5)).status is JobStatus.SUCCEEDED


async def test_a_job_as_a_run() -> None:
    state = OneJob(TEN, "succeeded")
    async with serve(state) as root, jobs_at(root) as jobs:
        run = jobs.get_run(JOB)
        assert (await run.status()).is_finished
        assert (await run.wait()).id == JOB
        async with run.logs(tail=2) as lines:
            assert [line async for line in lines] == TEXTS[-2:]
