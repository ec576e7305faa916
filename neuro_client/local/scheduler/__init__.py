"""The scheduler: what state each job is in, and which job runs next."""

from __future__ import annotations

from .control import JobControl
from .models import FINISHED, Job, JobSpec, StatusItem
from .policy import Capacity, Timing
from .store import SCHEMA, DuplicateNameError, JobStore

__all__ = [
    "FINISHED",
    "SCHEMA",
    "Capacity",
    "DuplicateNameError",
    "Job",
    "JobControl",
    "JobSpec",
    "JobStore",
    "StatusItem",
    "Timing",
]
