"""Measure what running pods use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from .control import TrainingControl
from .models import RUNNING, Pod, Workload

_log = logging.getLogger(__name__)
# Seconds a pod runs, and how many pauses later it is then measured again.
_THINNED = ((60.0, 1), (600.0, 5))
_AT_LAST = 30


@attrs.frozen
class _Measured:
    time: float
    cpu_seconds: float


class Sampler:
    """Measure every running pod again and again, less often the longer it runs."""

    def __init__(self, control: TrainingControl) -> None:
        self._control = control
        self._last: dict[str, _Measured] = {}

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Measure meanwhile."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run())
            try:
                yield
            finally:
                task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._control.pods.timing.sample)
            try:
                await self._measure_all()
            except Exception:  # a pod that ends meanwhile must not end the measuring
                _log.exception("the trainings could not be measured; trying again")

    async def _measure_all(self) -> None:
        samples = []
        running = [
            (workload, pod)
            for workload in self._control.ledger.live.values()
            for pod in workload.pods
            if pod.phase == RUNNING and pod.materialized
        ]
        for gone in self._last.keys() - {_key(pod) for _, pod in running}:
            del self._last[gone]
        for workload, pod in running:
            if self._is_due(pod):
                sample = await self._measure(workload, pod)
                if sample is not None:
                    samples.append(sample)
        if samples:
            await self._control.store.add_samples(samples)

    def _is_due(self, pod: Pod) -> bool:
        last = self._last.get(_key(pod))
        if last is None:
            return True
        age = time.time() - (pod.started_at or 0.0)
        pauses = next((count for until, count in _THINNED if age < until), _AT_LAST)
        return time.time() - last.time >= (pauses - 0.5) * self._control.pods.timing.sample

    async def _measure(
        self, workload: Workload, pod: Pod
    ) -> tuple[str, str, float, float, float] | None:
        usage = await self._control.pods.runner.stats(pod.run_id, pod.run)
        if usage is None:
            return None
        now = time.time()
        # The first time counts from the start of the run.
        before = self._last.get(_key(pod)) or _Measured(pod.phase_at, 0.0)
        self._last[_key(pod)] = _Measured(now, usage.cpu_seconds)
        cores = max(0.0, usage.cpu_seconds - before.cpu_seconds) / max(0.01, now - before.time)
        return workload.id, pod.id, now, cores, float(usage.memory)


def _key(pod: Pod) -> str:
    return f"{pod.id}/{pod.run}"
