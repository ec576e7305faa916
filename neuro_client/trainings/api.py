"""The ``client.trainings`` subsystem: training workloads of a Run:ai control plane."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Self, Unpack, overload

import attrs
from yarl import URL

from ..concurrency import SingleFlight, finish, scoped_iterator
from ..config.services import TrainingsSettings
from ..errors import ConfigError, ResourceNotFound
from ..retry import RetryPolicy
from .connection import Connection, ConnectOptions, Login, root_url
from .failures import TAIL, failure, find_facts
from .logs import LogOptions, LogReader, each, last, log_url
from .lookup import Submitted
from .models import BatchResult, PhaseChange, Training, TrainingPhase, Workload
from .polling import Pace, PhasePoller, Sighting
from .query import Pairs, order_query
from .records import Records
from .run import TrainingRun
from .service import trainings_url
from .spec import DEFAULT_VERSION, TrainingRequest, TrainingSpec
from .submission import Submission, annotated, check_submission_id, request_of
from .tokens import TokenEndpoint
from .watching import Until, phase_predicate, wait_for, watch

_BATCH = 100
_BY_AGE: Pairs = order_query("createdAt", False)


@attrs.frozen
class PreparedRequest:
    """Hold a request as it would be sent, without its credentials."""

    method: str
    url: URL
    json: dict[str, Any] = attrs.field(repr=False)


class Trainings(Records):
    """Submit trainings, watch them, read their logs and metrics, suspend and resume them.

    Sign in with ``client_id`` and ``client_secret`` of an application, service account or access
    key; with ``username`` and ``password``; or with a ``token`` that is ready. ``cluster_url`` is
    the address of the cluster, which has the logs. ``api_version`` is that of the control plane
    (``"2.18"``, ``"latest"``): specs are checked against it before anything is sent.

    Nothing is contacted before the first call. Use it inside ``async with connect(...)``, or call
    ``close``.

    Raises:
        ValueError: the address is none, or the way to sign in is not clear.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        cluster_url: str | None = None,
        token_endpoint: TokenEndpoint = TokenEndpoint.AUTO,
        api_version: str = DEFAULT_VERSION,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
    ) -> None:
        login = Login(
            client_id=client_id,
            client_secret=client_secret,
            username=username,
            password=password,
            token=token,
            endpoint=TokenEndpoint(token_endpoint),
        )
        super().__init__(Connection(root_url(url), login, retry))
        self._cluster_url = None if cluster_url is None else str(root_url(cluster_url))
        self._version = api_version
        self._submissions: SingleFlight[Training] = SingleFlight()
        self._poller = PhasePoller(
            lambda id: self._control.get(id, retry=None),
            lambda: self._pages(("workloads",), "workloads", _BY_AGE, retry=None),
            pace=pace,
        )

    @classmethod
    def from_settings(cls, settings: TrainingsSettings) -> Self:
        """Build it from ``services.toml`` and the environment.

        Raises:
            ConfigError: a setting cannot be used.
        """
        try:
            return cls(
                settings.url or "",
                client_id=settings.client_id,
                client_secret=settings.client_secret,
                cluster_url=settings.cluster_url,
                api_version=settings.api_version or DEFAULT_VERSION,
            )
        except ValueError as error:
            raise ConfigError(f"The settings of trainings cannot be used: {error}") from error

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str | URL, **options: Unpack[ConnectOptions]
    ) -> AsyncIterator[Self]:
        """Open it for the length of a block; the options are those of the class."""
        found = cls(url, **options)
        try:
            yield found
        finally:
            await finish(found.close())

    def __repr__(self) -> str:
        return f"<Trainings {self._connection.url}>"

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        await self._connection.close()

    def get_run(self, id: str) -> TrainingRun:
        """Return a training as a ``Run``, the protocol that all kinds of runs share; no request."""
        return TrainingRun(self, id)

    @overload
    async def create(
        self,
        request: TrainingRequest | TrainingSpec,
        *,
        name: str | None = None,
        project_id: str | int | None = None,
        cluster_id: str | None = None,
        submission_id: str | None = None,
        strict: bool = True,
        dry_run: Literal[False] = False,
    ) -> Training: ...

    @overload
    async def create(
        self,
        request: TrainingRequest | TrainingSpec,
        *,
        name: str | None = None,
        project_id: str | int | None = None,
        cluster_id: str | None = None,
        submission_id: str | None = None,
        strict: bool = True,
        dry_run: Literal[True],
    ) -> PreparedRequest: ...

    async def create(
        self,
        request: TrainingRequest | TrainingSpec,
        *,
        name: str | None = None,
        project_id: str | int | None = None,
        cluster_id: str | None = None,
        submission_id: str | None = None,
        strict: bool = True,
        dry_run: bool = False,
    ) -> Training | PreparedRequest:
        """Submit a training: a whole request, or a spec with the three names it goes to.

        Every rule is checked before anything is sent; ``strict`` False leaves out those that some
        servers do not know. With ``dry_run`` the exact request is returned instead.

        The training carries an annotation with the id of its submission. An answer that got lost
        is looked up by it, so that no second training is made. With a ``submission_id`` of your
        own (1 to 200 characters, no white space) a later call with the same id, from another
        process too, returns the training that is there, whatever its state.

        Raises:
            InvalidSpecError: rules are broken; lists all of them with their paths.
            ConflictError: the project has a workload of this name.
            PolicyViolationError: an administrator's policy forbids it; lists the fields.
            IllegalArgumentError: the control plane refuses it and says why.
            ValueError: names are missing, or ``submission_id`` is unusable; nothing was sent.
        """
        wanted = request_of(request, name, project_id, cluster_id)
        wanted.check(version=self._version, strict=strict)
        submission = check_submission_id(submission_id or str(uuid.uuid4()))
        body = annotated(wanted.to_dict(), submission)
        if dry_run:
            return PreparedRequest("POST", trainings_url(self._connection.url), body)
        submitted = Submitted(
            str(wanted.name),
            str(wanted.project_id),
            bool(wanted.use_given_name_as_prefix),
            submission,
            None if submission_id else datetime.now(UTC),
        )
        work = Submission(
            id=submission,
            post=lambda: self._control.submit(body),
            find=lambda: self._lookup.submitted(submitted),
            unique=not submitted.is_prefix,
            known=submission_id is not None,
        )
        return await self._submissions.run((submitted.project_id, submission), work.submit)

    async def get(self, id: str) -> Training:
        """Return a training as it is now; ``ResourceNotFound`` for an unknown one."""
        return await self._control.get(id)

    async def get_workload(self, id: str) -> Workload:
        """Return what the generic endpoint tells, with conditions and what it waits for.

        Raises:
            AuthorizationError: some roles may read trainings but not this.
        """
        return await self._control.workload(id)

    async def delete(self, id: str) -> None:
        """Ask for the removal of a training, whatever its state; it goes a while later."""
        await self._control.delete(id)

    async def suspend(self, id: str) -> None:
        """Stop a training so that it can be resumed; ``ConflictError`` if it has ended."""
        await self._control.act(id, "suspend")

    async def resume(self, id: str) -> None:
        """Let a suspended training run again; ``ConflictError`` if it has ended."""
        await self._control.act(id, "resume")

    async def batch(
        self, ids: Iterable[str], action: Literal["delete", "suspend", "resume"]
    ) -> BatchResult:
        """Do the same with many workloads, a hundred in a request; refusals are in the result."""
        if action not in ("delete", "suspend", "resume"):
            raise ValueError(f"action must be delete, suspend or resume, not {action!r}")
        listed = list(dict.fromkeys(ids))
        done = BatchResult()
        for start in range(0, len(listed), _BATCH):
            part = await self._control.batch(listed[start : start + _BATCH], action)
            done = BatchResult(
                done.succeeded + part.succeeded,
                done.failed + part.failed,
                done.request_ids + part.request_ids,
            )
        return done

    async def wait(
        self,
        id: str,
        *,
        until: Until | Iterable[TrainingPhase] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Training:
        """Wait until a training has ended, or came to a phase, and return it.

        ``until`` are the phases to wait for, or what tells them; an end and a deletion end the
        wait too. A suspended training has not ended; wait for ``STOPPED`` to notice. Puts up with
        an unknown id just after the creation, with UNKNOWN phases, errors 5xx and broken
        connections, for five minutes without any good answer. All who wait share one poll loop.

        Raises:
            TrainingFailed: with ``check``, an end that was not waited for; has events and pods.
            TimeoutError: nothing of that within ``timeout`` seconds; the training goes on.
        """
        reached = phase_predicate(until)
        seen: list[Sighting] = []
        try:
            async with asyncio.timeout(timeout) as scope:
                sighting = await wait_for(self._poller, id, reached, seen)
                training = await self._final(id, sighting)
        except TimeoutError:
            if not scope.expired():
                raise
            state = f"still {seen[0].text}" if seen else "in an unknown state (no answer came)"
            raise TimeoutError(
                f"Training {id} is {state} after {timeout:g} s of waiting; it goes on: wait "
                f"again, or stop it with client.trainings.suspend({id!r})"
            ) from None
        bad = sighting.deleted or not reached(sighting.phase)
        if check and (bad or (until is None and sighting.phase is TrainingPhase.FAILED)):
            raise await self._failure(training, deleted=sighting.deleted)
        return training

    async def _final(self, id: str, sighting: Sighting) -> Training:
        try:
            return await self.get(id)
        except ResourceNotFound:
            if sighting.training is None:
                raise
            return sighting.training

    async def _failure(self, training: Training, *, deleted: bool) -> Exception:
        id = training.id
        lines = None if self._cluster_url is None else lambda: self._tail_of(training)
        facts = await find_facts(
            lambda: self.get_workload(id), lambda: self.events(id), lambda: self.pods(id), lines
        )
        return failure(training, facts, deleted=deleted)

    @scoped_iterator
    async def watch(self, ids: str | Iterable[str]) -> AsyncIterator[PhaseChange]:
        """Yield the phase in which each training is found, then every change, until all ended.

        Any number of watches and waits share one poll loop: a few trainings are read one by one,
        more by listing. What a training passes through between two polls is in ``history`` only.

        Raises:
            ResourceNotFound: one of the ids is unknown, two seconds after the begin still.
        """
        async with watch(self._poller, [ids] if isinstance(ids, str) else ids) as changes:
            async for change in changes:
                yield change

    @scoped_iterator
    async def logs(
        self,
        id: str,
        *,
        follow: bool = True,
        since: datetime | None = None,
        tail: int | None = None,
        timestamps: bool = False,
        pod: str | None = None,
        container: str | None = None,
        previous: bool = False,
    ) -> AsyncIterator[str]:
        """Yield the lines of a training's log, without line ends, from the cluster.

        Waits for the start, reconnects after a broken connection without losing or repeating a
        line, goes on through suspensions, and ends only after the training was read to have
        ended. With ``follow`` False it yields what is there now. ``since`` leaves out earlier
        lines (naive = local time). ``tail`` yields the last so many lines of what the call would
        yield, so a training that still runs is waited for unless ``follow`` is False.
        ``timestamps`` puts the server's time and a space before each line.

        Raises:
            ConfigError: ``cluster_url`` is not known.
            ResourceNotFound: there is no such training, or its log is gone.
        """
        if tail is not None and tail < 0:
            raise ValueError(f"tail must not be negative, not {tail}")
        log_url(self._cluster_url, "", "")
        options = LogOptions(pod, container, previous, since, None if follow else tail)
        reader = await self._log_reader(await self._known(id), options)
        async with reader.until_end() if follow else reader.until_now() as lines:
            found = lines if tail is None else each(await last(lines, tail))
            async for line in found:
                yield line.prefix + line.text if timestamps else line.text

    async def _log_reader(self, training: Training, options: LogOptions) -> LogReader:
        project = await self._lookup.project_name(training)
        return LogReader(
            self._connection.transport,
            log_url(self._cluster_url, project, training.name),
            options,
            started=lambda: self._started(training.id),
            finished=lambda: self._is_over(training.id),
        )

    @scoped_iterator
    async def _tail_of(self, training: Training) -> AsyncIterator[str]:
        reader = await self._log_reader(training, LogOptions(tail=TAIL))
        async with reader.until_now() as lines:
            async for line in lines:
                yield line.text

    async def _known(self, id: str) -> Training:
        """Read a training that may have been created just now."""
        sighting = await wait_for(self._poller, id, lambda _: True, [])
        return sighting.training or await self.get(id)

    async def _started(self, id: str) -> bool:
        sighting = await wait_for(self._poller, id, lambda phase: not phase.is_waiting, [])
        return sighting.is_final

    async def _is_over(self, id: str) -> bool:
        training = await self._control.get(id, retry=None)
        return training.is_deleted or training.phase.is_finished
