"""Jobs of the cluster: start, look at, wait for, stop (aistore.md §12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import wire
from ..connection.requests import RequestClient
from ..errors import ErrJobNotFound, JobInfoNotFound
from ..models import JobStatus
from .records import JobSnapshot, WaitResult, kind_of, latest, read_snapshots
from .waiting import Look, Watch, judged, until

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

TIMEOUT = 300
_FORCE = {"frc": "true"}


class Job:
    """Name a job by its id, a kind of jobs, or both; nothing is sent before a method is awaited.

    Some calls answer with several ids, with commas between: they can be waited for as one job.
    """

    def __init__(self, client: RequestClient, job_id: str = "", job_kind: str = "") -> None:
        self._client = client
        self._id = job_id
        self._kind = job_kind

    def __repr__(self) -> str:
        return f"<Job {self._kind}[{self._id}]>"

    @property
    def job_id(self) -> str:
        """Return the id, "" for none."""
        return self._id

    @property
    def job_kind(self) -> str:
        """Return the kind, "" if it was not given."""
        return self._kind

    # Orders

    async def start(
        self, daemon_id: str = "", force: bool = False, buckets: Sequence[Bucket] | None = None
    ) -> str:
        """Start a job of this kind and return its id, which this object has from then on.

        ``daemon_id`` is a target, for jobs of one node (``resilver``).

        Raises:
            ErrUnsupp: the job needs a target, or the server was not built for it.
            AISError: the kind cannot be started (aistore.md §12.5), or the cluster is too small.
        """
        if not self._kind:
            raise ValueError('which kind of job? as in client.job(job_kind="lru")')
        models = [bucket.as_model().as_dict() for bucket in buckets or ()]
        value: dict[str, Any] = {
            "ID": "",
            "Kind": kind_of(self._kind),
            "DaemonID": daemon_id,
            "Bck": models[0] if len(models) == 1 else None,
            "Buckets": models if len(models) > 1 else None,
        }
        if force:
            value["Force"] = True  # older servers read the query instead
        answer = await self._client.request(
            "PUT",
            "cluster",
            params=_FORCE if force else None,
            json_body=wire.action("start", value),
        )
        self._id = wire.job_id(await answer.read())
        return self._id

    async def stop(self) -> None:
        """Abort the job; without an id all that run of its kind. Stopping twice does no harm."""
        if not (self._id or self._kind):
            raise ValueError("which job? give its id or its kind")
        for name in self._ids() or [""]:
            action = wire.action("stop", self._query(name))
            await self._client.request("PUT", "cluster", json_body=action, again=True)

    async def abort(self) -> None:
        """Do what `stop` does."""
        await self.stop()

    # Questions

    async def status(self) -> JobStatus:
        """Return the state of the whole job.

        Raises:
            ErrJobNotFound: nobody knows it.
            ErrXactNonIC: its kind has no such state; see `snapshots`.
        """
        [name] = self._needed(1)
        return await self._status(name)

    async def snapshots(self) -> list[JobSnapshot]:
        """Return what each target tells of this job, or of all of its kind.

        Raises:
            JobInfoNotFound: no target has anything to tell.
        """
        names = self._ids() or [""]
        return [one for name in names for one in await self._snapshots(name)]

    async def get_details(self) -> Mapping[str, Sequence[JobSnapshot]]:
        """Return what each target tells, by the ids of the targets; see `snapshots`."""
        told: dict[str, list[JobSnapshot]] = {}
        for one in await self.snapshots():
            told.setdefault(one.target_id, []).append(one)
        return told

    async def get_within_timeframe(
        self, start: datetime, end: datetime | None = None
    ) -> list[JobSnapshot]:
        """Return the snapshots of what started at a time or later, and ended by another.

        Without ``end`` jobs that still run are among them.

        Raises:
            JobInfoNotFound: there was no such job.
        """
        if start.tzinfo is None or (end is not None and end.tzinfo is None):
            raise ValueError("times need a zone, as in datetime.now(UTC)")
        found = [
            one
            for one in await self.snapshots()
            if one.start_time is not None
            and one.start_time >= start
            and (end is None or (one.end_time is not None and one.end_time <= end))
        ]
        if not found:
            raise JobInfoNotFound(f"No {self._what()} was found in that time")
        return found

    async def get_total_time(self) -> timedelta | None:
        """Return the time from the first target's start to the last one's end, None before that."""
        found = await self.snapshots()
        started = [one.start_time for one in found if one.start_time is not None]
        if not started or any(one.end_time is None for one in found):
            return None
        ended = latest(one.end_time for one in found)
        return None if ended is None else ended - min(started)

    # Waiting

    async def wait(
        self, timeout: float | None = TIMEOUT, verbose: bool = True, *, check: bool = False
    ) -> WaitResult:
        """Wait for the end of the job, in the way that suits its kind, and tell how it ended.

        Copies, transforms and archives of groups have ended when they are idle, which servers
        notice after some seconds. ``verbose`` writes the end to the log; a failure is always there.

        Raises:
            Timeout: it has not ended within so many seconds; it goes on.
            AISJobFailed: it failed or was aborted, if ``check``.
            JobInfoNotFound: no node knows it, some seconds later still.
        """
        return await self._wait(lambda watch: watch.look, timeout, verbose, check)

    async def wait_for_idle(
        self, timeout: float | None = TIMEOUT, verbose: bool = True, *, check: bool = False
    ) -> WaitResult:
        """Wait until all targets are idle; see `wait`, which does it where it is needed.

        A job that nobody knows is waited for until the time is up.
        """
        return await self._wait(
            lambda watch: watch.look_for_calm, timeout, verbose, check, patient=True
        )

    async def wait_single_node(
        self, timeout: float | None = TIMEOUT, verbose: bool = True, *, check: bool = False
    ) -> WaitResult:
        """Wait until one target is done, for jobs that only one has; see `wait`."""
        return await self._wait(lambda watch: watch.look_for_end, timeout, verbose, check)

    async def _wait(
        self,
        chosen: Callable[[Watch], Look],
        timeout: float | None,
        verbose: bool,
        check: bool,
        *,
        patient: bool = False,
    ) -> WaitResult:
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        results = []
        for name in self._needed():
            watch = Watch(self._kind, partial(self._status, name), partial(self._snapshots, name))
            left = None if deadline is None else max(0.0, deadline - loop.time())
            results.append(await until(chosen(watch), self._what(name), left, patient=patient))
        return judged(WaitResult.of_all(results), self._what(), verbose=verbose, check=check)

    # What is asked

    def _ids(self) -> list[str]:
        return [name for name in (part.strip() for part in self._id.split(",")) if name]

    def _needed(self, most: int | None = None) -> list[str]:
        names = self._ids()
        if not names or (most is not None and len(names) > most):
            raise ValueError(
                f"which job? {self!r} has {len(names) or 'no'} ids; give one, as in client.job(ID)"
            )
        return names

    def _what(self, name: str = "") -> str:
        return f"job {self._kind}[{name or self._id}]" if self._kind else f"job {name or self._id}"

    def _query(self, name: str) -> dict[str, Any]:
        kind = kind_of(self._kind)
        return {"ID": name, "Kind": kind, "DaemonID": "", "Bck": None, "Buckets": None}

    async def _status(self, name: str) -> JobStatus:
        params = {"what": "status"}
        body = self._query(name)
        return wire.read_status(
            await self._client.json("GET", "cluster", params=params, json_body=body)
        )

    async def _snapshots(self, name: str) -> list[JobSnapshot]:
        params = {"what": "qryxstats"}
        try:
            found = await self._client.json(
                "GET", "cluster", params=params, json_body=self._query(name)
            )
        except ErrJobNotFound as error:
            raise JobInfoNotFound(f"No target knows the {self._what(name)}") from error
        told = read_snapshots(found)
        if not told:
            raise JobInfoNotFound(f"No target tells anything about the {self._what(name)}")
        return told
