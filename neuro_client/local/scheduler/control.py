"""The state machine of all jobs, run by one task group.

The jobs that are not settled are held in memory, each changed in one step without an ``await``;
`_commit` then writes every changed job. Whoever acknowledges a change commits first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from ..runners import Exit, Runner, RunnerError
from ..services.base import Platform
from . import accounts, policy
from .launch import Resolvers, run_spec
from .models import (
    CANCELLED,
    FAILED,
    PENDING,
    RESTARTING,
    RUNNING,
    SUSPENDED,
    Job,
    Run,
    StatusItem,
)
from .policy import Capacity, Timing
from .store import JobStore

_LONG = 3600.0
_AFTER_FAILURE = 1.0

_log = logging.getLogger(__name__)


class JobControl:
    """Create, run, stop and look up jobs; ``platform.jobs`` is it."""

    def __init__(
        self, platform: Platform, store: JobStore, runner: Runner, capacity: Capacity
    ) -> None:
        self.store = store
        self.runner = runner
        self.capacity = capacity
        self.timing = Timing()
        self.resolvers = Resolvers()
        self._accounts = accounts.Accounts(platform)
        self._platform = platform
        self._jobs: dict[str, Job] = {}
        self._runs: dict[str, Run] = {}
        self._not_before: dict[str, float] = {}
        self._dirty: set[str] = set()
        self._committing = asyncio.Lock()
        self._wake = asyncio.Event()

    # -- looking up ---------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job | None:
        """Give a job by its id, as last committed or newer."""
        return self._jobs.get(job_id) or await self.store.get(job_id)

    def current_run(self, job_id: str) -> int | None:
        """Give the number of the run whose processes may still exist and write."""
        run = self._runs.get(job_id)
        return None if run is None else run.number

    def unfinished(self) -> list[Job]:
        """List the jobs that are not finished."""
        return [job for job in self._jobs.values() if not job.finished]

    def free(self) -> Capacity:
        """Give what the running jobs leave of the machine."""
        left = self.capacity
        for job_id in self._runs:
            job = self._jobs[job_id]
            left = left.less(job.cpu, job.memory)
        return left

    # -- changing -----------------------------------------------------------------------------

    async def create(self, job: Job) -> None:
        """Take a new job; it is stored when this returns. Raises `DuplicateNameError`."""
        await self.store.insert(job)
        self._jobs[job.id] = job
        self._tell(job.id)

    async def cancel(
        self, job_id: str, reason: str = "UserRequested", description: str | None = None
    ) -> None:
        """End a job; nothing happens to a finished one."""
        if self._leave(job_id, CANCELLED, reason, description):
            await self._commit()
            await self._stop(job_id)

    async def preempt(self, job_id: str) -> None:
        """Take a running ``preemptible_node`` job its machine away: it is killed and restarted.

        Raises `ValueError` for a job that is not running or not preemptible.
        """
        job = self._jobs.get(job_id)
        if job is None or job.status != RUNNING:
            raise ValueError(f"job {job_id} is not running")
        if not job.spec.preemptible_node:
            raise ValueError(f"job {job_id} does not run on preemptible nodes")
        self._leave(job_id, PENDING, RESTARTING, "The node was preempted")
        run = self._runs[job_id].number
        await self._commit()
        await self.runner.kill(job_id, run)

    async def kill(self, job_id: str) -> bool:
        """Send SIGKILL to a running job; False if it does not run."""
        job, run = self._jobs.get(job_id), self._runs.get(job_id)
        if job is None or run is None or job.status != RUNNING:
            return False
        return await self.runner.kill(job_id, run.number)

    async def update(self, job: Job) -> None:
        """Store a job changed in something other than its status."""
        if job.id in self._jobs:
            self._jobs[job.id] = job
            self._dirty.add(job.id)
            self._tell(job.id)
            await self._commit()
        else:
            await self.store.save([job])

    # -- running ------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Adopt what an earlier platform left, run jobs meanwhile, stop them at the end."""
        async with asyncio.TaskGroup() as group:
            for job in await self.store.unsettled():
                self._adopt(group, job)
            manager = group.create_task(self._manage(group))
            try:
                yield
            finally:
                manager.cancel()
            for job_id in list(self._runs):
                await self._shut_down(job_id)

    def _adopt(self, group: asyncio.TaskGroup, job: Job) -> None:
        self._jobs[job.id] = job
        if job.materialized:
            self._runs[job.id] = Run(job.run, time.time(), job.stopping or job.finished)
            group.create_task(self._attend(job.id))
        elif job.status == RUNNING:  # cannot be by our own doing
            self._leave(job.id, FAILED, "Error", "The run of the job was not found")

    async def _shut_down(self, job_id: str) -> None:
        """Stop a job for the end of the platform; one with a restart policy goes on later."""
        job = self._jobs.get(job_id)  # it may end while another one is stopped
        if job is not None and job.status == RUNNING:
            if job.spec.restart_policy == "never" and not job.spec.scheduler_enabled:
                self._leave(job_id, FAILED, "PlatformStopped", "The local platform was stopped")
            else:
                self._leave(job_id, PENDING, RESTARTING, "The local platform was stopped")
            await self._commit()
        if (run := self._runs.get(job_id)) is not None:
            run.stopping = True  # one that is just being started has nothing to stop yet
        await self._stop(job_id)

    def wake(self) -> None:
        """Look at once whether something can be done, after a setting changed."""
        self._wake.set()

    async def _manage(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._pass(group)
            except Exception:  # one job, or a full disk, must not take the platform down
                _log.exception("the jobs could not be looked after; trying again")
                pause = _AFTER_FAILURE
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _pass(self, group: asyncio.TaskGroup) -> float:
        """Do what is due now; give the seconds until the next thing is."""
        now = time.time()
        due = [_LONG]
        ended = []
        for job in list(self._jobs.values()):
            if job.finished:
                continue
            left = self._life_left(job, now)
            if left is not None and left <= 0:
                if self._leave(job.id, CANCELLED, "LifeSpanEnded"):
                    ended.append(job.id)
            elif left is not None and job.status == RUNNING:
                due.append(left)
            left = self._schedule_left(job, now)
            if left is not None and left <= 0:
                text = "Failed to get the resources the job needs within its schedule timeout"
                self._leave(job.id, FAILED, "ClusterScaleUpFailed", text)
            elif left is not None:
                due.append(left)
        await self._charge_running(now, due)
        waiting = await self._waiting(now, due)
        stoppable = self._stoppable(now, due) if waiting else {}
        decision = policy.decide(waiting, stoppable, self.free(), quantum=self.timing.quantum)
        for job_id in decision.suspend:
            if self._leave(job_id, SUSPENDED, None):
                ended.append(job_id)
        for job_id in decision.start:
            self._begin(group, job_id, now)
        for job in waiting:
            if job.id not in decision.start and job.current.reason == "Creating":
                self._move(job.id, StatusItem(PENDING, now, "Scheduling"))
        await self._commit()
        for job_id in ended:
            await self._stop(job_id)
        return max(0.001, min(due))

    async def _waiting(self, now: float, due: list[float]) -> list[Job]:
        """List the jobs that may start now as far as they themselves are concerned."""
        found: list[Job] = []
        for job in list(self._jobs.values()):
            if job.status not in (PENDING, SUSPENDED) or job.id in self._runs:
                continue
            pause = self._not_before.get(job.id, 0.0) - now
            if pause > 0:
                due.append(pause)
            elif not job.spec.wait_for_jobs_quota or await self._may_run(job, found):
                found.append(self._jobs[job.id])
        return [job for job in found if not job.finished]

    async def _may_run(self, job: Job, chosen: list[Job]) -> bool:
        ids = {*self._runs, *(other.id for other in chosen)}
        return await self._accounts.may_run(job, [self._jobs[job_id] for job_id in ids])

    async def _charge(self, job_id: str, now: float) -> None:
        """Take what a job used since the last time; end it when the credits are gone."""
        job, amount = accounts.charged(self._jobs[job_id], now)
        self._jobs[job_id] = job
        self._dirty.add(job_id)
        await self._commit()  # noted before it is taken: a crash in between favours the user
        await self._accounts.spend(job, amount)
        if job.status == RUNNING and await self._accounts.exhausted(job):
            await self.cancel(job_id, "QuotaExhausted", "There are no credits left")

    async def _charge_running(self, now: float, due: list[float]) -> None:
        for job_id, run in list(self._runs.items()):
            if job_id in self._runs and self._jobs[job_id].status == RUNNING:
                if now - run.charged >= self.timing.charge:
                    run.charged = now
                    await self._charge(job_id, now)
                due.append(run.charged + self.timing.charge - now)

    def _stoppable(self, now: float, due: list[float]) -> dict[str, tuple[Job, float]]:
        """Map the jobs that may have to make room to how long they run; none while some do."""
        if any(run.stopping for run in self._runs.values()):
            return {}
        found = {}
        for job_id, run in self._runs.items():
            job = self._jobs[job_id]
            if job.spec.scheduler_enabled and job.status == RUNNING:
                found[job_id] = (job, now - run.since)
                due.append(max(0.0, self.timing.quantum - (now - run.since)) or _LONG)
        return found

    def _life_left(self, job: Job, now: float) -> float | None:
        if job.max_run_time_minutes is None:
            return None
        return job.max_run_time_minutes * self.timing.minute - job.run_time(now)

    def _schedule_left(self, job: Job, now: float) -> float | None:
        if job.spec.schedule_timeout is None or job.status != PENDING or job.id in self._runs:
            return None
        since = job.created_at if job.run < 0 else job.current.time
        return since + job.spec.schedule_timeout - now

    def _begin(self, group: asyncio.TaskGroup, job_id: str, now: float) -> None:
        job = attrs.evolve(self._jobs[job_id], run=self._jobs[job_id].run + 1, materialized=True)
        self._jobs[job_id] = job
        self._dirty.add(job_id)
        self._not_before.pop(job_id, None)
        self._runs[job_id] = Run(job.run, now)
        group.create_task(self._attend(job_id, start=True))

    async def _attend(self, job_id: str, *, start: bool = False) -> None:
        """See one run through, from its start (or adoption) to its end."""
        run = self._runs[job_id]
        try:
            if start:
                await self._commit()  # the run must be known before it exists
                await self._start(job_id, run)
            else:
                await self._resume(job_id, run)
            result = await self.runner.wait(job_id, run.number)
        except RunnerError as error:
            result = Exit(None, failure=str(error))
        await self.runner.forget(job_id)
        job = self._jobs[job_id]
        if job.status == RUNNING or not (job.finished or run.stopping):
            self._ended(job, result)
        del self._runs[job_id]
        self._jobs[job_id] = attrs.evolve(self._jobs[job_id], materialized=False, stopping=False)
        self._tell(job_id)
        await self._charge(job_id, time.time())

    async def _start(self, job_id: str, run: Run) -> None:
        if run.stopping:
            return
        spec = await run_spec(
            self._platform,
            self.resolvers,
            self._jobs[job_id],
            run.number,
            grace=self.timing.grace,
            runner=self.runner,
        )
        started = await self.runner.start(spec)
        run.since = max(started, self._jobs[job_id].current.time)
        if run.stopping or self._jobs[job_id].finished:
            await self.runner.stop(job_id, run.number)
            return
        self._move(job_id, StatusItem(RUNNING, run.since))
        await self._commit()

    async def _resume(self, job_id: str, run: Run) -> None:
        """Take a run over that an earlier platform started, or was about to start."""
        if not run.stopping and self._jobs[job_id].status != RUNNING:
            started = await self.runner.find(job_id, run.number)
            if started is None:
                run.stopping = True  # nothing to end: the job just waits again
            elif not run.stopping:
                run.since = max(started, self._jobs[job_id].current.time)
                self._move(job_id, StatusItem(RUNNING, run.since))
                await self._commit()
        if run.stopping:
            await self.runner.stop(job_id, run.number)

    def _ended(self, job: Job, result: Exit) -> None:
        """Say what the end of a run means for the job."""
        item = policy.outcome(job, result, time.time())
        if item.reason == RESTARTING:
            self._not_before[job.id] = time.time() + policy.backoff(self.timing, job.restarts)
        self._move(job.id, item)

    # -- steps --------------------------------------------------------------------------------

    def _leave(
        self, job_id: str, status: str, reason: str | None, description: str | None = None
    ) -> bool:
        """Move an unfinished job to a status without processes; its run is stopped later."""
        job = self._jobs.get(job_id)
        if job is None or job.finished:
            return False
        now = max(time.time(), job.current.time)
        run = self._runs.get(job_id)
        if run is not None:
            run.stopping = True
        self._jobs[job_id] = attrs.evolve(job, stopping=run is not None)
        self._move(job_id, StatusItem(status, now, reason, description))
        return True

    def _move(self, job_id: str, item: StatusItem) -> None:
        self._jobs[job_id] = self._jobs[job_id].moved(item)
        self._dirty.add(job_id)
        self._tell(job_id)

    async def _stop(self, job_id: str) -> None:
        run = self._runs.get(job_id)
        if run is not None:
            await self.runner.stop(job_id, run.number)

    def _tell(self, job_id: str) -> None:
        self._wake.set()
        self._platform.state.notify("job", job_id)

    async def _commit(self) -> None:
        """Write every changed job; what fails or is cancelled is written by the next call."""
        async with self._committing:
            taken, self._dirty = self._dirty, set()
            try:
                if taken:
                    await self.store.save([self._jobs[job_id] for job_id in sorted(taken)])
            except BaseException:
                self._dirty |= taken
                raise
        for job_id in taken:
            self._settle(job_id)

    def _settle(self, job_id: str) -> None:
        """Forget a finished job that is written and has no processes."""
        job = self._jobs.get(job_id)
        if job is not None and job.finished and job_id not in (*self._runs, *self._dirty):
            del self._jobs[job_id]
            self._not_before.pop(job_id, None)
