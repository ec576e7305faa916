"""What a dSort tells of its progress: three phases, each with counters (aistore.md §13, §21)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from .archives import Member
from .dsort_spec import Spec
from .jobs import Job, stamp

_NO_TIMES = {
    "total_ms": "0",
    "count": "0",
    "min_ms": str(2**63 - 1),
    "max_ms": "0",
    "avg_ms": "0",
}


@attrs.define(eq=False)
class Phase:
    """Hold when a phase began and ended, in nanoseconds."""

    begun: int = 0
    ended: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the phase."""
        self.begun = time.time_ns()
        yield
        self.ended = time.time_ns()

    @property
    def elapsed(self) -> int:
        """Return how long it has taken."""
        return (self.ended or time.time_ns()) - self.begun if self.begun else 0

    def told(self) -> dict[str, Any]:
        """Return the JSON that all phases share."""
        return {
            "started_time": stamp(self.begun),
            "end_time": stamp(self.ended),
            "elapsed": self.elapsed,
            "running": bool(self.begun and not self.ended),
            "finished": bool(self.ended),
        }


@attrs.define(eq=False)
class Report:
    """Collect what a job does."""

    job: Job
    spec: Spec
    extraction: Phase = attrs.field(factory=Phase)
    meta: Phase = attrs.field(factory=Phase)
    creation: Phase = attrs.field(factory=Phase)
    shards: int = 0
    bytes: int = 0
    files: int = 0
    records: int = 0
    to_create: int = 0
    created: int = 0
    aborted: bool = False
    archived: bool = False
    warnings: list[str] = attrs.field(factory=list)

    @property
    def description(self) -> str:
        """Return what the user said about it."""
        return self.spec.description

    @property
    def finished(self) -> bool:
        """Tell whether all phases ended."""
        return bool(self.creation.ended)

    @property
    def given_up(self) -> bool:
        """Tell whether it ended early, or before it began."""
        return self.aborted or bool(self.job.ended and not self.finished)

    def extracting(self) -> Any:
        """Run the first phase."""
        return self.extraction.running()

    def sorting(self) -> Any:
        """Run the second phase."""
        return self.meta.running()

    def creating(self) -> Any:
        """Run the third phase."""
        return self.creation.running()

    def warn(self, text: str) -> None:
        """Note what the user may want to know."""
        self.warnings.append(text)

    def extracted(self, size: int, members: Sequence[Member]) -> None:
        """Count a shard."""
        self.shards += 1
        self.bytes += size
        self.files += len(members)

    def end(self, *, aborted: bool) -> None:
        """Note that nothing more will come."""
        self.aborted, self.archived = aborted, True

    def info(self, *, first: bool) -> dict[str, Any]:
        """Return what a target tells; the first one of the map does all the work here."""
        job, spec = self.job, self.spec
        return {
            "id": job.id,
            "src-bck": spec.source.model,
            "dst-bck": spec.target.model,
            "started_time": stamp(job.started),
            "finish_time": stamp(job.ended),
            "started_meta_sorting": self.meta.begun - job.started if self.meta.begun else 0,
            "started_shard_creation": (
                self.creation.begun - job.started if self.creation.begun else 0
            ),
            "finished_shard_creation": (
                self.creation.ended - job.started if self.creation.ended else 0
            ),
            "loc-objs": str(self.shards if first else 0),
            "loc-bytes": str(self.bytes if first else 0),
            "Metrics": self._metrics(first=first),
            "aborted": self.given_up,
            "archived": self.archived,
        }

    def _metrics(self, *, first: bool) -> dict[str, Any]:
        def told(number: int) -> str:
            return str(number if first else 0)

        metrics: dict[str, Any] = {
            "local_extraction": {
                **self.extraction.told(),
                "total_count": told(self.shards),
                "extracted_count": told(self.shards),
                "extracted_size": told(self.bytes),
                "extracted_record_count": told(self.records),
                "extracted_to_disk_count": "0",
                "extracted_to_disk_size": "0",
            },
            "meta_sorting": {
                **self.meta.told(),
                "sent_stats": _NO_TIMES,
                "recv_stats": _NO_TIMES,
            },
            "shard_creation": {
                **self.creation.told(),
                "to_create": told(self.to_create),
                "created_count": told(self.created),
                "moved_shard_count": "0",
            },
            "description": self.description,
            "aborted": self.given_up,
            "archived": self.archived,
        }
        if self.warnings:
            metrics["warnings"] = self.warnings
        if self.job.error:
            metrics["errors"] = [self.job.error]
        return metrics
