"""How a job is rendered, and which exit code ``run`` makes of its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest
from yarl import URL

from neuro_client.cli.job_views import job_document, outcome, print_job
from neuro_client.cli.run import _code
from neuro_client.jobs import JobDescription, JobStatus, JobStatusItem
from tests.unit.jobs.samples import make_job

MOMENT = datetime(2022, 7, 1, 12, tzinfo=UTC)


def _ended(status: JobStatus, exit_code: int | None, *states: JobStatus) -> JobDescription:
    job = make_job(status, exit_code=exit_code)
    history = attrs.evolve(
        job.history, transitions=[JobStatusItem(state, MOMENT) for state in states]
    )
    return attrs.evolve(job, history=history)


_PENDING, _RUNNING = JobStatus.PENDING, JobStatus.RUNNING


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (_ended(JobStatus.SUCCEEDED, 0, _PENDING, _RUNNING), 0),
        (_ended(JobStatus.SUCCEEDED, None, _PENDING, _RUNNING), 0),
        (_ended(JobStatus.FAILED, 7, _PENDING, _RUNNING), 7),
        (_ended(JobStatus.FAILED, 127, _PENDING), 127),
        (_ended(JobStatus.FAILED, None, _PENDING, _RUNNING), 1),
        (_ended(JobStatus.FAILED, 0, _PENDING, _RUNNING), 1),
        (_ended(JobStatus.FAILED, None, _PENDING), 125),
        (_ended(JobStatus.CANCELLED, None, _PENDING), 125),
        (_ended(JobStatus.CANCELLED, None, _PENDING, _RUNNING), 1),
        (_ended(JobStatus.CANCELLED, 137, _PENDING, _RUNNING), 137),
        (_ended(JobStatus.FAILED, None), 1),  # a service that does not tell the history
    ],
)
def test_run_ends_with_the_code_of_the_job(job: JobDescription, code: int) -> None:
    assert _code(job) == code


def test_the_keys_of_a_job_are_a_contract() -> None:
    document = json.loads(json.dumps(job_document(make_job(name="n", exit_code=3))))
    assert list(document) == [
        *("id", "name", "status", "owner", "cluster", "org", "uri"),
        *("image", "entrypoint", "command", "preset", "tags", "description"),
        *("created_at", "started_at", "finished_at", "exit_code", "reason"),
        *("reason_description", "restarts", "run_time", "life_span", "schedule_timeout"),
        *("restart_policy", "priority", "http_url", "volumes"),
        *("price_credits_per_hour", "total_price_credits"),
    ]
    assert document["created_at"] == "2022-07-01T12:00:00+00:00"
    assert document["image"] == "ubuntu:22.04"
    assert document["http_url"] is None


def test_the_environment_of_a_job_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    job = make_job()
    container = attrs.evolve(job.container, env={"KEY": "hidden"})
    job = attrs.evolve(job, container=container, http_url=URL("http://x/y"))
    print_job(job)
    shown = capsys.readouterr().out
    assert "hidden" not in shown + json.dumps(job_document(job))
    assert "http://x/y" in shown


def test_the_end_of_a_job_in_one_line() -> None:
    job = make_job(
        JobStatus.FAILED, name="n", exit_code=137, reason="OOMKilled", description="too much"
    )
    assert outcome(job) == "Job job-1 (n) failed with exit code 137 (OOMKilled: too much)"
    assert outcome(make_job(JobStatus.SUCCEEDED)) == "Job job-1 succeeded"
