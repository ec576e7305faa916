"""Waiting by a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import (
    AuthenticationError,
    IllegalArgumentError,
    ResourceNotFound,
    ServerError,
    ServerNotAvailable,
    TransportError,
)
from neuro_client.jobs.models import JobDescription, JobStatus
from neuro_client.jobs.waiting import (
    CREATION_GRACE,
    PATIENCE,
    CreationGrace,
    Pace,
    failure,
    wait_until_finished,
)

from .samples import make_job


@attrs.define
class Clock:
    now: float = 100.0
    pauses: list[float] = attrs.field(factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, pause: float) -> None:
        self.pauses.append(pause)
        self.now += pause


@attrs.define
class Reader:
    """Answer by the time: ``answer`` gets the seconds since the start."""

    clock: Clock
    answer: Callable[[float], JobDescription | Exception]
    asked: list[float] = attrs.field(factory=list)

    async def __call__(self) -> JobDescription:
        elapsed = self.clock.now - 100.0
        self.asked.append(elapsed)
        found = self.answer(elapsed)
        if isinstance(found, Exception):
            raise found
        return found


async def wait(reader: Reader, pace: Pace | None = None) -> JobDescription:
    return await wait_until_finished(
        reader, clock=reader.clock, sleep=reader.clock.sleep, pace=pace
    )


@given(st.floats(0.01, 3600), st.randoms(use_true_random=False))
async def test_the_end_is_noticed_soon(end: float, source: Random) -> None:
    clock = Clock()
    reader = Reader(
        clock,
        lambda t: make_job(JobStatus.SUCCEEDED if t >= end else JobStatus.RUNNING),
    )
    pace = Pace(source.random)
    job = await wait(reader, pace)
    assert job.status is JobStatus.SUCCEEDED
    late = clock.now - 100.0 - end
    assert late <= min(max(0.05, 0.25 * end), 5.0) + 1e-6
    assert min(clock.pauses) >= 0.03
    # A long wait is cheap: about one question in four seconds.
    assert len(reader.asked) <= 40 + end / 3.7


async def test_a_change_of_state_makes_the_questions_frequent_again() -> None:
    def answer(t: float) -> JobDescription:
        if t < 600:
            return make_job(JobStatus.PENDING)
        return make_job(JobStatus.RUNNING if t < 610 else JobStatus.FAILED)

    clock = Clock()
    reader = Reader(clock, answer)
    await wait(reader)
    before = [p for asked, p in zip(reader.asked, clock.pauses, strict=False) if asked < 600]
    after = [p for asked, p in zip(reader.asked, clock.pauses, strict=False) if asked >= 600]
    assert before[-1] > 3.7
    assert after[0] <= 0.05


@pytest.mark.parametrize(
    "status", [JobStatus.SUSPENDED, JobStatus.UNKNOWN, JobStatus.PENDING, JobStatus.RUNNING]
)
async def test_states_that_go_on(status: JobStatus) -> None:
    reader = Reader(Clock(), lambda t: make_job(JobStatus.CANCELLED if t > 5 else status))
    assert (await wait(reader)).status is JobStatus.CANCELLED
    assert reader.asked[-1] > 5


@pytest.mark.parametrize(
    "error",
    [
        TransportError("reset"),
        ServerError("500", status=500),
        ServerNotAvailable("503", status=503),
    ],
)
async def test_passing_errors_are_put_up_with(error: Exception) -> None:
    reader = Reader(
        Clock(),
        lambda t: (
            error
            if 1 < t < 250
            else make_job(JobStatus.SUCCEEDED if t >= 250 else JobStatus.RUNNING)
        ),
    )
    assert (await wait(reader)).status is JobStatus.SUCCEEDED


async def test_without_any_good_answer_waiting_gives_up() -> None:
    clock = Clock()
    reader = Reader(clock, lambda t: make_job() if t < 50 else TransportError(f"refused at {t}"))
    with pytest.raises(TransportError, match="refused"):
        await wait(reader)
    # The last good answer came up to 5 s before that.
    assert PATIENCE - 5 < clock.now - 150 < PATIENCE + 20


@pytest.mark.parametrize(
    "error",
    [ResourceNotFound("no job", status=404), IllegalArgumentError("no job", status=400)],
)
async def test_a_job_just_created_may_be_unknown_briefly(error: Exception) -> None:
    reader = Reader(Clock(), lambda t: error if t < 1 else make_job(JobStatus.SUCCEEDED))
    assert (await wait(reader)).status is JobStatus.SUCCEEDED

    clock = Clock()
    with pytest.raises(type(error)):
        await wait(Reader(clock, lambda t: error))
    assert CREATION_GRACE <= clock.now - 100 < CREATION_GRACE + 0.5

    with pytest.raises(type(error)):
        await wait(Reader(Clock(), lambda t: make_job() if t == 0 else error))


async def test_an_error_that_stays_is_raised_at_once() -> None:
    reader = Reader(Clock(), lambda t: AuthenticationError("401", status=401))
    with pytest.raises(AuthenticationError):
        await wait(reader)
    assert len(reader.asked) == 1


async def test_a_conflict_is_not_taken_for_an_unknown_job() -> None:
    grace = CreationGrace(lambda: 0.0)
    assert not grace.tolerates(IllegalArgumentError("teapot", status=418))


def test_the_error_says_what_happened_and_what_to_do() -> None:
    job = make_job(
        JobStatus.FAILED,
        id="job-7",
        name="train",
        reason="OOMKilled",
        description="over 1 GiB",
        exit_code=137,
    )
    error = failure(job, ["loading", "Killed"])
    assert str(error).splitlines() == [
        "Job job-7 (train) ended failed with exit code 137: OOMKilled: over 1 GiB",
        "Last line of its log: Killed",
        "Read the whole log with client.jobs.logs('job-7')",
    ]
    assert (error.job, error.exit_code, error.reason) == (job, 137, "OOMKilled")
    assert (error.description, error.log_tail) == ("over 1 GiB", ("loading", "Killed"))


def test_the_error_of_a_cancelled_job_has_no_empty_parts() -> None:
    error = failure(make_job(JobStatus.CANCELLED, reason="UserRequested"), [])
    assert str(error).splitlines()[0] == "Job job-1 ended cancelled: UserRequested"
    assert error.exit_code is None
