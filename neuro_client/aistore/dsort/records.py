"""What the targets tell of a dSort: three phases, each with its counters (aistore.md §13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from .. import wire
from ..jobs.records import WaitResult, latest, named_bucket
from ..models import BucketModel


@attrs.frozen
class DsortTimes:
    """Sum up what many messages between targets took, in milliseconds."""

    total_ms: int = 0
    count: int = 0
    min_ms: int = 0
    max_ms: int = 0
    avg_ms: int = 0


@attrs.frozen
class DsortPhase:
    """Tell where a phase is; ``elapsed`` is in nanoseconds on servers of today."""

    started_time: datetime | None = None
    end_time: datetime | None = None
    elapsed: int = 0
    running: bool = False
    finished: bool = False


@attrs.frozen
class LocalExtraction(DsortPhase):
    """Tell what was taken out of the shards."""

    total_count: int = 0
    extracted_count: int = 0
    extracted_size: int = 0
    extracted_record_count: int = 0
    extracted_to_disk_count: int = 0
    extracted_to_disk_size: int = 0


@attrs.frozen
class MetaSorting(DsortPhase):
    """Tell how the targets told each other of their records."""

    sent_stats: DsortTimes = DsortTimes()
    recv_stats: DsortTimes = DsortTimes()


@attrs.frozen
class ShardCreation(DsortPhase):
    """Tell which shards were made."""

    to_create: int = 0
    created_count: int = 0
    moved_shard_count: int = 0


@attrs.frozen
class DsortMetrics:
    """Describe the progress of one target."""

    local_extraction: LocalExtraction = LocalExtraction()
    meta_sorting: MetaSorting = MetaSorting()
    shard_creation: ShardCreation = ShardCreation()
    description: str = ""
    warnings: Sequence[str] = ()
    errors: Sequence[str] = ()
    aborted: bool = False
    archived: bool = False


@attrs.frozen
class DsortJobInfo:
    """Describe a dSort as one target sees it; the oldest servers tell its metrics only.

    ``started_meta_sorting`` and what follows it are nanoseconds since the start.
    """

    id: str = ""
    src_bck: BucketModel | None = None
    dst_bck: BucketModel | None = None
    started_time: datetime | None = None
    finish_time: datetime | None = None
    started_meta_sorting: int = 0
    started_shard_creation: int = 0
    finished_shard_creation: int = 0
    loc_objs: int = 0
    loc_bytes: int = 0
    metrics: DsortMetrics = DsortMetrics()
    aborted: bool = False
    archived: bool = False

    @property
    def is_aborted(self) -> bool:
        """Tell whether the target gave up."""
        return self.aborted or self.metrics.aborted

    @property
    def is_finished(self) -> bool:
        """Tell whether all shards of the target are made."""
        return self.metrics.shard_creation.finished


def read_info(value: Any) -> DsortJobInfo:
    """Read what a target tells, in the form of today or that of server 3.18."""
    what = "the state of a dSort"
    found = wire.mapping(value, what)
    if "Metrics" not in found:
        # The lists of today tell no metrics.
        metrics = _metrics(found) if "shard_creation" in found else DsortMetrics()
    else:
        metrics = _metrics(wire.mapping(found["Metrics"] or {}, f"$.Metrics of {what}"))
    return DsortJobInfo(
        wire.text(found, "id", what),
        named_bucket(found.get("src-bck")),
        named_bucket(found.get("dst-bck")),
        wire.moment(found, "started_time", what),
        wire.moment(found, "finish_time", what),
        wire.number(found, "started_meta_sorting", what),
        wire.number(found, "started_shard_creation", what),
        wire.number(found, "finished_shard_creation", what),
        wire.number(found, "loc-objs", what),
        wire.number(found, "loc-bytes", what),
        metrics,
        found.get("aborted") is True,
        found.get("archived") is True,
    )


def result_of(told: Mapping[str, DsortJobInfo]) -> WaitResult | None:
    """Return how a dSort ended, None while it runs."""
    aborted = any(one.is_aborted for one in told.values())
    if not aborted and not all(one.is_finished for one in told.values()):
        return None
    errors = dict.fromkeys(error for one in told.values() for error in one.metrics.errors)
    error = "; ".join(errors) or ("the dSort was aborted" if aborted else "")
    return WaitResult(not error, error, latest(one.finish_time for one in told.values()), aborted)


def _metrics(found: Mapping[str, Any]) -> DsortMetrics:
    what = "the metrics of a dSort"
    extraction = wire.mapping(found.get("local_extraction") or {}, what)
    sorting = wire.mapping(found.get("meta_sorting") or {}, what)
    creation = wire.mapping(found.get("shard_creation") or {}, what)
    return DsortMetrics(
        LocalExtraction(**_phase(extraction), **_counters(LocalExtraction, extraction)),
        MetaSorting(
            **_phase(sorting),
            sent_stats=_times(sorting.get("sent_stats")),
            recv_stats=_times(sorting.get("recv_stats")),
        ),
        ShardCreation(**_phase(creation), **_counters(ShardCreation, creation)),
        wire.text(found, "description", what),
        tuple(str(one) for one in wire.items(found.get("warnings"), what)),
        tuple(str(one) for one in wire.items(found.get("errors"), what)),
        found.get("aborted") is True,
        found.get("archived") is True,
    )


def _phase(found: Mapping[str, Any]) -> dict[str, Any]:
    what = "a phase of a dSort"
    return {
        "started_time": wire.moment(found, "started_time", what),
        "end_time": wire.moment(found, "end_time", what),
        "elapsed": wire.number(found, "elapsed", what),
        "running": found.get("running") is True,
        "finished": found.get("finished") is True,
    }


def _counters(phase: type[DsortPhase], found: Mapping[str, Any]) -> dict[str, Any]:
    common = attrs.fields_dict(DsortPhase)
    own = [name for name in attrs.fields_dict(phase) if name not in common]
    return {name: wire.number(found, name, "a phase of a dSort") for name in own}


def _times(value: Any) -> DsortTimes:
    what = "the times of a dSort"
    found = wire.mapping(value or {}, what)
    times = {name: wire.number(found, name, what) for name in attrs.fields_dict(DsortTimes)}
    if not times["count"]:
        times["min_ms"] = 0  # what the servers start from is the largest number there is
    return DsortTimes(**times)
