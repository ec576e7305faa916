"""Asynchronous jobs: they run in tasks, and are looked at by status and snapshots (§12)."""

from __future__ import annotations

import asyncio
import logging
import random
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from .errors import AISError
from .names import Bck

if TYPE_CHECKING:
    from .cluster import Cluster

logger = logging.getLogger(__name__)

WITH_STATUS = {
    "copy-bck",
    "etl-bck",
    "move-bck",
    "delete-listrange",
    "evict-listrange",
    "prefetch-listrange",
    "promote",
    "ec-encode",
    "make-n-copies",
    "lru",
    "cleanup-store",
    "rechunk",
    "rebalance",
    "index-shard",
    "create-inventory",
    "download",
}
"""Kinds that keep a cluster-wide status (§12.4)."""
ON_DEMAND = {"copy-listrange", "etl-listrange", "archive", "list", "get-batch", "put-copies"}
"""Kinds that stay around for more work, and count as idle after a while."""
DISPLAY_NAMES = {
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
_PREFIXES = {
    "copy-listrange": "tco-",
    "etl-listrange": "tco-",
    "get-batch": "gbt-",
    "dsort": "srt-",
    "download": "dnl-",
    "create-inventory": "inv-",
}
_ALPHABET = string.ascii_letters + string.digits
_NEVER = "0001-01-01T00:00:00Z"
_NOBODY = {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}}
_MOST = 2000


@attrs.define(eq=False)
class Job:
    """Hold a job; times are nanoseconds since the epoch, ``ended`` 0 while it runs."""

    id: str
    kind: str
    bck: Bck | None = None
    src: Bck | None = None
    dst: Bck | None = None
    note: str = ""
    node: str = ""
    started: int = attrs.field(factory=time.time_ns)
    ended: int = 0
    error: str = ""
    aborted: bool = False
    done: dict[str, list[int]] = attrs.field(factory=dict)
    details: dict[str, Any] = attrs.field(factory=dict)
    active: float = attrs.field(factory=time.monotonic)
    task: asyncio.Task[None] | None = None

    def count(self, target: str, size: int) -> None:
        """Add one object to what a target has done."""
        stats = self.done.setdefault(target, [0, 0])
        stats[0] += 1
        stats[1] += size
        self.active = time.monotonic()

    def fail(self, message: str) -> None:
        """Note what went wrong; the job may go on."""
        self.error = self.error or message


Work = Callable[[Job], Awaitable[None]]


class Jobs:
    """Start and find jobs; ``idle_time`` in seconds is when an on-demand job counts as idle."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs: dict[str, Job] = {}
        self._rebalances = 0
        self._group: asyncio.TaskGroup | None = None
        self._go = asyncio.Event()
        self._go.set()
        self.idle_time = 4.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let jobs run; those that still do at the end are cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                for job in self._jobs.values():
                    if job.task is not None:
                        job.task.cancel()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let jobs that start meanwhile wait until the end of the block."""
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def new_id(self, kind: str) -> str:
        """Make an id of the form that jobs of a kind have."""
        if kind == "rebalance":
            self._rebalances += 1
            return f"g{self._rebalances}"
        return _PREFIXES.get(kind, "") + "".join(random.choices(_ALPHABET, k=9))

    def add(self, job: Job) -> Job:
        """Remember a job; the oldest ended ones are forgotten."""
        self._jobs[job.id] = job
        while len(self._jobs) > _MOST:
            oldest = next((name for name, job in self._jobs.items() if job.ended), None)
            if oldest is None:
                break
            del self._jobs[oldest]
        return job

    def start(self, kind: str, work: Work, **fields: Any) -> Job:
        """Run a job in a task of its own."""
        job = self.add(Job(self.new_id(kind), kind, **fields))
        assert self._group is not None
        job.task = self._group.create_task(self._run(job, work))
        return job

    async def _run(self, job: Job, work: Work) -> None:
        try:
            await self._go.wait()
            await work(job)
        except AISError as error:
            job.fail(f"{self._cluster.targets[0].label}: {error.message}")
        except asyncio.CancelledError:
            job.aborted = True
        except Exception as error:
            logger.exception("The job %s[%s] failed", job.kind, job.id)
            job.fail(str(error))
        finally:
            job.ended = time.time_ns()
            job.active = time.monotonic()
            job.task = None

    def stop(self, job: Job) -> None:
        """Abort a job that runs."""
        if job.task is not None:
            job.aborted = True
            job.task.cancel()

    def forget(self, job: Job) -> None:
        """Drop the record of a job that ended."""
        self._jobs.pop(job.id, None)

    def find(self, name: str) -> Job | None:
        """Return a job, None if there is none of that id."""
        return self._jobs.get(name)

    def all(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        return list(self._jobs.values())

    def busy(self, bck: Bck, kinds: set[str]) -> Job | None:
        """Return a job of some kinds that works on a bucket."""
        for job in self._jobs.values():
            if not job.ended and job.kind in kinds and bck in (job.bck, job.src, job.dst):
                return job
        return None

    def is_idle(self, job: Job) -> bool:
        """Tell whether a job does nothing any more."""
        if job.kind not in ON_DEMAND:
            return bool(job.ended)
        if job.task is not None:
            return False
        return job.aborted or time.monotonic() - job.active >= self.idle_time

    def is_running(self, job: Job) -> bool:
        """Tell whether ``running_all`` shows a job; on-demand ones linger."""
        return not job.ended or (job.kind in ON_DEMAND and not self.is_idle(job))

    def status(self, job: Job) -> dict[str, Any]:
        """Return the JSON of §4.3."""
        return {
            "kind": job.kind,
            "uuid": job.id,
            "err": job.error,
            "end_time": job.ended,
            "aborted": job.aborted,
        }

    def snapshots(self, job: Job) -> dict[str, list[dict[str, Any]]]:
        """Return what each target says of a job (§12.3)."""
        return {
            node.id: [self._snapshot(job, job.done.get(node.id, [0, 0]))]
            for node in self._cluster.targets
            if job.node in ("", node.id)
        }

    def _snapshot(self, job: Job, done: list[int]) -> dict[str, Any]:
        idle = self.is_idle(job)
        ended = job.ended if idle or job.kind not in ON_DEMAND else 0
        return {
            "ext": None,
            "start-time": stamp(job.started),
            "end-time": stamp(ended),
            "bck": _model(job.bck),
            "src-bck": _model(job.src),
            "dst-bck": _model(job.dst),
            "id": job.id,
            "kind": job.kind,
            "ctlmsg": job.note,
            "abort-err": "user request" if job.aborted else "",
            "err": job.error,
            "glob.id": "2",
            "stats": {
                "loc-objs": str(done[0]),
                "loc-bytes": str(done[1]),
                "out-objs": "0",
                "out-bytes": "0",
                "in-objs": "0",
                "in-bytes": "0",
            },
            "aborted": job.aborted,
            "is_idle": idle,
        }


def _model(bck: Bck | None) -> Mapping[str, Any]:
    return _NOBODY if bck is None else bck.model


def stamp(time_ns: int) -> str:
    """Write a time as snapshots do; 0 is never."""
    if not time_ns:
        return _NEVER
    seconds, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
