"""Trainings in the database: the record as JSON, and columns for what is searched by."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ...state import State, Transaction
from .models import DELETED, Happening, Workload, dump, load
from .resources import allocated_gpus, priority_class, priority_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS trainings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    project INTEGER NOT NULL,
    cluster TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at REAL NOT NULL,
    deleted_at REAL,
    completed_at REAL,
    phase TEXT NOT NULL,
    phase_at REAL NOT NULL,
    gone INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    delete_at REAL,
    gpus REAL NOT NULL,
    priority INTEGER NOT NULL,
    priority_class TEXT NOT NULL,
    category TEXT NOT NULL,
    pending_seconds REAL NOT NULL,
    running_seconds REAL NOT NULL,
    record TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS trainings_names ON trainings (project, name) WHERE NOT gone;
CREATE INDEX IF NOT EXISTS trainings_unsettled ON trainings (seq) WHERE NOT settled;
CREATE INDEX IF NOT EXISTS trainings_due ON trainings (delete_at) WHERE delete_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS training_history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workload TEXT NOT NULL,
    time REAL NOT NULL,
    is_event INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS training_history_of ON training_history (workload, seq);
CREATE TABLE IF NOT EXISTS training_samples (
    workload TEXT NOT NULL,
    pod TEXT NOT NULL,
    time REAL NOT NULL,
    cpu REAL NOT NULL,
    memory REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS training_samples_of ON training_samples (workload, time);
"""
_AUTO_DELETION = 2_592_000


class DuplicateName(Exception):
    """Report a name that another training of the project has; the text is that one's id."""


