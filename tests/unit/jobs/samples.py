"""Jobs for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from yarl import URL

from neuro_client.jobs.models import JobDescription, JobStatus, JobStatusHistory
from neuro_client.models import Container, RemoteImage, Resources

CREATED = datetime(2022, 7, 1, 12, tzinfo=UTC)


def make_job(
    status: JobStatus = JobStatus.RUNNING,
    *,
    id: str = "job-1",
    age: int = 0,
    name: str | None = None,
    reason: str = "",
    description: str = "",
    exit_code: int | None = None,
) -> JobDescription:
    """Build a job that was created ``age`` seconds before ``CREATED``."""
    return JobDescription(
        id=id,
        owner="ada",
        cluster_name="alpha",
        status=status,
        history=JobStatusHistory(
            status,
            reason,
            description,
            created_at=CREATED - timedelta(seconds=age),
            exit_code=exit_code,
        ),
        container=Container(RemoteImage("ubuntu", "22.04"), Resources(2**30, 1.0)),
        scheduler_enabled=False,
        pass_config=False,
        uri=URL(f"job://alpha/ada/{id}"),
        total_price_credits=Decimal(0),
        price_credits_per_hour=Decimal(0),
        name=name,
    )
