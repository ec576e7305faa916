"""A job behind the protocol that all kinds of runs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ..run import RunStatus
from .models import JobDescription

if TYPE_CHECKING:
    from .api import Jobs


class JobRun:
    """Steer one job; implements ``neuro_client.run.Run``. Obtained from ``client.jobs.get_run``."""

    def __init__(self, jobs: Jobs, id: str, cluster_name: str | None = None) -> None:
        self._jobs = jobs
        self._id = id
        self._cluster_name = cluster_name

    def __repr__(self) -> str:
        return f"<JobRun {self._id}>"

    @property
    def id(self) -> str:
        """Return the job's id."""
        return self._id

    async def status(self) -> RunStatus:
        """Ask for the present state."""
        job = await self._jobs.status(self._id)
        return RunStatus(job.status.value)

    async def wait(self, *, timeout: float | None = None, check: bool = True) -> JobDescription:
        """Wait for the end, see ``Jobs.wait``."""
        return await self._jobs.wait(
            self._id, timeout=timeout, check=check, cluster_name=self._cluster_name
        )

    def logs(
        self, *, follow: bool = True, tail: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield the lines of the log, see ``Jobs.logs``."""
        return self._jobs.logs(self._id, follow=follow, tail=tail, cluster_name=self._cluster_name)

    async def stop(self) -> None:
        """Kill the job; one that has ended stays as it is."""
        await self._jobs.kill(self._id)
