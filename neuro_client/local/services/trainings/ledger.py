"""The trainings that something may still happen to, in memory; the one place that writes them.

Each is changed in one step without an ``await``; `commit` then writes every changed one with what
happened to it. Whoever acknowledges a change commits first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ...state import State
from .models import Pod, Workload
from .notes import Notes
from .org import Organization
from .store import TrainingStore

WATCHED = "training"
"""The kind under which changes of trainings are told to those who watch the state."""


class Ledger:
    """Hold the trainings that are not settled, by id."""

    def __init__(self, state: State, store: TrainingStore, org: Organization) -> None:
        self.store = store
        self.org = org
        self.live: dict[str, Workload] = {}
        self.notes = Notes(org)
        self.changed: Callable[[], None] = lambda: None
        """Called after each change."""
        self._state = state
        self._dirty: set[str] = set()
        self._committing = asyncio.Lock()

    async def get(self, workload_id: str) -> Workload | None:
        """Give a training by its id, as last committed or newer."""
        return self.live.get(workload_id) or await self.store.get(workload_id)

    def pod(self, workload_id: str, pod_id: str) -> Pod:
        """Give a pod of a training that is here."""
        pod = self.live[workload_id].pod(pod_id)
        assert pod is not None
        return pod

    def add(self, workload: Workload) -> None:
        """Take a training that is stored already."""
        self.live[workload.id] = workload
        self.told(workload.id)

    def put(self, workload: Workload) -> None:
        """Replace a training."""
        if workload != self.live.get(workload.id):
            self.live[workload.id] = workload
            self._dirty.add(workload.id)
            self.told(workload.id)

    def move(
        self, workload_id: str, phase: str, message: str | None = None, reason: str | None = None
    ) -> None:
        """Put a training into another phase, and note that."""
        workload = self.live[workload_id].moved(phase, time.time(), message, reason)
        self.notes.phase(workload)
        self.put(workload)

    async def commit(self) -> None:
        """Write every changed training; what fails or is cancelled is written by the next call."""
        async with self._committing:
            taken, self._dirty = self._dirty, set()
            noted, self.notes.waiting = self.notes.waiting, []
            try:
                if taken or noted:
                    await self.store.save([self.live[key] for key in sorted(taken)], noted)
            except BaseException:
                self._dirty |= taken
                self.notes.waiting = [*noted, *self.notes.waiting]
                raise
        for workload_id in taken:
            workload = self.live.get(workload_id)
            if workload is not None and workload.settled and workload_id not in self._dirty:
                del self.live[workload_id]

    def told(self, workload_id: str) -> None:
        """Wake those who watch a training."""
        self.changed()
        self._state.notify(WATCHED, workload_id)
