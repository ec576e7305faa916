"""Processors and memory of each pod, and the rules between them (§5.6)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import attrs

from .kinds import BOOL, QUANTITY, Choice, ListOf, int32, number, text
from .naming import join, wire_name
from .part import Object, Part, about, as_number, as_quantity, wire
from .quantity import Quantity, exact
from .versions import DEFAULT_VERSION, Asked, Version
from .violations import Rule, Violation


class GpuRequestType(str, enum.Enum):
    """Say how GPUs are asked for: a share of each, its memory, or a MIG profile."""

    PORTION = "portion"
    MEMORY = "memory"
    MIG_PROFILE = "migProfile"


class MigProfile(str, enum.Enum):
    """Name a slice of a GPU: its compute units and its memory."""

    G1_5 = "1g.5gb"
    G1_10 = "1g.10gb"
    G2_10 = "2g.10gb"
    G2_20 = "2g.20gb"
    G3_20 = "3g.20gb"
    G3_40 = "3g.40gb"
    G4_20 = "4g.20gb"
    G4_40 = "4g.40gb"
    G7_40 = "7g.40gb"
    G7_80 = "7g.80gb"


_REQUESTS = {
    GpuRequestType.PORTION: "gpu_portion_request",
    GpuRequestType.MEMORY: "gpu_memory_request",
    GpuRequestType.MIG_PROFILE: "mig_profile",
}
_LIMITED = ("gpu_portion", "gpu_memory", "cpu_core", "cpu_memory")
_NOT_SHARED = ("gpu_memory_request", "gpu_memory_limit", "mig_profile")
_PORTIONS = ("gpu_portion_request", "gpu_portion_limit")


@attrs.frozen(kw_only=True, repr=False)
class ExtendedResource(Part):
    """Ask for another resource of the cluster, ``vendor.example/name``, in its own units."""

    resource: str | None = wire(text(), required=True)
    quantity: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY)
    )
    exclude: bool | None = wire(BOOL)


@attrs.frozen(kw_only=True, repr=False)
class Compute(Part):
    """Ask for processors and memory, for each pod; GPU portions and memory are per device.

    Without a request type, ``gpu_devices_request`` is a number of whole devices. Memory is in
    bytes, cores and portions are numbers; all of them may be given as texts with a suffix.

    >>> Compute(gpu_devices_request=1, cpu_core_request="500m", cpu_memory_request="8Gi").to_dict()
    {'gpuDevicesRequest': 1, 'cpuCoreRequest': 0.5, 'cpuMemoryRequest': '8Gi'}
    """

    gpu_devices_request: int | None = wire(int32(), unit="devices")
    gpu_request_type: GpuRequestType | str | None = wire(
        Choice(values=GpuRequestType, removed={"migProfile": "2.24"})
    )
    gpu_portion_request: float | None = attrs.field(
        default=None, converter=as_number, metadata=about(number(0, 1), unit="share of a device")
    )
    gpu_portion_limit: float | None = attrs.field(
        default=None, converter=as_number, metadata=about(number(), unit="share of a device")
    )
    gpu_memory_request: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )
    gpu_memory_limit: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )
    mig_profile: MigProfile | str | None = wire(Choice(values=MigProfile), removed="2.24")
    cpu_core_request: float | None = attrs.field(
        default=None, converter=as_number, metadata=about(number(), unit="cores")
    )
    cpu_core_limit: float | None = attrs.field(
        default=None, converter=as_number, metadata=about(number(), unit="cores")
    )
    cpu_memory_request: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )
    cpu_memory_limit: Quantity | None = attrs.field(
        default=None, converter=as_quantity, metadata=about(QUANTITY, unit="bytes")
    )
    large_shm_request: bool | None = wire(BOOL)
    extended_resources: Sequence[ExtendedResource] | None = wire(
        ListOf(item=Object(part=ExtendedResource))
    )

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        yield from self._request_type_rules(path)
        yield from self._limit_rules(path)
        if self.gpu_devices_request is not None and self.gpu_devices_request > 1:
            yield from self._whole_device_rules(path, asked)

    def _request_type_rules(self, path: str) -> Iterator[Violation]:
        if self.given("gpu_request_type") and self.gpu_request_type not in _REQUESTS:
            return  # which request belongs to it is not known
        for request_type, attribute in _REQUESTS.items():
            place = join(path, wire_name(attribute))
            chosen = self.gpu_request_type == request_type
            if chosen and not self.given(attribute):
                message = f"is required with the gpuRequestType {request_type.value}"
                yield Violation(place, message, Rule.GPU_TYPE)
            elif not chosen and self.given(attribute):
                message = f"may only be given with the gpuRequestType {request_type.value}"
                yield Violation(place, message, Rule.GPU_TYPE)

    def _limit_rules(self, path: str) -> Iterator[Violation]:
        for resource in _LIMITED:
            request = getattr(self, f"{resource}_request")
            limit = getattr(self, f"{resource}_limit")
            if request is not None and limit is not None and exact(limit) < exact(request):
                place = join(path, wire_name(f"{resource}_limit"))
                message = f"must not be below {wire_name(f'{resource}_request')}"
                yield Violation(place, message, Rule.LIMIT_BELOW_REQUEST)

    def _whole_device_rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        """Refuse parts of several devices; 2.18 has not even portions of 1, but lets them pass."""
        portions_of_one = not asked.strict or asked.version > Version.parse(DEFAULT_VERSION)
        for attribute in _NOT_SHARED:
            if self.given(attribute):
                message = "must not be given for more than one device"
                place = join(path, wire_name(attribute))
                yield Violation(place, message, Rule.WHOLE_DEVICES)
        for attribute in _PORTIONS:
            value = getattr(self, attribute)
            if value is not None and not (value == 1 and portions_of_one):
                wanted = "must be 1" if portions_of_one else "must not be given"
                place = join(path, wire_name(attribute))
                yield Violation(place, f"{wanted} for more than one device", Rule.WHOLE_DEVICES)
