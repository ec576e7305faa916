"""Jobs of the platform: start, follow, steer and end them (jobs.md)."""

from .api import Jobs
from .models import (
    JobDescription,
    JobDescriptionInternal,
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    JobStatusHistory,
    JobStatusItem,
    JobTelemetry,
)
from .run import JobRun

__all__ = [
    "JobDescription",
    "JobDescriptionInternal",
    "JobPriority",
    "JobRestartPolicy",
    "JobRun",
    "JobStatus",
    "JobStatusHistory",
    "JobStatusItem",
    "JobTelemetry",
    "Jobs",
]
