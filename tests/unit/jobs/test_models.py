"""The records keep the published order, defaults and texts (public-api.md §6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import pytest
from yarl import URL

from neuro_client.jobs import (
    JobDescription,
    JobDescriptionInternal,
    JobPriority,
    JobRestartPolicy,
    JobRun,
    Jobs,
    JobStatus,
    JobStatusHistory,
    JobStatusItem,
)
from neuro_client.run import Run, RunStatus

from .samples import CREATED, make_job


def test_the_words_of_a_status() -> None:
    assert str(JobStatus.RUNNING) == f"{JobStatus.RUNNING}" == "running"
    assert f"{JobStatus.RUNNING:>9}" == "  running"
    assert JobStatus("failed") is JobStatus.FAILED
    assert JobStatus.FAILED == "failed"  # type: ignore[comparison-overlap]
    with pytest.raises(ValueError, match="other"):
        JobStatus("other")


def test_the_groups_of_states() -> None:
    pending = {JobStatus.PENDING, JobStatus.SUSPENDED}
    finished = {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}
    assert {s for s in JobStatus if s.is_pending} == pending
    assert {s for s in JobStatus if s.is_running} == {JobStatus.RUNNING}
    assert {s for s in JobStatus if s.is_finished} == JobStatus.finished_items() == finished
    assert JobStatus.active_items() == pending | {JobStatus.RUNNING}
    assert JobStatus.items() == set(JobStatus) - {JobStatus.UNKNOWN}
    assert JobStatus.items() is not JobStatus.items()


def test_restart_policies_show_their_value() -> None:
    policy = JobRestartPolicy.ON_FAILURE
    assert str(policy) == repr(policy) == f"{policy}" == "on-failure"


def test_priorities_are_ordered() -> None:
    assert [int(p) for p in sorted(JobPriority)] == [1, 2, 3]


@pytest.mark.parametrize("status", list(JobStatus))
def test_when_the_state_began(status: JobStatus) -> None:
    times = [CREATED + timedelta(seconds=n) for n in range(4)]
    item = JobStatusItem(status, times[3])
    history = JobStatusHistory(status, "", "", 0, times[0], times[1], times[2], transitions=[item])
    expected: datetime = {
        JobStatus.PENDING: times[0],
        JobStatus.RUNNING: times[1],
        JobStatus.SUSPENDED: times[1],
        JobStatus.UNKNOWN: times[3],
    }.get(status, times[2])
    assert history.changed_at == expected


def test_a_time_that_is_needed_must_be_there() -> None:
    with pytest.raises(AssertionError):
        _ = JobStatusHistory(JobStatus.RUNNING, "", "").changed_at


def test_a_description_is_frozen_and_positional() -> None:
    job = make_job()
    assert [field.name for field in attrs.fields(JobDescription)][:12] == [
        "id",
        "owner",
        "cluster_name",
        "status",
        "history",
        "container",
        "scheduler_enabled",
        "pass_config",
        "uri",
        "total_price_credits",
        "price_credits_per_hour",
        "name",
    ]
    values = [getattr(job, field.name) for field in attrs.fields(JobDescription)]
    assert JobDescription(*values) == job
    assert attrs.evolve(job, name="x").name == "x"
    assert (job.http_url, job.tags) == (URL(), ())
    assert job._internal == JobDescriptionInternal(False, False, False)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        job.id = "other"  # type: ignore[misc]


def test_a_job_is_a_run_in_the_shared_words() -> None:
    run: Run = JobRun(object.__new__(Jobs), "job-1")
    assert isinstance(run, Run)
    assert run.id == "job-1"
    assert [s.value for s in RunStatus] == [s.value for s in JobStatus]
    assert {s.value for s in RunStatus if s.is_finished} == {
        s.value for s in JobStatus.finished_items()
    }
