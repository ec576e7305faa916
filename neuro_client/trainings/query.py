"""Queries of the generic endpoints: filters, order, pages, metrics (runai-trainings.md §7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import attrs

MAX_PAGE = 500
"""Most records that one page may hold."""

SORT_FIELDS = frozenset(
    """
    type name clusterId projectId projectName departmentId departmentName createdAt deletedAt
    submittedBy phase completedAt nodepool distributedFramework allocatedGPU idleGpus
    idleAllocatedGpus phaseUpdatedAt category priority totalPendingTimeSeconds
    totalRunningTimeSeconds priorityClassName guaranteedRuntimeEndsAt aiApplicationId
    aiApplicationName
    """.split()  # noqa: SIM905 - a list of literals would take a page
)
GROUPS = frozenset(
    {"ClusterId", "DepartmentId", "ProjectId", "Type", "CurrentNodepools", "Phase", "Category"}
)

_OPERATORS = ("==", "!=", "<=", ">=", "=@", "!@", "=^", "=$")
_OF_TIMES = _OPERATORS[:4]
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_FILTER = re.compile(rf"({_FIELD.pattern})({'|'.join(map(re.escape, _OPERATORS))})(.*)", re.S)
_MAX_SAMPLES = 1000
_MAX_GROUPS = 2

Pairs = list[tuple[str, str]]


@attrs.frozen
class Filter:
    """Demand something of a field of the workloads in a listing.

    ``operator`` is one of ``==``, ``!=``, ``<=``, ``>=``, ``=@`` (contains), ``!@`` (does not),
    ``=^`` (starts with), ``=$`` (ends with); of a time one of the first four.
    """

    field: str
    operator: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter as it is written: ``phase==Running``.

        Raises:
            ValueError: it has no field or no operator.
        """
        match = _FILTER.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is not a filter; write a field, one of {' '.join(_OPERATORS)}, a value"
            )
        return cls(match[1], match[2], match[3])

    def __str__(self) -> str:
        """Return the filter as it is sent.

        Raises:
            ValueError: it cannot be expressed.
        """
        if not _FIELD.fullmatch(self.field) or self.operator not in _OPERATORS:
            raise ValueError(f"{self.field}{self.operator} is not the begin of a filter")
        if isinstance(self.value, datetime) and self.operator not in _OF_TIMES:
            raise ValueError(f"a time is compared by {' '.join(_OF_TIMES)}, not {self.operator}")
        text = _text(self.value)
        if "," in text:
            raise ValueError(f"a filter's value cannot have a comma, as {text!r} does")
        return f"{self.field}{self.operator}{text}"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.value if isinstance(value, Enum) else value)


def time_text(moment: datetime) -> str:
    """Format a moment as the control plane does; naive = local time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def filter_query(filters: Iterable[Filter | str], search: str | None, deleted: bool) -> Pairs:
    """Return the parameters that choose workloads.

    Raises:
        ValueError: a filter is malformed.
    """
    written = [str(Filter.parse(item) if isinstance(item, str) else item) for item in filters]
    pairs: Pairs = []
    if written:
        pairs.append(("filterBy", ",".join(written)))
    if search:
        pairs.append(("search", search))
    if deleted:
        pairs.append(("deleted", "true"))
    return pairs


def order_query(sort_by: str | None, descending: bool) -> Pairs:
    """Return the parameters of the order; ``ValueError`` for a field that cannot be sorted by."""
    pairs: Pairs = [("sortOrder", "desc" if descending else "asc")]
    if sort_by is not None:
        if sort_by not in SORT_FIELDS:
            raise ValueError(
                f"workloads are not sorted by {sort_by!r} but by {', '.join(sorted(SORT_FIELDS))}"
            )
        pairs.append(("sortBy", sort_by))
    return pairs


def check_page_size(size: int) -> int:
    """Return the size of a page; ``ValueError`` if it is out of range."""
    if not 1 <= size <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} records, not {size}")
    return size


def metrics_query(types: Iterable[str], start: datetime, end: datetime, samples: int) -> Pairs:
    """Return the parameters of a metrics request.

    Raises:
        ValueError: no type, ``end`` before ``start``, or ``samples`` out of range.
    """
    names = [types] if isinstance(types, str) else [str(item) for item in types]
    if not names:
        raise ValueError("name at least one metric type, such as MetricType.CPU_USAGE_CORES")
    if not 0 <= samples <= _MAX_SAMPLES:
        raise ValueError(f"a series has 0 to {_MAX_SAMPLES} samples, not {samples}")
    if end.astimezone(UTC) < start.astimezone(UTC):
        raise ValueError("the end of the time span is before its start")
    return [
        ("metricType", ",".join(names)),
        ("start", time_text(start)),
        ("end", time_text(end)),
        ("numberOfSamples", str(samples)),
    ]


def telemetry_query(
    type: str,
    *,
    cluster_id: str | None,
    node_pool: str | None,
    department_id: str | None,
    group_by: Iterable[str],
    phases: Iterable[str],
) -> Pairs:
    """Return the parameters of a telemetry request.

    Raises:
        ValueError: an unknown group, or more than two.
    """
    groups = tuple(group_by)
    if len(groups) > _MAX_GROUPS or not GROUPS.issuperset(groups):
        raise ValueError(
            f"telemetry is grouped by at most {_MAX_GROUPS} of {', '.join(sorted(GROUPS))}"
        )
    pairs: Pairs = [("telemetryType", str(type))]
    given = {
        "clusterId": cluster_id,
        "nodepoolName": node_pool,
        "departmentId": department_id,
        "groupBy": ",".join(groups),
        "filterByPhases": ",".join(map(str, phases)),
    }
    return pairs + [(key, value) for key, value in given.items() if value]
