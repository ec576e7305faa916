"""What one can read of workloads, beside their life: listings, events, pods, measurements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from ..concurrency import ScopedIterator, scoped_iterator
from ..transport import Options
from .connection import Connection
from .lookup import Lookup
from .measurements import Metrics, Telemetry
from .models import Event, HistoryRecord, Pod, Project, TrainingCluster, Workload
from .query import (
    MAX_PAGE,
    Filter,
    Pairs,
    check_page_size,
    filter_query,
    metrics_query,
    order_query,
    telemetry_query,
)
from .service import ControlPlane
from .wire import decode, decode_history

TRAINING_TYPES = frozenset({"training", "runai-job", "trainingworkload"})
"""What servers of different generations call a training in listings of all kinds."""

_SPAN = timedelta(hours=1)


class Records:
    """Read what the control plane keeps of workloads; a part of ``Trainings``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lookup = Lookup(lambda: self._control)

    @property
    def _control(self) -> ControlPlane:
        return self._connection.control

    def _pages(
        self,
        path: tuple[str, ...],
        key: str,
        query: Pairs,
        size: int = MAX_PAGE,
        *,
        read_ahead: bool = False,
        **options: Unpack[Options],
    ) -> ScopedIterator[Sequence[Any]]:
        control = self._control
        url = control.url(*path)
        return control.pages(url, key, query, size, read_ahead=read_ahead, **options)

    @scoped_iterator
    async def list(
        self,
        *,
        filters: Iterable[Filter | str] = (),
        search: str | None = None,
        sort_by: str | None = None,
        descending: bool = False,
        deleted: bool = False,
        types: Collection[str] | None = TRAINING_TYPES,
        limit: int | None = None,
        page_size: int = MAX_PAGE,
    ) -> AsyncIterator[Workload]:
        """Yield the trainings that fulfil all of the filters, with two pages in memory at most.

        A filter is a ``Filter`` or its text, such as ``"phase==Running"``. ``deleted`` lists those
        that are deleted instead. ``types`` None yields workloads of every kind.

        Raises:
            ValueError: a filter, a field or a size that the endpoint does not take.
        """
        query = [*order_query(sort_by, descending), *filter_query(filters, search, deleted)]
        size = check_page_size(page_size)
        if limit is not None and types is None:
            size = max(1, min(size, limit))
        count = 0
        path, ahead = ("workloads",), limit is None
        async with self._pages(path, "workloads", query, size, read_ahead=ahead) as pages:
            async for page in pages:
                for item in page:
                    if limit is not None and count >= limit:
                        return
                    if types is not None and str(item.get("type", "")).lower() not in types:
                        continue
                    yield decode(item, Workload)
                    count += 1

    async def count(
        self, *, filters: Iterable[Filter | str] = (), search: str | None = None
    ) -> int:
        """Count workloads of every kind that fulfil all of the filters."""
        return await self._control.count(filter_query(filters, search, False))

    @scoped_iterator
    async def events(self, id: str, *, descending: bool = True) -> AsyncIterator[Event]:
        """Yield what happened to a workload, newest first."""
        query: Pairs = [("sortOrder", "desc" if descending else "asc")]
        async with self._pages(("workloads", id, "events"), "events", query) as pages:
            async for page in pages:
                for item in page:
                    yield decode(item, Event)

    @scoped_iterator
    async def history(self, id: str) -> AsyncIterator[HistoryRecord]:
        """Yield events and phases of a workload in the server's order: the phase timeline."""
        async with self._pages(("workloads", id, "history"), "records", []) as pages:
            async for page in pages:
                for item in page:
                    yield decode_history(item)

    @scoped_iterator
    async def pods(self, id: str) -> AsyncIterator[Pod]:
        """Yield the pods of a workload."""
        async with self._pages(("workloads", id, "pods"), "pods", []) as pages:
            async for page in pages:
                for item in page:
                    yield decode(item, Pod)

    async def metrics(
        self,
        id: str,
        types: Iterable[str],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        samples: int = 20,
    ) -> Metrics:
        """Return measured series of a workload, by default of the last hour.

        ``types`` are ``MetricType`` or texts; naive times are local; ``samples`` is 0 to 1000.
        """
        query = _span_query(types, start, end, samples)
        return await self._control.metrics((id, "metrics"), query)

    async def pod_metrics(
        self,
        id: str,
        pod_id: str,
        types: Iterable[str],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        samples: int = 20,
    ) -> Metrics:
        """Return measured series of one pod, see ``metrics``; those of GPUs are told apart."""
        query = _span_query(types, start, end, samples)
        return await self._control.metrics((id, "pods", pod_id, "metrics"), query)

    async def telemetry(
        self,
        type: str,
        *,
        cluster_id: str | None = None,
        node_pool: str | None = None,
        department_id: str | None = None,
        group_by: Iterable[str] = (),
        phases: Iterable[str] = (),
    ) -> Telemetry:
        """Return what is counted over all workloads now, in at most two groups.

        ``type`` is a ``TelemetryType``; groups are ``ClusterId``, ``DepartmentId``, ``ProjectId``,
        ``Type``, ``CurrentNodepools``, ``Phase`` and ``Category``.
        """
        query = telemetry_query(
            type,
            cluster_id=cluster_id,
            node_pool=node_pool,
            department_id=department_id,
            group_by=group_by,
            phases=phases,
        )
        return await self._control.telemetry(query)

    async def projects(self) -> Sequence[Project]:
        """List the projects that the login can see."""
        return await self._lookup.projects()

    async def clusters(self) -> Sequence[TrainingCluster]:
        """List the clusters of the control plane."""
        return await self._control.clusters()


def _span_query(
    types: Iterable[str], start: datetime | None, end: datetime | None, samples: int
) -> Pairs:
    until = datetime.now(UTC) if end is None else end
    return metrics_query(types, until - _SPAN if start is None else start, until, samples)
