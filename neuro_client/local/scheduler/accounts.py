"""What jobs cost and how many may run (config-and-auth.md §10)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from ..services.base import Platform
from .models import Job


class Accounts:
    """Compare jobs with the limits of their users and organizations."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def may_run(self, job: Job, taken: Iterable[Job]) -> bool:
        """Tell whether one more job may run beside those that ``taken`` lists."""
        place = (job.cluster, job.org)
        beside = [other for other in taken if (other.cluster, other.org) == place]
        for name in _names(job):
            limit = (await self._platform.quota(name, *place)).total_running_jobs
            used = sum(name in (None, other.owner) for other in beside)
            if limit is not None and used >= limit:
                return False
        return True

    async def exhausted(self, job: Job) -> bool:
        """Tell whether no credits are left for the job."""
        for name in _names(job):
            credits = (await self._platform.quota(name, job.cluster, job.org)).credits
            if credits is not None and credits <= 0:
                return True
        return False

    async def spend(self, job: Job, amount: Decimal) -> None:
        """Take from the credits what a job has used."""
        if amount > 0:
            await self._platform.quotas.spend(job.owner, job.cluster, job.org, amount)


def charged(job: Job, now: float) -> tuple[Job, Decimal]:
    """Give the job with all it has used so far noted, and what was not noted before."""
    total = job.price(now)
    return attrs.evolve(job, charged=str(total)), total - Decimal(job.charged)


def _names(job: Job) -> list[str | None]:
    """List whose limits count; None stands for the organization."""
    return [job.owner, None] if job.org else [job.owner]
