"""Jobs as the scheduler keeps them; times are epoch seconds, sizes bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

PENDING, SUSPENDED, RUNNING = "pending", "suspended", "running"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
STATUSES = (PENDING, SUSPENDED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
FINISHED = frozenset({SUCCEEDED, FAILED, CANCELLED})
PRIORITIES = {"low": -1, "normal": 0, "high": 1}
RESTARTING = "Restarting"


@attrs.frozen
class StatusItem:
    """One step in the life of a job (jobs.md §4 ``statuses``)."""

    status: str
    time: float
    reason: str | None = None
    description: str | None = None
    exit_code: int | None = None


@attrs.frozen(kw_only=True)
class JobSpec:
    """What was asked for; never changes."""

    container: Mapping[str, Any]
    """The object of the job JSON, resources included."""
    name: str | None = None
    preset_name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    schedule_timeout: float | None = None
    restart_policy: str = "never"
    wait_for_jobs_quota: bool = False
    privileged: bool = False
    priority: str = "normal"
    scheduler_enabled: bool = False
    preemptible_node: bool = False
    pass_config: bool = False
    price: str = "0"
    """Credits per hour."""


@attrs.frozen(kw_only=True)
class Job:
    """A job and its history."""

    id: str
    owner: str
    cluster: str
    org: str | None
    spec: JobSpec
    statuses: tuple[StatusItem, ...]
    run: int = -1
    """Number of the latest run, -1 before the first."""
    max_run_time_minutes: int | None = None
    stopping: bool = False
    """Whether the latest run is to end: the status is of what comes after it."""
    charged: str = "0"
    """Credits already taken from the owner's account."""
    materialized: bool = False
    being_dropped: bool = False
    logs_removed: bool = False

    @property
    def current(self) -> StatusItem:
        """Give the latest step."""
        return self.statuses[-1]

    @property
    def status(self) -> str:
        """Give the status by its name on the wire."""
        return self.current.status

    @property
    def finished(self) -> bool:
        """Tell whether nothing will happen any more."""
        return self.status in FINISHED

    @property
    def base_owner(self) -> str:
        """Give the owner without a role below him."""
        return self.owner.partition("/")[0]

    @property
    def created_at(self) -> float:
        """Give the time of the first step."""
        return self.statuses[0].time

    @property
    def started_at(self) -> float | None:
        """Give the time of the first run; of the end for a job that never ran."""
        for item in self.statuses:
            if item.status == RUNNING:
                return item.time
        return self.finished_at

    @property
    def finished_at(self) -> float | None:
        """Give the time of the end."""
        return self.current.time if self.finished else None

    @property
    def restarts(self) -> int:
        """Count the runs that replaced an earlier one."""
        return sum(item.reason == RESTARTING for item in self.statuses)

    @property
    def cpu(self) -> float:
        """Give the CPU units asked for."""
        return float(self.spec.container["resources"]["cpu"])

    @property
    def memory(self) -> int:
        """Give the memory asked for."""
        return int(self.spec.container["resources"]["memory"])

    @property
    def uri_path(self) -> str:
        """Give the job's URI without its last part: ``job://cluster[/org]/owner``."""
        org = f"/{self.org}" if self.org else ""
        return f"job://{self.cluster}{org}/{self.owner}"

    def run_time(self, now: float) -> float:
        """Add up the intervals spent running, in seconds."""
        ends = [item.time for item in self.statuses[1:]] + [now]
        pairs = zip(self.statuses, ends, strict=True)
        return sum(max(0.0, end - item.time) for item, end in pairs if item.status == RUNNING)

    def price(self, now: float) -> Decimal:
        """Give the credits used so far."""
        hours = Decimal(str(self.run_time(now))) / 3600
        return (hours * Decimal(self.spec.price)).quantize(Decimal("0.000001"))

    def moved(self, item: StatusItem) -> Job:
        """Give the job with one more step."""
        return attrs.evolve(self, statuses=(*self.statuses, item))


@attrs.define
class Run:
    """Hold a run whose processes may exist."""

    number: int
    since: float
    stopping: bool = False
    charged: float = attrs.Factory(lambda self: self.since, takes_self=True)


def dump(job: Job) -> str:
    """Write a job as JSON for the database."""
    return json.dumps(attrs.asdict(job))


def load(text: str) -> Job:
    """Read what `dump` wrote."""
    value = json.loads(text)
    spec = value.pop("spec")
    spec["tags"] = tuple(spec["tags"])
    statuses = tuple(StatusItem(**item) for item in value.pop("statuses"))
    return Job(**value, spec=JobSpec(**spec), statuses=statuses)
