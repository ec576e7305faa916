"""The experiments that something may still happen to, in memory; the one place that writes them.

Each is changed in one step without an ``await``; `commit` then writes every changed one. Whoever
acknowledges a change commits first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import attrs

from ...state import State
from .models import FINISHED, RUNNING, Experiment
from .store import GridStore

WATCHED = "experiment"
"""The kind under which changes of experiments are told to those who watch the state."""


class Ledger:
    """Hold the experiments that are not settled, by id."""

    def __init__(self, state: State, store: GridStore) -> None:
        self.store = store
        self.live: dict[str, Experiment] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called after each change."""
        self._state = state
        self._dirty: set[str] = set()
        self._steps: list[Experiment] = []
        self._committing = asyncio.Lock()

    async def get(self, experiment_id: str) -> Experiment | None:
        """Give an experiment by its id, as last committed or newer; None for a deleted one too."""
        found = self.live.get(experiment_id)
        if found is None:
            found = await self.store.experiment(experiment_id)
        return None if found is None or found.gone else found

    def add(self, experiment: Experiment) -> None:
        """Take an experiment that is stored already."""
        self.live[experiment.id] = experiment
        self.told(experiment.id)

    def change(self, experiment_id: str, **fields: Any) -> Experiment:
        """Change fields of an experiment."""
        found = attrs.evolve(self.live[experiment_id], **fields)
        self.live[experiment_id] = found
        self._dirty.add(experiment_id)
        self.told(experiment_id)
        return found

    def move(self, experiment_id: str, phase: str, message: str = "", **fields: Any) -> Experiment:
        """Put an experiment into another phase, and note that as a step."""
        before = self.live[experiment_id]
        now = max(time.time(), before.phase_at)
        if phase == RUNNING and before.started_at is None:
            fields.setdefault("started_at", now)
        if phase in FINISHED:
            fields["finished_at"] = now
        found = self.change(experiment_id, phase=phase, phase_at=now, message=message, **fields)
        self._steps.append(found)
        return found

    async def commit(self) -> None:
        """Write every changed experiment; what fails or is cancelled is written by the next."""
        async with self._committing:
            taken, self._dirty = self._dirty, set()
            steps, self._steps = self._steps, []
            try:
                if taken:
                    await self.store.save([self.live[key] for key in sorted(taken)], steps)
            except BaseException:
                self._dirty |= taken
                self._steps = [*steps, *self._steps]
                raise
        for key in taken:
            found = self.live.get(key)
            if found is not None and found.settled and key not in self._dirty:
                del self.live[key]
                self.told(key)

    def told(self, experiment_id: str) -> None:
        """Wake those who watch an experiment."""
        self.changed()
        self._state.notify(WATCHED, experiment_id)
