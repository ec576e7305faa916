"""Runs and experiments: find, submit, follow and end them (grid-artifacts.md §3, §4.2, §4.3)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager

from ..concurrency import scoped_iterator
from ..errors import ResourceNotFound
from ..streaming.lines import Line
from .connection import Connection
from .logs import TAIL, LogReader
from .lookup import Lookup
from .models import (
    Experiment,
    ExperimentEvent,
    ExperimentPhase,
    GridCluster,
    GridRun,
    RunPhase,
)
from .names import is_experiment_name
from .polling import Pauses
from .run import ExperimentRun
from .service import GridService
from .submission import RunRequest, Submission
from .waiting import check_success, subject, wait_for_end

INACTIVE = (RunPhase.DELETED, RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.CANCELLED)
"""Phases of the runs that `Runs.status` leaves to `Runs.history`."""


class Runs:
    """Hold what is about runs and experiments; ``Artifacts`` adds what they wrote."""

    def __init__(self, connection: Connection, cluster_id: str | None) -> None:
        self._connection = connection
        self._cluster = cluster_id or None
        self._opened: GridService | None = None

    @property
    def _service(self) -> GridService:
        if self._opened is None:
            self._opened = GridService(
                self._connection.transport, self._connection.url, self._cluster
            )
        return self._opened

    @property
    def _lookup(self) -> Lookup:
        return Lookup(self._service, self._connection.user_id)

    def get_run(self, name: str) -> ExperimentRun:
        """Return a run or experiment as a ``Run``, the protocol of all kinds; no request."""
        return ExperimentRun(self, name)

    async def get(self, name: str) -> GridRun | Experiment:
        """Return what a name or id stands for, as it is now.

        Raises:
            ResourceNotFound: there is neither a run nor an experiment of this name.
        """
        return subject(await self._lookup.find(name))

    async def cluster(self) -> GridCluster:
        """Return the cluster that all of this is about."""
        return await self._service.cluster()

    def runs(
        self,
        *,
        query: str = "",
        everyone: bool = False,
        phases: Iterable[RunPhase] = (),
        without: Iterable[RunPhase] = (RunPhase.DELETED,),
    ) -> AbstractAsyncContextManager[AsyncIterator[GridRun]]:
        """Yield one's own runs, or those of ``everyone``; ``query`` is how their names begin."""
        return self._lookup.runs(
            query=query,
            user_ids=() if everyone else (self._connection.user_id,),
            phases=phases,
            without=without,
        )

    @scoped_iterator
    async def experiments(
        self,
        run: str | None = None,
        *,
        phases: Iterable[ExperimentPhase] = (),
        without: Iterable[ExperimentPhase] = (ExperimentPhase.DELETED,),
    ) -> AsyncIterator[Experiment]:
        """Yield the experiments of a run, given its name or id, or of all.

        Raises:
            ResourceNotFound: there is no such run.
        """
        ids = () if run is None else ((await self._lookup.run(run)).id,)
        async with self._lookup.experiments(run_ids=ids, phases=phases, without=without) as listing:
            async for item in listing:
                yield item

    def status(
        self, *, everyone: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[GridRun]]:
        """Yield the runs that are active, as ``grid status`` does."""
        return self.runs(everyone=everyone, without=INACTIVE)

    def history(
        self, *, everyone: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[GridRun]]:
        """Yield all runs, active ones too, as ``grid history`` does."""
        return self.runs(everyone=everyone)

    async def events(self, experiment: str) -> tuple[ExperimentEvent, ...]:
        """Return what happened to an experiment."""
        return await self._service.events((await self._lookup.experiment(experiment)).id)

    async def submit(self, request: RunRequest) -> GridRun:
        """Submit a script with its folder.

        The run is made once: an answer that got lost is looked up by the run's name. When the
        folder cannot be sent, the run is removed again. A call that is cancelled before the server
        has answered may leave a run that waits for its files; ``delete`` removes it.

        Raises:
            ValueError: the request cannot be right; nothing was sent.
            ConflictError: there is a run of this name.
        """
        request.check()
        return await Submission(
            self._service, self._lookup, self._connection.links, request
        ).submit()

    async def wait(
        self, name: str, *, timeout: float | None = None, check: bool = True
    ) -> GridRun | Experiment:
        """Wait until a run or experiment has ended, its artifacts synced, and return it.

        ``timeout`` is in seconds; ``TimeoutError`` leaves it going. An experiment that was paused
        has not ended.

        Raises:
            ExperimentFailed: with ``check``, it failed or was cancelled; or it was deleted.
            ResourceNotFound: there is neither a run nor an experiment of this name.
        """
        async with asyncio.timeout(timeout):
            ended = await wait_for_end(name, lambda: self._lookup.find(name))
        if check:
            await check_success(ended, lambda: self._tail(name))
        return ended

    async def _tail(self, name: str) -> Sequence[str]:
        async with self.logs(name, follow=False, tail=TAIL) as lines:
            return [line async for line in lines]

    async def stop(self, name: str) -> None:
        """Ask for the end of a run or experiment; what has ended stays as it is."""
        found = await self._lookup.find(name)
        if subject(found).phase.is_finished:
            return
        if found.run is not None:
            await self._service.stop_run(found.run.id)
        else:
            await self._service.stop_experiment(found.experiments[0].id)

    async def delete(self, name: str) -> None:
        """Remove a run or experiment for good, with its artifacts and logs."""
        found = await self._lookup.find(name)
        kind = "runs" if found.run is not None else "experiments"
        await self._service.delete(kind, subject(found).id)

    @scoped_iterator
    async def logs(
        self,
        name: str,
        *,
        follow: bool = True,
        tail: int | None = None,
        timestamps: bool = False,
    ) -> AsyncIterator[str]:
        """Yield the lines of an experiment's log; the name of a run means its first experiment.

        Without ``follow`` it is what is there now. With it, the begin is waited for, cuts are
        survived without loss or repetition, and the end is that of the experiment. ``tail`` keeps
        the last lines only, so nothing comes before the end. With ``timestamps`` each line begins
        with its time and a blank.

        Raises:
            ResourceNotFound: there is no such experiment.
        """
        experiment = await self._logged(name)
        reader = LogReader(self._connection, experiment.id)
        kept: deque[str] = deque(maxlen=tail)
        async with self._lines(reader, experiment, follow) as lines:
            async for line in lines:
                text = f"{line.prefix}{line.text}" if timestamps else line.text
                if tail is None:
                    yield text
                else:
                    kept.append(text)
        for text in kept:
            yield text

    async def build_logs(self, name: str, *, timestamps: bool = False) -> list[str]:
        """Return the lines that the build of an experiment's image wrote."""
        reader = LogReader(self._connection, (await self._logged(name)).id)
        lines = await reader.build()
        return [f"{line.prefix}{line.text}" if timestamps else line.text for line in lines]

    async def _logged(self, name: str) -> Experiment:
        if is_experiment_name(name):
            return await self._lookup.experiment(name)
        found = await self._lookup.find(name)
        if not found.experiments:
            raise ResourceNotFound(f"The run {name!r} has no experiment yet, and so no log")
        return found.experiments[0]

    @scoped_iterator
    async def _lines(
        self, reader: LogReader, experiment: Experiment, follow: bool
    ) -> AsyncIterator[Line[int]]:
        if not follow:
            for line in await reader.now():
                yield line
            return

        async def started() -> bool:
            """Wait until the experiment runs; tell if it has ended already."""
            pauses = Pauses()
            while True:
                found = await pauses.ask(lambda: self._service.experiment(experiment.id))
                if found.phase.is_finished:
                    return True
                if found.phase is ExperimentPhase.RUNNING:
                    return False
                await pauses.wait()

        async def finished() -> bool:
            return (await self._service.experiment(experiment.id)).phase.is_finished

        async with reader.until_end(started, finished) as lines:
            async for line in lines:
                yield line