class TrainingStore:
    """Read and write trainings and their history."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(self, workload: Workload, happenings: Sequence[Happening]) -> None:
        """Add a training; raises `DuplicateName`."""
        columns = _columns(workload)
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        try:
            async with self._state.transaction() as transaction:
                await transaction.execute(
                    f"INSERT INTO trainings ({names}) VALUES ({marks})", tuple(columns.values())
                )
                await _note(transaction, happenings)
        except sqlite3.IntegrityError:
            row = await self._state.fetch_one(
                "SELECT id FROM trainings WHERE project = ? AND name = ? AND NOT gone",
                (workload.project, workload.name),
            )
            raise DuplicateName(row["id"] if row else "") from None

    async def save(self, workloads: Sequence[Workload], happenings: Sequence[Happening]) -> None:
        """Write the present state of known trainings and what happened, all or none."""
        async with self._state.transaction() as transaction:
            for workload in workloads:
                columns = _columns(workload)
                pairs = ", ".join(f"{name} = ?" for name in columns)
                await transaction.execute(
                    f"UPDATE trainings SET {pairs} WHERE id = ?", (*columns.values(), workload.id)
                )
            await _note(transaction, happenings)

    async def get(self, workload_id: str) -> Workload | None:
        """Look a training up."""
        row = await self._state.fetch_one(
            "SELECT record FROM trainings WHERE id = ?", (workload_id,)
        )
        return None if row is None else load(row["record"])

    async def named(self, project: int, name: str) -> Workload | None:
        """Give the training of a project that has the name now."""
        row = await self._state.fetch_one(
            "SELECT record FROM trainings WHERE project = ? AND name = ? AND NOT gone",
            (project, name),
        )
        return None if row is None else load(row["record"])

    async def unsettled(self) -> list[Workload]:
        """List the trainings that something will still happen to, oldest first."""
        rows = await self._state.fetch_all(
            "SELECT record FROM trainings WHERE NOT settled ORDER BY seq"
        )
        return [load(row["record"]) for row in rows]

    async def due(self, now: float) -> tuple[list[str], float | None]:
        """List the trainings to be deleted by now, and tell when the next one is due."""
        rows = await self._state.fetch_all(
            "SELECT id FROM trainings WHERE delete_at <= ? LIMIT 100", (now,)
        )
        later = await self._state.fetch_one(
            "SELECT min(delete_at) AS time FROM trainings WHERE delete_at > ?", (now,)
        )
        return [row["id"] for row in rows], None if later is None else later["time"]

    async def select(
        self, where: str, order: str, parameters: Sequence[Any], limit: int, offset: int
    ) -> list[Workload]:
        """Read a page of trainings."""
        last = len(parameters)
        rows = await self._state.fetch_all(
            f"SELECT record FROM trainings WHERE {where} ORDER BY {order}"
            f" LIMIT ?{last + 1} OFFSET ?{last + 2}",
            (*parameters, limit, offset),
        )
        # Hundreds of records take long enough to hold up everybody else.
        return await asyncio.to_thread(lambda: [load(row["record"]) for row in rows])

    async def rows(
        self, columns: str, where: str, parameters: Sequence[Any], tail: str = ""
    ) -> list[sqlite3.Row]:
        """Read columns of trainings."""
        return await self._state.fetch_all(
            f"SELECT {columns} FROM trainings WHERE {where} {tail}", parameters
        )

    async def history(
        self, workload_id: str, *, events: bool, newest: bool, limit: int, offset: int
    ) -> list[tuple[float, dict[str, Any]]]:
        """Read a page of what happened, or of its events only, each with its time."""
        only = "AND is_event" if events else ""
        direction = "DESC" if newest else "ASC"
        rows = await self._state.fetch_all(
            f"SELECT time, record FROM training_history WHERE workload = ? {only}"
            f" ORDER BY seq {direction} LIMIT ? OFFSET ?",
            (workload_id, limit, offset),
        )
        return [(row["time"], json.loads(row["record"])) for row in rows]

    async def add_samples(self, samples: Sequence[tuple[str, str, float, float, float]]) -> None:
        """Keep measurements: workload, pod, time, cores, bytes."""
        async with self._state.transaction() as transaction:
            for sample in samples:
                await transaction.execute(
                    "INSERT INTO training_samples VALUES (?, ?, ?, ?, ?)", sample
                )

    async def samples(
        self, workload_id: str, pod: str | None, start: float, end: float
    ) -> list[sqlite3.Row]:
        """Read the measurements of a span of time, oldest first."""
        only, more = ("AND pod = ?", (pod,)) if pod else ("", ())
        return await self._state.fetch_all(
            "SELECT pod, time, cpu, memory FROM training_samples"
            f" WHERE workload = ? AND time BETWEEN ? AND ? {only} ORDER BY time",
            (workload_id, start, end, *more),
        )


async def _note(transaction: Transaction, happenings: Sequence[Happening]) -> None:
    for one in happenings:
        record = {"event": one.event} if one.event is not None else {"phaseUpdate": one.phase}
        await transaction.execute(
            "INSERT INTO training_history (workload, time, is_event, record) VALUES (?, ?, ?, ?)",
            (one.workload, one.time, one.event is not None, json.dumps(record)),
        )


def _columns(workload: Workload) -> dict[str, Any]:
    delete_at = None
    if workload.completed_at is not None and workload.desired != DELETED:
        wanted = workload.setting("autoDeletionTimeAfterCompletionSeconds")
        known = isinstance(wanted, int) and not isinstance(wanted, bool)
        delete_at = workload.completed_at + (wanted if known else _AUTO_DELETION)
    priority = priority_class(workload)
    return {
        "id": workload.id,
        "name": workload.name,
        "project": workload.project,
        "cluster": workload.cluster,
        "created_by": workload.created_by,
        "created_at": workload.created_at,
        "deleted_at": workload.deleted_at,
        "completed_at": workload.completed_at,
        "phase": workload.phase,
        "phase_at": workload.phase_at,
        "gone": workload.gone,
        "settled": workload.settled,
        "delete_at": delete_at,
        "gpus": allocated_gpus(workload),
        "priority": priority_of(priority),
        "priority_class": priority,
        "category": category(workload),
        "pending_seconds": workload.pending_seconds,
        "running_seconds": workload.running_seconds,
        "record": dump(workload),
    }


def category(workload: Workload) -> str:
    """Give the category of a training."""
    wanted = workload.setting("category")
    return wanted if isinstance(wanted, str) else "Train"
