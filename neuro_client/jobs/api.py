"""The ``client.jobs`` subsystem (public-api.md §6, jobs.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from yarl import URL

from ..concurrency import SingleFlight, scoped_iterator
from ..config import Config
from ..models import (
    UNSET,
    Container,
    DiskVolume,
    HTTPPort,
    RemoteImage,
    SecretFile,
    Unset,
    Volume,
)
from ..transport import Transport
from .interactive import InteractiveJobs
from .logs import last, log_tail, render, stream_log
from .models import JobDescription, JobPriority, JobRestartPolicy, JobStatus, JobTelemetry
from .payloads import (
    ContainerFields,
    JobFields,
    encode_run,
    encode_start,
    list_query,
    log_query,
    submission_query,
    whole_minutes,
)
from .run import JobRun
from .service import JobParser, JobsService
from .submission import Submission, submission_tag
from .telemetry import stream_telemetry
from .waiting import failure, wait_until_finished
from .wire import decode_capacity


class Jobs(InteractiveJobs):
    """Start jobs, list them, read their state, logs and telemetry, reach into them, and end them.

    ``id`` may also be the name of one of the caller's jobs where only the platform's API is asked
    (``status``, ``kill``, ``bump_life_span``); the other calls need the id. ``cluster_name`` None
    means the current cluster; an unknown one raises ``RuntimeError`` before any request.
    """

    def __init__(self, transport: Transport, config: Config, parse: JobParser) -> None:
        self._transport = transport
        self._config = config
        self._parse = parse
        self._service = JobsService(transport, config, parse)
        self._submissions: SingleFlight[JobDescription] = SingleFlight()

    def get_run(self, id: str, *, cluster_name: str | None = None) -> JobRun:
        """Return a job as a ``Run``, the protocol that all kinds of runs share; no request."""
        return JobRun(self, id, cluster_name)

    async def start(
        self,
        *,
        image: RemoteImage,
        preset_name: str,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
        entrypoint: str | None = None,
        command: str | None = None,
        working_dir: str | None = None,
        http: HTTPPort | None = None,
        env: Mapping[str, str] | None = None,
        volumes: Sequence[Volume] = (),
        secret_env: Mapping[str, URL] | None = None,
        secret_files: Sequence[SecretFile] = (),
        disk_volumes: Sequence[DiskVolume] = (),
        tty: bool = False,
        shm: bool = False,
        name: str | None = None,
        tags: Sequence[str] = (),
        description: str | None = None,
        pass_config: bool = False,
        wait_for_jobs_quota: bool = False,
        schedule_timeout: float | None = None,
        restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
        life_span: float | None = None,
        privileged: bool = False,
        priority: JobPriority | None = None,
        submission_id: str | None = None,
    ) -> JobDescription:
        """Start a job on the resources of a preset (jobs.md §3).

        ``org_name`` None means no organisation, left out the current one. ``life_span`` and
        ``schedule_timeout`` are seconds; the life span is cut to whole minutes.

        Without ``submission_id`` the request is sent once and never again. With one (1 to 200
        characters, no white space) the job is started at most once: it carries the tag
        ``submission:<id>``, an answer that got lost is looked up, and a later call with the same
        id, from another process too, returns the same job, running or ended, whatever its other
        arguments say. That costs one listing before and one after the request.

        Raises:
            IllegalArgumentError: the server refuses the job (preset, name, quota …) and says why.
            AuthorizationError: no right to the cluster, the image, a volume or a secret.
            ValueError: ``submission_id`` is unusable; nothing was sent.
        """
        tag = None if submission_id is None else submission_tag(submission_id)
        cluster = self._service.cluster_name(cluster_name)
        job = JobFields(
            cluster_name=cluster,
            org_name=self._service.org_name(org_name),
            pass_config=pass_config,
            name=name,
            tags=(*tags, tag) if tag is not None else tags,
            description=description,
            wait_for_jobs_quota=wait_for_jobs_quota,
            schedule_timeout=schedule_timeout,
            restart_policy=restart_policy,
            life_span=life_span,
            priority=priority,
        )
        container = ContainerFields(
            image=image,
            entrypoint=entrypoint,
            command=command,
            working_dir=working_dir,
            http=http,
            env=env,
            volumes=volumes,
            secret_env=secret_env,
            secret_files=secret_files,
            disk_volumes=disk_volumes,
            tty=tty,
        )
        body = encode_start(
            job,
            container,
            self._parse.normalize_uri,
            preset_name=preset_name,
            shm=shm,
            privileged=privileged,
        )

        if tag is None:
            return await self._service.post(body, from_preset=True)
        query = submission_query(tag, cluster, self._config.username)
        submission = Submission(
            post=lambda: self._service.post(body, from_preset=True),
            find=lambda: self._service.find(query),
            kill=self.kill,
            named=bool(name),
        )
        return await self._submissions.run((cluster, tag), submission.submit)

    async def run(
        self,
        container: Container,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        description: str | None = None,
        scheduler_enabled: bool = False,
        pass_config: bool = False,
        wait_for_jobs_quota: bool = False,
        schedule_timeout: float | None = None,
        restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
        life_span: float | None = None,
        org_name: str | None | Unset = UNSET,
        priority: JobPriority | None = None,
    ) -> JobDescription:
        """Start a job on explicit resources in the current cluster; ``start`` is preferred."""
        job = JobFields(
            cluster_name=self._config.cluster_name,
            org_name=self._service.org_name(org_name),
            pass_config=pass_config,
            name=name,
            tags=tags,
            description=description,
            wait_for_jobs_quota=wait_for_jobs_quota,
            schedule_timeout=schedule_timeout,
            restart_policy=restart_policy,
            life_span=life_span,
            priority=priority,
        )
        body = encode_run(
            job,
            container,
            self._parse.normalize_uri,
            scheduler_enabled=scheduler_enabled,
            dialect=self._config.dialect,
        )
        return await self._service.post(body, from_preset=False)

    @scoped_iterator
    async def list(
        self,
        *,
        statuses: Iterable[JobStatus] = (),
        name: str | None = "",
        tags: Iterable[str] = (),
        owners: Iterable[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        reverse: bool = False,
        limit: int | None = None,
        cluster_name: str | None = None,
        _materialized: bool | None = None,
        _being_dropped: bool | None = False,
        _logs_removed: bool | None = False,
    ) -> AsyncIterator[JobDescription]:
        """Yield the jobs the caller may see, oldest first unless ``reverse`` (jobs.md §5).

        Jobs of any of the ``statuses`` and ``owners`` and with all of the ``tags``, created from
        ``since`` to ``until`` (naive = local time). ``limit`` counts from the start of the order.
        """
        query = list_query(
            cluster_name=self._service.cluster_name(cluster_name),
            statuses=statuses,
            name=name,
            owners=owners,
            tags=tags,
            since=since,
            until=until,
            reverse=reverse,
            limit=limit,
            materialized=_materialized,
            being_dropped=_being_dropped,
            logs_removed=_logs_removed,
        )
        async with self._service.list(query) as jobs:
            async for job in jobs:
                yield job

    async def status(self, id: str) -> JobDescription:
        """Return a job as it is now; for an unknown id the platform says 400 (jobs.md §11)."""
        return (await self._service.read(id)).job

    async def kill(self, id: str) -> None:
        """Cancel a job; one that has ended already stays as it is."""
        await self._transport.send("DELETE", self._service.job_url(id))

    async def send_signal(self, id: str, *, cluster_name: str | None = None) -> None:
        """Send SIGKILL to a running job, which then fails with exit code 137."""
        await self._transport.send("POST", self._service.monitoring_url(cluster_name) / id / "kill")

    async def bump_life_span(self, id: str, additional_life_span: float) -> None:
        """Let a job live longer by a number of seconds, cut to whole minutes (at least one)."""
        await self._transport.send(
            "PUT",
            self._service.job_url(id) / "max_run_time_minutes",
            json={"additional_max_run_time_minutes": whole_minutes(additional_life_span)},
            # Repeating it would add the time once more.
            idempotent=False,
        )

    async def get_capacity(self, *, cluster_name: str | None = None) -> Mapping[str, int]:
        """Return for every preset how many further jobs would fit."""
        url = self._service.monitoring_url(cluster_name) / "capacity"
        return decode_capacity(await self._transport.json("GET", url))

    @scoped_iterator
    async def monitor(
        self,
        id: str,
        *,
        cluster_name: str | None = None,
        since: datetime | None = None,
        timestamps: bool = False,
        separator: str | None = None,
        debug: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield the log as raw chunks of one connection; ``logs`` is the one that survives cuts.

        ``separator`` is the line between the archived and the live part: None lets the server
        choose it, empty text leaves it out (jobs.md §6).
        """
        url = self._service.monitoring_url(cluster_name) / id / "log_ws"
        query = log_query(since=since, timestamps=timestamps, separator=separator, debug=debug)
        async with stream_log(self._transport, url, id, query) as chunks:
            async for chunk in chunks:
                yield chunk

    @scoped_iterator
    async def logs(
        self,
        id: str,
        *,
        follow: bool = True,
        since: datetime | None = None,
        tail: int | None = None,
        timestamps: bool = False,
        cluster_name: str | None = None,
    ) -> AsyncIterator[str]:
        """Yield the lines of a job's log, without line ends.

        Waits for the job to start, reconnects after a broken connection without losing or
        repeating a line, and ends only after the job was read to have ended. With ``follow``
        False it yields what is there now: the whole log of a job that has ended; of another one
        what comes until the stream was silent for a second (two before the first line) or until
        a line was written after the call, by the server's clock.

        ``since`` leaves out earlier lines (naive = local time). ``tail`` reads everything the
        call would yield and yields the last so many lines of it, so a job that still runs is
        waited for unless ``follow`` is False. ``timestamps`` puts the server's time and a space
        before each line. A line over 1 MiB comes in pieces; bytes that are not UTF-8 come as
        replacement characters; a last line without a line end comes when the job has ended.
        """
        if tail is not None and tail < 0:
            raise ValueError(f"tail must not be negative, not {tail}")
        follower = self._service.follower(id, since, cluster_name)
        async with follower.until_end() if follow else follower.until_now() as lines:
            if tail is not None:
                for line in await last(lines, tail):
                    yield render(line, timestamps)
                return
            async for line in lines:
                yield render(line, timestamps)

    async def wait(
        self,
        id: str,
        *,
        timeout: float | None = None,
        check: bool = True,
        cluster_name: str | None = None,
    ) -> JobDescription:
        """Wait until a job has ended and return its final description.

        Puts up with a job that the server does not know yet, with errors 5xx and with broken
        connections, for five minutes without any good answer. ``cluster_name`` is where the last
        lines of the log are read, best effort within 2 s.

        Raises:
            JobFailed: with ``check``, the job failed or was cancelled.
            TimeoutError: it has not ended within ``timeout`` seconds; it goes on.
        """
        seen: list[JobDescription] = []

        async def read() -> JobDescription:
            seen[:] = [(await self._service.read(id, retry=None)).job]
            return seen[0]

        try:
            async with asyncio.timeout(timeout) as scope:
                job = await wait_until_finished(read, clock=time.monotonic)
        except TimeoutError:
            if not scope.expired():
                raise
            state = f"still {seen[0].status}" if seen else "in an unknown state (no answer came)"
            raise TimeoutError(
                f"Job {id} is {state} after {timeout:g} s of waiting; it goes on: wait again, "
                f"or end it with client.jobs.kill({id!r})"
            ) from None
        if check and job.status is not JobStatus.SUCCEEDED:
            tail = await log_tail(self._service.chunk_reader(id, cluster_name), job)
            raise failure(job, tail)
        return job

    @scoped_iterator
    async def top(self, id: str, *, cluster_name: str | None = None) -> AsyncIterator[JobTelemetry]:
        """Yield what a running job uses, about once a second until it ends (jobs.md §7).

        Raises:
            ValueError: the job is not running, or unknown.
        """
        url = self._service.monitoring_url(cluster_name) / id / "top"
        async with stream_telemetry(self._transport, url, id) as records:
            async for record in records:
                yield record
