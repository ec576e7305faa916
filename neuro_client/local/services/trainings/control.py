"""The state machine of all trainings, run by one task group (runai-trainings.md §4.1)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from ..base import Platform
from . import steps
from .launch import Launcher
from .ledger import Ledger
from .models import (
    COMPLETED,
    CREATING,
    DELETED,
    DELETING,
    INITIALIZING,
    PENDING,
    RESUMING,
    RUNNING,
    STOPPED,
    STOPPING,
    Workload,
)
from .notes import Notes
from .org import Organization
from .pods import Pods
from .policy import Candidate, decide
from .resources import Amount, preemptible, priority_class, priority_of, request
from .store import TrainingStore

_LONG = 3600.0
_AFTER_FAILURE = 1.0
_GPUS = 8.0

_log = logging.getLogger(__name__)


class TrainingControl:
    """Create, run, stop and delete trainings."""

    def __init__(
        self, platform: Platform, store: TrainingStore, org: Organization, launcher: Launcher
    ) -> None:
        self.store = store
        self.org = org
        self.ledger = Ledger(platform.state, store, org)
        self.pods = Pods(self.ledger, launcher, platform.jobs.runner)
        self.gpus = _GPUS
        self._platform = platform
        self._launcher = launcher
        self._changing = asyncio.Lock()
        self._wake = asyncio.Event()
        self.ledger.changed = self._wake.set

    # -- changing -----------------------------------------------------------------------------

    async def create(self, workload: Workload) -> None:
        """Take a new training; it is stored when this returns. Raises `DuplicateName`."""
        noted = Notes(self.org)
        noted.phase(workload)
        await self.store.insert(workload, noted.waiting)
        self.ledger.add(workload)

    async def want(self, workload_id: str, desired: str) -> None:
        """Ask for another state; the phase follows later.

        Raises:
            KeyError: there is no such training, or it is deleted.
            ValueError: it is finished, so it can only be deleted.
        """
        async with self._changing:
            workload = await self.ledger.get(workload_id)
            if workload is None or workload.gone:
                raise KeyError(workload_id)
            if workload.finished and desired != DELETED:
                raise ValueError(f"is finished, its phase is {workload.phase}")
            if workload.desired == desired:
                return
            if workload.desired == DELETED:
                raise ValueError("is being deleted")
            workload = attrs.evolve(workload, desired=desired)
            if desired == DELETED:
                workload = attrs.evolve(workload, deleted_at=time.time())
            elif desired == RUNNING:
                self.pods.forgive(workload_id)
                workload = attrs.evolve(workload, failures=0)
            self.ledger.put(workload)
            if desired == RUNNING:
                self.ledger.move(workload_id, RESUMING)
            await self.ledger.commit()

    async def preempt(self, workload_id: str) -> None:
        """Take a training its resources away, as if another project claimed them.

        Raises `ValueError` for one that holds none or that cannot be preempted.
        """
        workload = self.ledger.live.get(workload_id)
        if workload is None or not steps.is_under_way(workload):
            raise ValueError(f"training {workload_id} holds no resources")
        if not preemptible(workload):
            raise ValueError(f"training {workload_id} cannot be preempted")
        self._preempt(workload_id)
        await self.ledger.commit()

    # -- running ------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Adopt what an earlier platform left, run trainings meanwhile, stop them at the end."""
        async with asyncio.TaskGroup() as group:
            for workload in await self.store.unsettled():
                self.ledger.add(workload)
                self.pods.adopt(group, workload)
            tasks = [
                group.create_task(self._manage(group)),
                group.create_task(self._follow_jobs()),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await self._shut_down()

    async def _shut_down(self) -> None:
        """Stop all pods; what ran goes on when the platform starts again."""
        for workload in list(self.ledger.live.values()):
            self.pods.evict(workload.id)
            if steps.is_under_way(workload):
                self.ledger.move(workload.id, PENDING, "The local platform was stopped")
        await self.ledger.commit()
        await self.pods.stop_evicted()
        await self.pods.end_all()

    async def _follow_jobs(self) -> None:
        """Look again whenever a job changed: what it held may be free."""
        async with self._platform.state.watch("job") as changes:
            async for _ in changes:
                self._wake.set()

    def wake(self) -> None:
        """Look at once whether something can be done, after a setting changed."""
        self._wake.set()

    async def _manage(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            began = loop.time()
            try:
                pause = await self._pass(group)
            except Exception:  # one training, or a full disk, must not take the platform down
                _log.exception("the trainings could not be looked after; trying again")
                pause = _AFTER_FAILURE
            # With very many trainings the requests get their share of the loop.
            await asyncio.sleep(min(0.5, loop.time() - began))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _pass(self, group: asyncio.TaskGroup) -> float:
        """Do what is due now; give the seconds until the next thing is."""
        now = time.time()
        due = [_LONG]
        for workload_id in list(self.ledger.live):
            if workload_id in self.ledger.live:  # a request may have settled it meanwhile
                await self._step(workload_id)
        self._schedule()
        for workload in list(self.ledger.live.values()):
            if steps.is_under_way(workload):
                due.append(self._advance(group, workload.id, now))
        await self.ledger.commit()
        await self.pods.stop_evicted()
        ids, later = await self.store.due(now)
        for workload_id in ids:
            with contextlib.suppress(KeyError):
                await self.want(workload_id, DELETED)
        if later is not None:
            due.append(later - now)
        return max(0.001, min(due))

    async def _step(self, workload_id: str) -> None:
        """Bring a training nearer to what is wanted of it, as far as that needs no resources."""
        workload = self.ledger.live[workload_id]
        leaving = workload.desired != RUNNING or workload.finished
        if workload.desired == DELETED and workload.phase != DELETING:
            self.ledger.move(workload_id, DELETING)
        elif workload.desired == STOPPED and workload.phase not in (STOPPING, STOPPED):
            self.ledger.move(workload_id, STOPPING)
        if leaving:
            self.pods.evict(workload_id)
        elif workload.phase in (CREATING, RESUMING):
            self.ledger.move(workload_id, PENDING)
        workload = self.ledger.live[workload_id]
        if workload.materialized:
            return
        if workload.admitted and (leaving or workload.phase == PENDING):
            self.ledger.put(attrs.evolve(workload, admitted=False))
        if leaving:
            await self._finish(workload_id)

    async def _finish(self, workload_id: str) -> None:
        """Let go what a training without processes no longer needs."""
        workload = self.ledger.live[workload_id]
        self.pods.forgive(workload_id)
        await self._launcher.release_claims(workload, self.org.projects[workload.project])
        if workload.phase == STOPPING:
            self.ledger.move(workload_id, STOPPED, workload.phase_message)
        elif workload.phase == DELETING:
            for pod in workload.pods:
                await self._launcher.release(pod, log=self.pods.runner.log_path(pod.run_id, 0))
            self.ledger.put(attrs.evolve(self.ledger.live[workload_id], gone=True))

    # -- resources ----------------------------------------------------------------------------

    def _candidate(self, workload: Workload) -> Candidate:
        return Candidate(
            id=workload.id,
            project=workload.project,
            department=self.org.projects[workload.project].department,
            need=request(workload),
            preemptible=preemptible(workload),
            priority=priority_of(priority_class(workload)),
            since=workload.phase_at,
        )

    def _schedule(self) -> None:
        """Set resources aside for those who wait, and take them from others where that is due."""
        waiting: list[Candidate] = []
        running: list[Candidate] = []
        leaving: list[Candidate] = []
        for workload in self.ledger.live.values():
            if workload.admitted:
                under_way = steps.is_under_way(workload)
                (running if under_way else leaving).append(self._candidate(workload))
            elif workload.phase == PENDING and workload.desired == RUNNING:
                waiting.append(self._candidate(workload))
        if not waiting:
            return
        left = self._platform.jobs.free()
        free = Amount(left.cpu, left.memory, self.gpus)
        for one in (*running, *leaving):
            free -= one.need
        decision = decide(waiting, running, free, self.org.quotas(), leaving=leaving)
        for workload_id in decision.preempt:
            self._preempt(workload_id)
        for workload_id in decision.start:
            self.ledger.put(attrs.evolve(self.ledger.live[workload_id], admitted=True))
            self.ledger.move(workload_id, INITIALIZING)
        for workload_id, (reason, text) in decision.waits.items():
            workload = self.ledger.live[workload_id]
            if (workload.phase_reason, workload.phase_message) != (reason, text):
                self.ledger.notes.event(workload, time.time(), "Unschedulable", text, warning=True)
                self.ledger.put(attrs.evolve(workload, phase_message=text, phase_reason=reason))

    def _preempt(self, workload_id: str) -> None:
        workload = self.ledger.live[workload_id]
        text = "The training was preempted: another project claimed its quota"
        self.ledger.notes.event(workload, time.time(), "Preempted", text, warning=True)
        self.pods.evict(workload_id)
        if workload.setting("terminateAfterPreemption") is True:
            self.ledger.put(attrs.evolve(self.ledger.live[workload_id], desired=STOPPED))
            self.ledger.move(workload_id, STOPPING, text)
        else:
            self.ledger.move(workload_id, PENDING, text)

    def _advance(self, group: asyncio.TaskGroup, workload_id: str, now: float) -> float:
        """See to a training that has resources; give the seconds until more is due."""
        workload = self.ledger.live[workload_id]
        ended = steps.ending(workload)
        if ended is not None:
            phase, message = ended
            self.pods.evict(workload_id)
            self.ledger.move(workload_id, phase, message)
            good = phase == COMPLETED
            reason = "Completed" if good else "BackoffLimitExceeded"
            text = message or "All pods of the training have succeeded"
            self.ledger.notes.event(workload, time.time(), reason, text, warning=not good)
            return 0.0
        pause = self.pods.pause(workload_id, now)
        if pause <= 0:
            for pod in steps.new_pods(workload, time.time()):
                workload = attrs.evolve(workload, pods=(*workload.pods, pod))
                text = f"Created pod: {pod.name}"
                self.ledger.notes.event(workload, pod.created_at, "SuccessfulCreate", text)
            self.ledger.put(workload)
            self.pods.begin(group, workload_id)
        self.pods.follow(workload_id)
        return pause if pause > 0 else _LONG
