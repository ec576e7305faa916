"""One submission id, one job: against a platform whose answers get lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import (
    AuthorizationError,
    IllegalArgumentError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ServerNotAvailable,
    TransportError,
    TransportTimeoutError,
)
from neuro_client.jobs.models import JobDescription, JobStatus
from neuro_client.jobs.submission import Submission, submission_tag
from neuro_client.retry import RetryPolicy

from .samples import make_job


async def no_sleep(_: float) -> None:
    """Return at once."""


@attrs.define
class Platform:
    """Create jobs; ``script`` says for each POST what the caller sees and whether it landed."""

    script: list[tuple[Exception | None, bool]] = attrs.field(factory=list)
    jobs: list[JobDescription] = attrs.field(factory=list)
    listing_lag: int = 0
    """So many listings after a POST do not show it yet."""
    list_errors: list[Exception] = attrs.field(factory=list)
    calls: list[str] = attrs.field(factory=list)

    async def post(self) -> JobDescription:
        self.calls.append("POST")
        error, landed = self.script.pop(0) if self.script else (None, True)
        if landed:
            self.jobs.append(make_job(id=f"job-{len(self.jobs)}", age=-len(self.jobs)))
        if error is not None:
            raise error
        return self.jobs[-1]

    async def find(self) -> Sequence[JobDescription]:
        self.calls.append("GET")
        if self.list_errors:
            raise self.list_errors.pop(0)
        if self.jobs and self.listing_lag:
            self.listing_lag -= 1
            return []
        return list(self.jobs)

    async def kill(self, id: str) -> None:
        self.calls.append(f"DELETE {id}")
        at = next(i for i, job in enumerate(self.jobs) if job.id == id)
        self.jobs[at] = attrs.evolve(self.jobs[at], status=JobStatus.CANCELLED)

    def running(self) -> list[str]:
        return [job.id for job in self.jobs if not job.status.is_finished]

    async def submit(self, *, named: bool = False, attempts: int = 8) -> JobDescription:
        return await Submission(
            post=self.post,
            find=self.find,
            kill=self.kill,
            named=named,
            retry=RetryPolicy(attempts=attempts),
            sleep=no_sleep,
        ).submit()


AMBIGUOUS: list[Exception] = [
    TransportError("reset"),
    TransportTimeoutError("silent"),
    ServerError("500", status=500),
    ServerNotAvailable("502", status=502),
    ProtocolError("half an answer"),
]
CLASH = IllegalArgumentError("the name is taken", status=400)


async def test_a_first_start_looks_sends_and_looks_again() -> None:
    platform = Platform()
    assert (await platform.submit()).id == "job-0"
    assert platform.calls == ["GET", "POST", "GET"]


@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED])
async def test_a_restarted_program_gets_the_job_it_had_started(status: JobStatus) -> None:
    platform = Platform(jobs=[make_job(status, id="job-0")])
    assert (await platform.submit()).id == "job-0"
    assert platform.calls == ["GET"]


@pytest.mark.parametrize("error", AMBIGUOUS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("landed", [True, False])
async def test_a_lost_answer_is_looked_up(error: Exception, landed: bool) -> None:
    platform = Platform([(error, landed)])
    assert (await platform.submit()).id == "job-0"
    assert len(platform.jobs) == 1
    assert platform.calls.count("POST") == (1 if landed else 2)


async def test_a_job_that_shows_up_late_wins_over_its_twin() -> None:
    platform = Platform([(TransportError("reset"), True)], listing_lag=1)
    assert (await platform.submit()).id == "job-0"
    assert platform.running() == ["job-0"]
    assert platform.calls == ["GET", "POST", "GET", "POST", "GET", "DELETE job-1"]


async def test_later_twins_of_an_earlier_start_are_killed() -> None:
    platform = Platform(
        jobs=[
            make_job(id="job-0", age=5),
            make_job(id="job-1", age=9),
            make_job(JobStatus.FAILED, id="job-2"),
        ]
    )
    assert (await platform.submit()).id == "job-1"
    assert platform.calls == ["GET", "DELETE job-0"]


async def test_a_name_clash_after_a_lost_answer_is_the_job_itself() -> None:
    platform = Platform([(TransportError("reset"), True), (CLASH, False)], listing_lag=2)
    assert (await platform.submit(named=True)).id == "job-0"
    assert platform.calls.count("POST") == 3
    assert platform.running() == ["job-0"]


async def test_a_name_clash_with_the_twin_of_another_program_is_adopted() -> None:
    platform = Platform([(CLASH, False)])

    async def post() -> JobDescription:
        platform.jobs.append(make_job(id="job-other"))
        return await platform.post()

    submission = Submission(post, platform.find, platform.kill, named=True, sleep=no_sleep)
    assert (await submission.submit()).id == "job-other"


@pytest.mark.parametrize("named", [True, False])
async def test_a_refusal_is_raised_at_once(named: bool) -> None:
    platform = Platform([(CLASH, False)])
    with pytest.raises(IllegalArgumentError, match="the name is taken"):
        await platform.submit(named=named)
    assert platform.calls.count("POST") == 1


async def test_no_right_is_raised_at_once() -> None:
    platform = Platform([(AuthorizationError("403", status=403), False)])
    with pytest.raises(AuthorizationError) as caught:
        await platform.submit()
    assert not hasattr(caught.value, "__notes__")


async def test_a_busy_server_is_asked_again() -> None:
    platform = Platform([(RateLimitError("429", status=429, retry_after=1), False)] * 2)
    assert (await platform.submit()).id == "job-0"
    assert platform.calls.count("POST") == 3


async def test_after_the_last_attempt_the_error_says_how_to_go_on() -> None:
    platform = Platform([(ServerError("500", status=500), False)] * 3)
    with pytest.raises(ServerError) as caught:
        await platform.submit(attempts=3)
    assert "same submission_id" in caught.value.__notes__[0]


async def test_a_refusal_after_lost_answers_says_how_to_go_on_too() -> None:
    platform = Platform(
        [(TransportError("reset"), False), (AuthorizationError("403", status=403), False)]
    )
    with pytest.raises(AuthorizationError) as caught:
        await platform.submit()
    assert "same submission_id" in caught.value.__notes__[0]


async def test_a_listing_that_fails_is_never_taken_for_an_empty_one() -> None:
    platform = Platform(jobs=[make_job(id="job-0")], list_errors=[TransportError("cut")] * 3)
    assert (await platform.submit()).id == "job-0"
    assert "POST" not in platform.calls


async def test_a_good_answer_counts_although_the_last_listing_fails() -> None:
    platform = Platform()

    async def find() -> Sequence[JobDescription]:
        platform.calls.append("GET")
        if platform.jobs:
            raise TransportError("cut")
        return []

    submission = Submission(platform.post, find, platform.kill, named=False, sleep=no_sleep)
    assert (await submission.submit()).id == "job-0"


@given(
    st.lists(st.tuples(st.sampled_from([*AMBIGUOUS, CLASH, None]), st.booleans()), max_size=5).map(
        lambda items: [(e, landed and e is not CLASH) for e, landed in items]
    ),
    st.integers(0, 3),
    st.booleans(),
)
async def test_whatever_gets_lost_one_job_runs(
    script: list[tuple[Exception | None, bool]], lag: int, named: bool
) -> None:
    script = [(error, landed or error is None) for error, landed in script]
    platform = Platform(script, listing_lag=lag)
    first: JobDescription | None = None
    with suppress(IllegalArgumentError):
        first = await platform.submit(named=named)
    # The program is started again, with the same id, when the trouble is over.
    platform.script.clear()
    platform.listing_lag = 0
    job = await platform.submit(named=named)
    assert platform.running() == [job.id]
    if not lag:
        assert first is None or first == job


@pytest.mark.parametrize("bad", ["", "a b", "a\n", "\u00a0", "x" * 201, " x"])
def test_unusable_ids(bad: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 characters"):
        submission_tag(bad)


@pytest.mark.parametrize("good", ["x", "x" * 200, "run:1/é"])
def test_usable_ids(good: str) -> None:
    assert submission_tag(good) == f"submission:{good}"
    assert len(submission_tag(good)) <= 256
