"""Metrics of trainings and pods over time, from what was measured (runai-trainings.md §7.5)."""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import attrs
from aiohttp import web

from .answers import Refusal, moment, timestamp
from .calls import Call, found
from .control import TrainingControl
from .filters import number, words
from .models import Pod, Workload
from .resources import pod_gpus, pod_limit, pod_request

_USED_CPU, _USED_MEMORY = "CPU_USAGE_CORES", "CPU_MEMORY_USAGE_BYTES"
_POD_COUNT, _RUNNING_POD_COUNT = "POD_COUNT", "RUNNING_POD_COUNT"
_SHARED = (
    *("GPU_UTILIZATION", "GPU_MEMORY_USAGE_BYTES", _USED_CPU, _USED_MEMORY),
    "NVLINK_BANDWIDTH_TOTAL",
)
WORKLOAD_TYPES = (
    *_SHARED,
    *("GPU_MEMORY_REQUEST_BYTES", "CPU_REQUEST_CORES", "CPU_LIMIT_CORES"),
    *("CPU_MEMORY_REQUEST_BYTES", "CPU_MEMORY_LIMIT_BYTES"),
    *(_POD_COUNT, _RUNNING_POD_COUNT, "GPU_ALLOCATION"),
)
_PER_GPU = (
    *("UTILIZATION", "MEMORY_USAGE_BYTES", "GRAPHICS_ENGINE_ACTIVITY", "SM_ACTIVITY"),
    *("TENSOR_ACTIVITY", "FP64_ENGINE_ACTIVITY", "FP32_ENGINE_ACTIVITY", "FP16_ENGINE_ACTIVITY"),
    *("SM_OCCUPANCY", "MEMORY_BANDWIDTH_UTILIZATION", "NVLINK_TRANSMITTED_BANDWIDTH"),
    *("NVLINK_RECEIVED_BANDWIDTH", "PCIE_TRANSMITTED_BANDWIDTH", "PCIE_RECEIVED_BANDWIDTH"),
    "SWAP_MEMORY_BYTES",
)
POD_TYPES = (
    *_SHARED,
    *(f"GPU_{name}_PER_GPU" for name in _PER_GPU),
    "NVLINK_BANDWIDTH_TOTAL_PER_GPU",
)
Values = list[dict[str, Any]]


@attrs.frozen
class _Span:
    """The times at which values are wanted: the begins of equal parts."""

    start: float
    end: float
    count: int

    @property
    def step(self) -> float:
        return max(0.001, (self.end - self.start) / max(1, self.count))

    @property
    def times(self) -> list[float]:
        now = time.time()
        every = (self.start + number * self.step for number in range(self.count))
        return [moment for moment in every if moment <= now]


class Metrics:
    """Answer requests for metrics."""

    def __init__(self, control: TrainingControl) -> None:
        self._control = control

    async def of_workload(self, call: Call) -> web.StreamResponse:
        """Answer with the metrics of all pods of a workload together."""
        workload = await found(self._control, call, deleted=True)
        kinds, span = _wanted(call, WORKLOAD_TYPES)
        return await self._answer(call, workload, workload.pods, None, kinds, span)

    async def of_pod(self, call: Call) -> web.StreamResponse:
        """Answer with the metrics of one pod."""
        workload = await found(self._control, call, deleted=True)
        kinds, span = _wanted(call, POD_TYPES)
        pod = workload.pod(call.parts["pod"].lower())
        if pod is None:
            raise Refusal(404, f"Workload {workload.id} has no pod {call.parts['pod']}")
        return await self._answer(call, workload, [pod], pod.id, kinds, span)

    async def _answer(
        self,
        call: Call,
        workload: Workload,
        pods: Sequence[Pod],
        pod_id: str | None,
        kinds: Sequence[str],
        span: _Span,
    ) -> web.StreamResponse:
        rows = await self._control.store.samples(workload.id, pod_id, span.start, span.end)
        measurements = [
            {"type": kind, "labels": None, "values": _values(kind, workload, pods, rows, span)}
            for kind in kinds
        ]
        if "text/csv" in call.request.headers.get("Accept", ""):
            return web.Response(text=_as_csv(measurements), content_type="text/csv")
        return web.json_response({"measurements": measurements})


def _wanted(call: Call, known: Sequence[str]) -> tuple[list[str], _Span]:
    kinds = words(call.query, "metricType", known)
    if not kinds:
        raise Refusal(400, "metricType is missing")
    for name in ("start", "end"):
        if not call.query.get(name):
            raise Refusal(400, f"{name} is missing")
    start, end = (moment(call.query[name], name) for name in ("start", "end"))
    if end < start:
        raise Refusal(400, "end is before start")
    return kinds, _Span(start, end, number(call.query, "numberOfSamples", 20, 0, 1000))


def _values(
    kind: str, workload: Workload, pods: Sequence[Pod], rows: Sequence[sqlite3.Row], span: _Span
) -> Values | None:
    if kind in (_USED_CPU, _USED_MEMORY):
        found = _measured(rows, "cpu" if kind == _USED_CPU else "memory", span)
    elif kind in (_POD_COUNT, _RUNNING_POD_COUNT):
        found = [
            (moment, float(_there(pods, moment, running=kind == _RUNNING_POD_COUNT)))
            for moment in span.times
            if moment >= workload.created_at
        ]
    else:
        found = []
        one = _of_one_pod(kind, workload)
        if one is not None:
            counted = [(moment, _there(pods, moment, running=True)) for moment in span.times]
            found = [(moment, one * count) for moment, count in counted if count]
    values = [{"value": f"{value:.12g}", "timestamp": timestamp(time)} for time, value in found]
    return values or None


def _measured(rows: Sequence[sqlite3.Row], column: str, span: _Span) -> list[tuple[float, float]]:
    """Add up over pods the mean of what was measured in each part of the span."""
    parts: dict[int, dict[str, list[float]]] = {}
    for row in rows:
        part = min(span.count - 1, int((row["time"] - span.start) / span.step))
        parts.setdefault(part, {}).setdefault(row["pod"], []).append(row[column])
    return [
        (span.start + part * span.step, sum(sum(one) / len(one) for one in pods.values()))
        for part, pods in sorted(parts.items())
        if part >= 0
    ]


def _there(pods: Sequence[Pod], moment: float, *, running: bool) -> int:
    count = 0
    for pod in pods:
        begin = pod.started_at if running else pod.created_at
        if begin is not None and begin <= moment:
            count += pod.finished_at is None or moment < pod.finished_at
    return count


def _of_one_pod(kind: str, workload: Workload) -> float | None:
    """Give what one running pod adds to a metric, None for what is not known here."""
    request, (cpu, memory) = pod_request(workload), pod_limit(workload)
    return {
        "CPU_REQUEST_CORES": request.cpu,
        "CPU_LIMIT_CORES": cpu,
        "CPU_MEMORY_REQUEST_BYTES": request.memory,
        "CPU_MEMORY_LIMIT_BYTES": memory,
        "GPU_ALLOCATION": pod_gpus(workload),
    }.get(kind)


def _as_csv(measurements: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("type", "timestamp", "value"))
    for one in measurements:
        for value in one["values"] or ():
            writer.writerow((one["type"], value["timestamp"], value["value"]))
    return text.getvalue()
