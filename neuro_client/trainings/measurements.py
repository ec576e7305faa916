"""Series of measured values: metrics of workloads and pods, telemetry (runai-trainings.md §7.5)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from .models import Record


class MetricType(enum.StrEnum):
    """Name what the control plane measures; a text it does not list is accepted in its place."""

    GPU_UTILIZATION = "GPU_UTILIZATION"
    GPU_MEMORY_USAGE_BYTES = "GPU_MEMORY_USAGE_BYTES"
    GPU_MEMORY_REQUEST_BYTES = "GPU_MEMORY_REQUEST_BYTES"
    CPU_USAGE_CORES = "CPU_USAGE_CORES"
    CPU_REQUEST_CORES = "CPU_REQUEST_CORES"
    CPU_LIMIT_CORES = "CPU_LIMIT_CORES"
    CPU_MEMORY_USAGE_BYTES = "CPU_MEMORY_USAGE_BYTES"
    CPU_MEMORY_REQUEST_BYTES = "CPU_MEMORY_REQUEST_BYTES"
    CPU_MEMORY_LIMIT_BYTES = "CPU_MEMORY_LIMIT_BYTES"
    POD_COUNT = "POD_COUNT"
    RUNNING_POD_COUNT = "RUNNING_POD_COUNT"
    GPU_ALLOCATION = "GPU_ALLOCATION"
    NVLINK_BANDWIDTH_TOTAL = "NVLINK_BANDWIDTH_TOTAL"
    GPU_UTILIZATION_PER_GPU = "GPU_UTILIZATION_PER_GPU"
    GPU_MEMORY_USAGE_BYTES_PER_GPU = "GPU_MEMORY_USAGE_BYTES_PER_GPU"
    GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU = "GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU"
    GPU_SM_ACTIVITY_PER_GPU = "GPU_SM_ACTIVITY_PER_GPU"
    GPU_TENSOR_ACTIVITY_PER_GPU = "GPU_TENSOR_ACTIVITY_PER_GPU"
    GPU_FP64_ENGINE_ACTIVITY_PER_GPU = "GPU_FP64_ENGINE_ACTIVITY_PER_GPU"
    GPU_FP32_ENGINE_ACTIVITY_PER_GPU = "GPU_FP32_ENGINE_ACTIVITY_PER_GPU"
    GPU_FP16_ENGINE_ACTIVITY_PER_GPU = "GPU_FP16_ENGINE_ACTIVITY_PER_GPU"
    GPU_SM_OCCUPANCY_PER_GPU = "GPU_SM_OCCUPANCY_PER_GPU"
    GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU = "GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU"
    GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU = "GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU"
    GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU = "GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU"
    GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU = "GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU"
    GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU = "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU"
    GPU_SWAP_MEMORY_BYTES_PER_GPU = "GPU_SWAP_MEMORY_BYTES_PER_GPU"
    NVLINK_BANDWIDTH_TOTAL_PER_GPU = "NVLINK_BANDWIDTH_TOTAL_PER_GPU"


class TelemetryType(enum.StrEnum):
    """Name what is counted over all workloads."""

    WORKLOADS_COUNT = "WORKLOADS_COUNT"
    GPU_ALLOCATION = "GPU_ALLOCATION"
    PENDING_TIME_DISTRIBUTION = "PENDING_TIME_DISTRIBUTION"


@attrs.frozen(kw_only=True)
class Sample(Record):
    """Hold a measured value exactly as it was written."""

    value: Decimal
    timestamp: datetime


@attrs.frozen(kw_only=True)
class Measurement(Record):
    """Hold one series; those of single GPUs have the label ``gpu``."""

    type: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    values: tuple[Sample, ...] = ()


@attrs.frozen(kw_only=True)
class Metrics(Record):
    """Hold the series that were asked for; ``partial`` says that the server lacked some data.

    Histograms are in ``raw``.
    """

    measurements: tuple[Measurement, ...] = ()
    partial: bool = False

    def of(self, type: str, **labels: str) -> tuple[Sample, ...]:
        """Return the values of the first series of a type with all of the labels."""
        for series in self.measurements:
            if series.type == type and labels.items() <= dict(series.labels).items():
                return series.values
        return ()


@attrs.frozen(kw_only=True)
class TelemetryGroup(Record):
    """Name the group that a value is for."""

    key: str
    value: str
    name: str | None = None


@attrs.frozen(kw_only=True)
class TelemetryValue(Record):
    """Hold the value of one group, or of everything."""

    value: Decimal
    groups: tuple[TelemetryGroup, ...] = ()


@attrs.frozen(kw_only=True)
class Telemetry(Record):
    """Hold what was counted at one moment (§7.6)."""

    type: str
    timestamp: datetime | None = None
    values: tuple[TelemetryValue, ...] = ()
