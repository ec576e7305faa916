"""What the nodes tell of jobs, and how a wait for one ended (aistore.md §12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from .. import wire
from ..models import BucketModel, JobStatus

_BITS = 10
_LOW = (1 << _BITS) - 1

_ACTIONS = {
    "lru-eviction": "lru",
    "cleanup": "cleanup-store",
    "mirror": "make-n-copies",
    "copy-objects": "copy-listrange",
    "etl-objects": "etl-listrange",
    "delete-objects": "delete-listrange",
    "evict-objects": "evict-listrange",
    "prefetch-objects": "prefetch-listrange",
    "promote-files": "promote",
    "copy-bucket": "copy-bck",
    "etl-bucket": "etl-bck",
    "rename-bucket": "move-bck",
    "summary": "summary-bck",
    "warm-up-metadata": "load-lom-cache",
}


def kind_of(name: str) -> str:
    """Return a kind of job as all servers know it, for one that is written as people are shown."""
    return _ACTIONS.get(name, name)


@attrs.frozen
class JobStats:
    """Count what a target has done for a job: on its own, sent to others, received from them."""

    objects: int = 0
    bytes: int = 0
    out_objects: int = 0
    out_bytes: int = 0
    in_objects: int = 0
    in_bytes: int = 0


@attrs.frozen
class JobSnapshot:
    """Describe a job as the target ``target_id`` sees it; ``end_time`` is None while it runs.

    Jobs that wait for more work, as copies of groups, count as idle after some seconds without any.
    """

    id: str
    kind: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    bck: BucketModel | None = None
    src_bck: BucketModel | None = None
    dst_bck: BucketModel | None = None
    stats: JobStats = JobStats()
    aborted: bool = False
    is_idle: bool = False
    abort_err: str = ""
    err: str = ""
    glob_id: int = 0
    ctlmsg: str = ""
    ext: Any = None
    target_id: str = ""

    @property
    def is_aborted(self) -> bool:
        """Tell whether the job was ended before it was done."""
        return self.aborted or bool(self.abort_err)

    @property
    def is_finished(self) -> bool:
        """Tell whether the target has nothing more to do for the job."""
        return self.is_aborted or self.end_time is not None

    @property
    def joggers(self) -> int:
        """Return how many goroutines walk over the disks."""
        return self.glob_id & _LOW

    @property
    def workers(self) -> int:
        """Return how many goroutines do the work."""
        return self.glob_id >> _BITS & _LOW

    @property
    def channel_full(self) -> int:
        """Return how often the work came faster than it was done."""
        return self.glob_id >> 2 * _BITS


@attrs.frozen
class WaitResult:
    """Tell how a job ended; true if all went well, else ``error`` is what the nodes said."""

    success: bool
    error: str = ""
    end_time: datetime | None = None
    aborted: bool = False

    def __bool__(self) -> bool:
        return self.success

    @classmethod
    def of_status(cls, status: JobStatus) -> WaitResult:
        """Judge by the state of the whole job."""
        error = status.err or ("the job was aborted" if status.aborted else "")
        seconds = timedelta(microseconds=status.end_time // 1000)
        return cls(not error, error, datetime.fromtimestamp(0, UTC) + seconds, status.aborted)

    @classmethod
    def of_snapshots(cls, snapshots: Sequence[JobSnapshot]) -> WaitResult:
        """Judge by what the targets tell."""
        aborted = any(one.is_aborted for one in snapshots)
        told = {one.err or one.abort_err: None for one in snapshots}
        error = "; ".join(filter(None, told)) or ("the job was aborted" if aborted else "")
        return cls(not error, error, latest(one.end_time for one in snapshots), aborted)

    @classmethod
    def of_all(cls, results: Sequence[WaitResult]) -> WaitResult:
        """Sum up what is one job to the user and several to the cluster."""
        error = "; ".join(one.error for one in results if one.error)
        ended = latest(one.end_time for one in results)
        return cls(all(results), error, ended, any(one.aborted for one in results))


def latest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the last of some times, None if there is none."""
    return max((time for time in times if time is not None), default=None)


def read_snapshots(value: Any) -> list[JobSnapshot]:
    """Read what each target tells; null is nothing."""
    what = "the snapshots of jobs"
    found = wire.mapping({} if value is None else value, what)
    return [
        _snapshot(wire.mapping(one, f"$.{target}"), target)
        for target, told in found.items()
        for one in wire.items(told, f"$.{target} of {what}")
    ]


def _snapshot(found: Mapping[str, Any], target: str) -> JobSnapshot:
    what = f"a job's snapshot of {target}"
    return JobSnapshot(
        id=wire.text(found, "id", what),
        kind=wire.text(found, "kind", what),
        start_time=wire.moment(found, "start-time", what),
        end_time=wire.moment(found, "end-time", what),
        bck=named_bucket(found.get("bck")),
        src_bck=named_bucket(found.get("src-bck")),
        dst_bck=named_bucket(found.get("dst-bck")),
        stats=_stats(wire.mapping(found.get("stats") or {}, what), what),
        aborted=found.get("aborted") is True,
        is_idle=found.get("is_idle") is True,
        abort_err=wire.text(found, "abort-err", what),
        err=wire.text(found, "err", what),
        glob_id=wire.number(found, "glob.id", what),
        ctlmsg=wire.text(found, "ctlmsg", what),
        ext=found.get("ext"),
        target_id=target,
    )


def _stats(found: Mapping[str, Any], what: str) -> JobStats:
    places = ("loc", "out", "in")
    return JobStats(
        *(wire.number(found, f"{at}-{of}", what) for at in places for of in ("objs", "bytes"))
    )


def named_bucket(value: Any) -> BucketModel | None:
    """Read the name of a bucket, None if all of it is empty."""
    found = None if value is None else wire.read_bucket(value)
    return found if found is not None and found.name else None
