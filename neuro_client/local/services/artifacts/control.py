"""Which experiment runs next, which is stopped or deleted: the queue (grid-artifacts.md §7)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from ...scheduler import Capacity
from ..base import Platform
from ..s3.files import Files
from .attending import Attendant, Timing
from .launch import Launcher, Places
from .ledger import Ledger
from .models import CANCELLED, DELETED, PENDING, QUEUED, Experiment, Run
from .store import GridStore

_AFTER_FAILURE = 1.0

_log = logging.getLogger(__name__)


class GridControl:
    """Create, run, stop and delete runs and experiments."""

    def __init__(self, platform: Platform, store: GridStore, files: Files, places: Places) -> None:
        self.store = store
        self.files = files
        self.places = places
        self.ledger = Ledger(platform.state, store)
        self.launcher = Launcher(places, lambda: platform.jobs.capacity)
        self.attendant = Attendant(self.ledger, self.launcher, platform.jobs.runner, files)
        self._platform = platform
        self._needs: dict[str, Capacity] = {}
        self._changing = asyncio.Lock()
        self._wake = asyncio.Event()
        self.ledger.changed = self._wake.set

    @property
    def timing(self) -> Timing:
        """Return the durations the experiments go by."""
        return self.attendant.timing

    # -- changing -----------------------------------------------------------------------------

    async def create(self, run: Run, experiments: list[Experiment]) -> None:
        """Take a new run; it is stored when this returns. Raises `DuplicateName`."""
        await self.store.insert(run, experiments)
        for one in experiments:
            self.ledger.add(one)

    async def take_source(self, run_id: str, draft: Path, md5: str) -> None:
        """Make a file the source of a run: its experiments wait for resources from now on.

        The same file once more is no harm.

        Raises:
            KeyError: no run waits for a source under this id.
            ValueError: the run has another source.
        """
        async with self._changing:
            run = await self.store.run(run_id)
            if run is None or not run.local_dir:
                raise KeyError(run_id)
            if run.source is None:
                await asyncio.to_thread(draft.replace, self.places.source(run_id))
                await self.store.save_run(attrs.evolve(run, source=md5))
            elif run.source != md5:
                raise ValueError(f"The run {run.name} has another source already")
        self._wake.set()

    async def stop_run(self, run_id: str) -> None:
        """Stop the experiments of a run that are not over; what they wrote is kept."""
        async with self._changing:
            run = await self.store.run(run_id)
            if run is None:
                return
            await self.store.save_run(attrs.evolve(run, desired=CANCELLED))
        for one in await self.store.of_run(run.id):
            if one.id in self.ledger.live:
                await self.stop(one.id)

    async def stop(self, experiment_id: str) -> None:
        """Stop an experiment; nothing happens to one that is over."""
        found = self.ledger.live.get(experiment_id)
        if found is None or found.finished or found.gone or found.desired == CANCELLED:
            return
        self.ledger.change(experiment_id, desired=CANCELLED)
        if found.scripted or not self.attendant.attends(experiment_id):
            self.ledger.move(experiment_id, CANCELLED, "It was stopped")
        await self.ledger.commit()
        await self.attendant.end(experiment_id)

    async def delete_run(self, run: Run) -> None:
        """Delete a run with its experiments, their artifacts and logs."""
        for one in await self.store.of_run(run.id):
            if not one.gone:
                await self.delete(one.id)
        await self.store.delete_run(run.id)
        await asyncio.to_thread(self.places.source(run.id).unlink, missing_ok=True)

    async def delete(self, experiment_id: str) -> None:
        """Delete an experiment; whatever runs of it is ended, its artifacts are gone at once."""
        if experiment_id not in self.ledger.live:
            found = await self.store.experiment(experiment_id)
            if found is None:
                return
            self.ledger.live.setdefault(experiment_id, found)
        self.ledger.move(experiment_id, DELETED, desired=DELETED)
        await self.ledger.commit()
        left = await self.store.delete_artifacts(experiment_id)
        await asyncio.to_thread(self.files.remove, left)
        if not self.attendant.attends(experiment_id):
            await self.attendant.clear(experiment_id)
        else:
            await self.attendant.end(experiment_id, kill=True)

    # -- running ------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Adopt what an earlier platform left, run experiments meanwhile, end them at the end."""
        unsettled = await self.store.unsettled()
        await self.launcher.sweep({one.id for one in unsettled}, await self.store.run_ids())
        async with asyncio.TaskGroup() as group:
            for one in unsettled:
                self.ledger.add(one)
                if one.materialized and not one.scripted:
                    self._attend(group, one.id, await self.store.run(one.run), adopt=True)
            tasks = [group.create_task(self._manage(group)), group.create_task(self._follow_jobs())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await self.attendant.shut_down()

    async def _follow_jobs(self) -> None:
        """Look again whenever a job changed: what it held may be free."""
        async with self._platform.state.watch("job") as changes:
            async for _ in changes:
                self._wake.set()

    def wake(self) -> None:
        """Look at once whether something can be done."""
        self._wake.set()

    async def _manage(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            pause: float | None = None
            try:
                await self._pass(group)
            except Exception:  # one experiment, or a full disk, must not take the platform down
                _log.exception("the experiments could not be looked after; trying again")
                pause = _AFTER_FAILURE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _pass(self, group: asyncio.TaskGroup) -> None:
        """Queue what has its source, start what there is room for, forget what is over."""
        runs: dict[str, Run | None] = {}
        for run_id in {one.run for one in self.ledger.live.values() if not one.scripted}:
            runs[run_id] = await self.store.run(run_id)
        for experiment_id, one in list(self.ledger.live.items()):
            run = runs.get(one.run)
            if one.scripted or self.attendant.attends(experiment_id):
                continue
            if run is None or one.finished or one.gone:
                continue
            if one.phase == PENDING and (run.source is not None or not run.local_dir):
                one = self.ledger.move(experiment_id, QUEUED)
            elif one.phase != PENDING and one.phase != QUEUED:
                one = self.ledger.move(experiment_id, QUEUED)  # an earlier platform prepared it
            if one.phase == QUEUED and self._fits(self.launcher.need(run)):
                self._attend(group, experiment_id, run, adopt=False)
        await self.ledger.commit()

    def _fits(self, need: Capacity) -> bool:
        left = self._platform.jobs.free()
        self._needs = {
            key: held for key, held in self._needs.items() if self.attendant.attends(key)
        }
        for held in self._needs.values():
            left = left.less(held.cpu, held.memory)
        return bool(need.cpu <= left.cpu and need.memory <= left.memory)

    def _attend(
        self, group: asyncio.TaskGroup, experiment_id: str, run: Run | None, *, adopt: bool
    ) -> None:
        if run is not None:
            self._needs[experiment_id] = self.launcher.need(run)
        self.attendant.begin(group, experiment_id, run, adopt=adopt)
