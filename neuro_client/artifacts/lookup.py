"""Find runs and experiments by the names that people use (grid-artifacts.md §1, §3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import attrs

from ..concurrency import scoped_iterator
from ..errors import ResourceNotFound
from .models import Experiment, ExperimentPhase, GridRun, RunPhase
from .names import is_experiment_name, is_ulid, run_name_of
from .service import GridService, Pairs
from .wire import decode_experiment, decode_run


@attrs.frozen
class Found:
    """Hold what a name stands for: a run with its experiments, or one experiment."""

    name: str
    run: GridRun | None
    experiments: tuple[Experiment, ...]

    @property
    def run_name(self) -> str:
        """Return the name of the run."""
        return self.name if self.run is not None else run_name_of(self.name)


class Lookup:
    """Ask the control plane for what belongs to names."""

    def __init__(self, service: GridService, user_id: str) -> None:
        self._service = service
        self._user_id = user_id

    @scoped_iterator
    async def runs(
        self,
        *,
        query: str = "",
        user_ids: Iterable[str] = (),
        phases: Iterable[RunPhase] = (),
        without: Iterable[RunPhase] = (RunPhase.DELETED,),
    ) -> AsyncIterator[GridRun]:
        """Yield runs; *query* is how their names begin."""
        asked: Pairs = [("userIds", id) for id in user_ids]
        asked += [("phaseIn", phase.wire) for phase in phases]
        asked += [("phaseNotIn", phase.wire) for phase in without]
        asked += [("query", query)] if query else []
        async with self._service.listed("runs", "runs", query=asked) as pages:
            async for page in pages:
                for item in page:
                    yield decode_run(item)

    @scoped_iterator
    async def experiments(
        self,
        *,
        names: Iterable[str] = (),
        run_ids: Iterable[str] = (),
        phases: Iterable[ExperimentPhase] = (),
        without: Iterable[ExperimentPhase] = (ExperimentPhase.DELETED,),
    ) -> AsyncIterator[Experiment]:
        """Yield experiments."""
        asked: Pairs = [("names", name) for name in names]
        asked += [("runIds", id) for id in run_ids]
        asked += [("phaseIn", phase.wire) for phase in phases]
        asked += [("phaseNotIn", phase.wire) for phase in without]
        async with self._service.listed("experiments", "experiments", query=asked) as pages:
            async for page in pages:
                for item in page:
                    yield decode_experiment(item)

    async def run(self, text: str) -> GridRun:
        """Return the run of a name or id; one's own comes before those of others.

        Raises:
            ResourceNotFound: there is none, or several of other users.
        """
        async with self.runs(query=text) as listing:
            named = [run async for run in listing if run.name == text]
        found = [run for run in named if run.user_id == self._user_id] or named
        if not found and is_ulid(text):
            return await self._service.run(text)
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(run.id for run in found)
            raise ResourceNotFound(f"Several users have a run {text!r}; give its id: {ids}")
        raise ResourceNotFound(
            f"There is no run {text!r}; see the names of all runs with `history`"
        )

    async def experiment(self, text: str) -> Experiment:
        """Return the experiment of a name or id.

        Raises:
            ResourceNotFound: there is none.
        """
        if is_ulid(text):
            return await self._service.experiment(text)
        async with self.experiments(names=[text]) as listing:
            found = [item async for item in listing if item.name == text]
        if not found:
            raise ResourceNotFound(
                f"There is no experiment {text!r}; see those of its run with `status "
                f"{run_name_of(text)}`"
            )
        own = [item for item in found if item.user_id == self._user_id]
        return (own or found)[0]

    async def of_run(self, run: GridRun) -> tuple[Experiment, ...]:
        """Return the experiments of a run that are not deleted, in the order of their numbers."""
        async with self.experiments(run_ids=[run.id]) as listing:
            found = [item async for item in listing]
        return tuple(sorted(found, key=lambda item: _number(item.name)))

    async def find(self, text: str) -> Found:
        """Return what a name or id stands for.

        What looks like an experiment is looked up as one first, then as a run.

        Raises:
            ResourceNotFound: there is neither.
        """
        if is_experiment_name(text) or is_ulid(text):
            try:
                experiment = await self.experiment(text)
            except ResourceNotFound as error:
                try:
                    run = await self.run(text)
                except ResourceNotFound:
                    raise error from None
            else:
                return Found(experiment.name, None, (experiment,))
        else:
            run = await self.run(text)
        return Found(run.name, run, await self.of_run(run))


def _number(name: str) -> tuple[int, str]:
    digits = name.rpartition("-exp")[2]
    return (int(digits) if digits.isdigit() else 0, name)
