"""Start the pods of trainings on the platform's runner, see them through, end them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import attrs

from ...runners import Exit, Runner, RunnerError
from . import steps
from .launch import Launcher
from .ledger import Ledger
from .models import PENDING, RUNNING, Pod, Workload

_log = logging.getLogger(__name__)


@attrs.define
class Timing:
    """Durations in seconds; tests shorten them."""

    backoff: float = 1.0
    """Pause before a failed pod is tried again; doubles with each failure."""
    backoff_max: float = 60.0
    grace: float = 30.0
    """Between SIGTERM and SIGKILL, where the spec does not say."""
    shutdown: float = 5.0
    """How long pods get to end when the platform stops."""
    sample: float = 1.0
    """Between two measurements of a young pod."""


class Pods:
    """Look after the pods that may have processes."""

    def __init__(self, ledger: Ledger, launcher: Launcher, runner: Runner) -> None:
        self.timing = Timing()
        self.runner = runner
        self._ledger = ledger
        self._launcher = launcher
        self._attended: dict[str, str] = {}
        self._to_stop: list[Pod] = []
        self._not_before: dict[str, float] = {}
        self._idle = asyncio.Event()

    def attended(self, pod_id: str) -> bool:
        """Tell whether processes of a pod may still exist and write."""
        return pod_id in self._attended

    def pause(self, workload_id: str, now: float) -> float:
        """Give the seconds until a training's failed pods may be tried again."""
        return self._not_before.get(workload_id, 0.0) - now

    def forgive(self, workload_id: str) -> None:
        """Let failed pods be tried again at once."""
        self._not_before.pop(workload_id, None)

    def adopt(self, group: asyncio.TaskGroup, workload: Workload) -> None:
        """See the runs through that an earlier platform started."""
        for pod in workload.pods:
            if pod.materialized:
                self._attended[pod.id] = workload.id
                group.create_task(self._attend(workload.id, pod.id, start=False))

    def begin(self, group: asyncio.TaskGroup, workload_id: str) -> None:
        """Start the pods of a training that wait for it."""
        for pod in self._ledger.live[workload_id].pods:
            if not pod.finished and not pod.materialized and pod.id not in self._attended:
                pod = attrs.evolve(pod, run=pod.run + 1, materialized=True)
                self._ledger.put(self._ledger.live[workload_id].with_pod(pod))
                self._attended[pod.id] = workload_id
                group.create_task(self._attend(workload_id, pod.id, start=True))

    def follow(self, workload_id: str) -> None:
        """Put a training that has resources into the phase that its pods are in."""
        workload = self._ledger.live[workload_id]
        if steps.is_under_way(workload) and steps.phase_of(workload) != workload.phase:
            self._ledger.move(workload_id, steps.phase_of(workload))

    def evict(self, workload_id: str) -> None:
        """End the pods of a training on purpose; they count neither as success nor as failure."""
        workload = self._ledger.live[workload_id]
        for pod in workload.pods:
            if pod.finished or pod.evicted:
                continue
            workload = workload.with_pod(attrs.evolve(pod, evicted=True))
            if pod.materialized:
                self._to_stop.append(pod)
                text = f"Stopping container {workload.name}"
                self._ledger.notes.event(workload, time.time(), "Killing", text, pod=pod)
        self._ledger.put(workload.with_ended_pods())

    async def stop_evicted(self) -> None:
        """Ask the pods that were evicted since the last time to end."""
        while self._to_stop:
            pod = self._to_stop[0]  # it stays there when this is cancelled
            await self.runner.stop(pod.run_id, pod.run)
            self._to_stop.remove(pod)

    async def end_all(self) -> None:
        """Wait until the evicted pods have ended, and kill those that take too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.timing.shutdown):
                while self._attended:
                    self._idle.clear()
                    await self._idle.wait()
        for pod_id, workload_id in list(self._attended.items()):
            pod = self._ledger.pod(workload_id, pod_id)
            await self.runner.kill(pod.run_id, pod.run)

    async def _attend(self, workload_id: str, pod_id: str, *, start: bool) -> None:
        """See one run of a pod through, from its start (or adoption) to its end."""
        began = True
        try:
            if start:
                await self._ledger.commit()  # the run must be known before it exists
                began = await self._start(workload_id, pod_id)
            else:
                began = await self._resume(workload_id, pod_id)
            pod = self._ledger.pod(workload_id, pod_id)
            result = await self.runner.wait(pod.run_id, pod.run) if began else Exit(None)
        except RunnerError as error:
            result = Exit(None, failure=str(error))
        except Exception as error:
            _log.exception("pod %s could not be looked after", pod_id)
            result = Exit(None, failure=f"Unexpected exception: {error}")
        await self.runner.forget(self._ledger.pod(workload_id, pod_id).run_id)
        pod = self._note_end(workload_id, pod_id, result, began=began)
        if pod.finished:
            await self._launcher.release(pod)
        del self._attended[pod_id]
        self._idle.set()
        # Those who wait for the end of the pod ask who attends to it.
        self._ledger.told(workload_id)
        await self._ledger.commit()

    def _note_end(self, workload_id: str, pod_id: str, result: Exit, *, began: bool) -> Pod:
        workload, pod = self._ledger.live[workload_id], self._ledger.pod(workload_id, pod_id)
        ended = steps.pod_ended(workload, pod, result, began=began)
        self._ledger.put(ended.workload)
        pod = self._ledger.pod(workload_id, pod_id)
        for reason, text, warning in ended.events:
            self._ledger.notes.event(
                ended.workload, ended.time, reason, text, pod=pod, warning=warning
            )
        if ended.failed:
            pause = self.timing.backoff * 2 ** min(30, max(0, ended.workload.failures - 1))
            self._not_before[workload_id] = time.time() + min(pause, self.timing.backoff_max)
        return pod

    async def _start(self, workload_id: str, pod_id: str) -> bool:
        """Start a pod's next run; False if it was ended before that."""
        workload, pod = self._ledger.live[workload_id], self._ledger.pod(workload_id, pod_id)
        if pod.evicted:
            return False
        project = self._ledger.org.projects[workload.project]
        spec = await self._launcher.spec(workload, project, pod, self.timing.grace)
        if self._ledger.pod(workload_id, pod_id).evicted:
            return False
        started = await self.runner.start(spec)
        self._note_start(workload_id, pod_id, started)
        if self._ledger.pod(workload_id, pod_id).evicted:
            await self.runner.stop(pod.run_id, pod.run)
        await self._ledger.commit()
        return True

    async def _resume(self, workload_id: str, pod_id: str) -> bool:
        """Take a run over that an earlier platform started; False if it had not come to that."""
        pod = self._ledger.pod(workload_id, pod_id)
        if pod.phase == PENDING:
            started = await self.runner.find(pod.run_id, pod.run)
            if started is None:
                return False
            self._note_start(workload_id, pod_id, started)
            await self._ledger.commit()
        if self._ledger.pod(workload_id, pod_id).evicted:
            await self.runner.stop(pod.run_id, pod.run)
        return True

    def _note_start(self, workload_id: str, pod_id: str, started: float) -> None:
        workload, pod = self._ledger.live[workload_id], self._ledger.pod(workload_id, pod_id)
        pod = attrs.evolve(
            pod, phase=RUNNING, phase_at=started, started_at=pod.started_at or started
        )
        self._ledger.put(workload.with_pod(pod))
        text = f"Started container {workload.name}"
        self._ledger.notes.event(workload, started, "Started", text, pod=pod)
        self.follow(workload_id)  # at once: a short run may be over before anybody looks
