"""Jobs of the platform: start, follow, steer and end them (jobs.md)."""

from ..streaming.channels import Message
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
from .streams import StdStream

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
    "Message",
    "StdStream",
]
