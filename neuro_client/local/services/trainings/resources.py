"""What a training needs of the machine, read from its spec (runai-trainings.md §5.4, §5.6)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import attrs

from .models import Workload
from .quantities import quantity

MIB = 1 << 20
GIB = 1 << 30
GPU_MEMORY = 80 * GIB
"""Of one device, as far as shares of devices are concerned."""
_DEFAULT_CPU = 0.1
_DEFAULT_MEMORY = 100 * MIB
# Even a pod that asks for nothing takes something, or there could be any number of them.
_LEAST_CPU = 0.01
_LEAST_MEMORY = MIB
_MOST = Fraction(2**62)
_SLACK = 1e-6
PRIORITIES = {
    "very-low": 20,
    "low": 40,
    "train": 50,
    "medium-low": 55,
    "medium": 60,
    "medium-high": 65,
    "interactive-preemptible": 75,
    "high": 80,
    "build": 100,
    "very-high": 110,
}
"""By class, lowest first; the numbers themselves mean nothing else."""
_NOT_PREEMPTIBLE = 100


@attrs.frozen
class Amount:
    """So much CPU, memory and GPU."""

    cpu: float = 0.0
    memory: float = 0.0
    gpu: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.gpu + other.gpu)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory, self.gpu - other.gpu)

    def times(self, count: int) -> Amount:
        """Give so many times as much."""
        return Amount(self.cpu * count, self.memory * count, self.gpu * count)

    def within(self, limit: Amount) -> bool:
        """Tell whether it is no more than a limit; nothing always is."""
        return all(
            mine <= _SLACK or mine <= most + _SLACK
            for mine, most in (
                (self.cpu, limit.cpu),
                (self.memory, limit.memory),
                (self.gpu, limit.gpu),
            )
        )


UNLIMITED = Amount(math.inf, math.inf, math.inf)


def pod_request(workload: Workload) -> Amount:
    """Give what is set aside for one pod."""
    cpu = _number(workload.setting("compute", "cpuCoreRequest"))
    memory = _size(workload.setting("compute", "cpuMemoryRequest"))
    return Amount(
        _DEFAULT_CPU if cpu is None else max(cpu, _LEAST_CPU),
        _DEFAULT_MEMORY if memory is None else max(memory, _LEAST_MEMORY),
        pod_gpus(workload),
    )


def pod_limit(workload: Workload) -> tuple[float | None, int | None]:
    """Give the cores and bytes that one pod may use at most; None is no limit of its own."""
    cpu = _number(workload.setting("compute", "cpuCoreLimit"))
    memory = _size(workload.setting("compute", "cpuMemoryLimit"))
    return cpu, None if memory is None else int(memory)


def pod_gpus(workload: Workload) -> float:
    """Give the share of GPU devices that one pod asks for."""
    devices = _number(workload.setting("compute", "gpuDevicesRequest"))
    kind = workload.setting("compute", "gpuRequestType")
    count = (1.0 if kind else 0.0) if devices is None else devices
    if kind == "portion":
        portion = _number(workload.setting("compute", "gpuPortionRequest"))
        return count * (1.0 if portion is None else portion)
    if kind == "memory":
        size = _size(workload.setting("compute", "gpuMemoryRequest"))
        return count * min(1.0, (size or 0.0) / GPU_MEMORY)
    if kind == "migProfile":
        profile = workload.setting("compute", "migProfile")
        return count * (
            int(profile[0]) / 7 if isinstance(profile, str) and profile[:1].isdigit() else 1
        )
    return count


def request(workload: Workload) -> Amount:
    """Give what is set aside for all pods that run at the same time."""
    return pod_request(workload).times(max(1, workload.pods_to_run))


def allocated_gpus(workload: Workload) -> float:
    """Give the share of GPU devices a training holds now."""
    return request(workload).gpu if workload.admitted else 0.0


def priority_class(workload: Workload) -> str:
    """Give the name of a training's priority."""
    wanted = workload.setting("priorityClass")
    return wanted if isinstance(wanted, str) else "train"


def priority_of(name: str) -> int:
    """Give the rank of a priority; an unknown one is a training's usual."""
    return PRIORITIES.get(name, PRIORITIES["train"])


def preemptible(workload: Workload) -> bool:
    """Tell whether a training may have to make room."""
    wanted = workload.setting("preemptibility")
    if wanted is not None:
        return bool(wanted == "preemptible")
    return priority_of(priority_class(workload)) < _NOT_PREEMPTIBLE


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return max(0.0, float(value)) if math.isfinite(value) else None


def _size(value: Any) -> float | None:
    found = quantity(value)
    return None if found is None else max(0.0, float(min(found, _MOST)))
