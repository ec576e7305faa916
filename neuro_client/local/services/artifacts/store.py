"""Runs, experiments and artifacts in the database: records as JSON, columns to search by."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ...state import State, Transaction
from .models import (
    DELETED,
    Artifact,
    Event,
    Experiment,
    Run,
    dump,
    load_experiment,
    load_run,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS grid_runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    cluster TEXT NOT NULL,
    user TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS grid_run_names ON grid_runs (cluster, user, name)
    WHERE NOT deleted;
CREATE TABLE IF NOT EXISTS grid_experiments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    cluster TEXT NOT NULL,
    user TEXT NOT NULL,
    phase TEXT NOT NULL,
    settled INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS grid_experiments_of ON grid_experiments (run);
CREATE INDEX IF NOT EXISTS grid_experiment_names ON grid_experiments (name);
CREATE INDEX IF NOT EXISTS grid_unsettled ON grid_experiments (seq) WHERE NOT settled;
CREATE TABLE IF NOT EXISTS grid_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment TEXT NOT NULL,
    phase TEXT NOT NULL,
    desired TEXT NOT NULL,
    message TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS grid_events_of ON grid_events (experiment, id);
CREATE TABLE IF NOT EXISTS grid_lines (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment TEXT NOT NULL,
    kind TEXT NOT NULL,
    time REAL NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS grid_lines_of ON grid_lines (experiment, kind, id);
CREATE TABLE IF NOT EXISTS grid_artifacts (
    experiment TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    modified REAL NOT NULL,
    file TEXT NOT NULL,
    stamp TEXT NOT NULL,
    PRIMARY KEY (experiment, name)
) WITHOUT ROWID;
"""
_MOST_KNOWN = 20_000
_ARTIFACT = "name, size, md5, modified, file, stamp"


class DuplicateName(Exception):
    """The user has a run of that name on the cluster."""


class Gone(Exception):
    """The experiment was deleted meanwhile."""


class GridStore:
    """Read and write what the control plane keeps."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[tuple[str, str], Artifact] = {}
        self._changes = 0

    # -- runs and experiments -----------------------------------------------------------------

    async def insert(self, run: Run, experiments: Sequence[Experiment]) -> None:
        """Add a run with its experiments; raises `DuplicateName`."""
        try:
            async with self._state.transaction() as tx:
                await tx.execute(
                    "INSERT INTO grid_runs (id, name, cluster, user, record)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (run.id, run.name, run.cluster, run.user, dump(run)),
                )
                for one in experiments:
                    await tx.execute(
                        "INSERT INTO grid_experiments"
                        " (id, run, name, cluster, user, phase, settled, record)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            *(one.id, one.run, one.name, one.cluster, one.user),
                            *(one.phase, one.settled, dump(one)),
                        ),
                    )
                    await _note(tx, one)
        except sqlite3.IntegrityError:
            raise DuplicateName(run.name) from None

    async def save(self, experiments: Sequence[Experiment], steps: Sequence[Experiment]) -> None:
        """Write the present state of experiments and the steps to it, all or none."""
        async with self._state.transaction() as tx:
            for one in experiments:
                await tx.execute(
                    "UPDATE grid_experiments SET phase = ?, settled = ?, record = ? WHERE id = ?",
                    (one.phase, one.settled, dump(one), one.id),
                )
            for one in steps:
                await _note(tx, one)

    async def save_run(self, run: Run) -> None:
        """Write the present state of a run."""
        await self._state.execute(
            "UPDATE grid_runs SET record = ? WHERE id = ?", (dump(run), run.id)
        )

    async def delete_run(self, run_id: str) -> None:
        """Forget a run; its name is free at once."""
        await self._state.execute("UPDATE grid_runs SET deleted = 1 WHERE id = ?", (run_id,))

    async def run(self, run_id: str) -> Run | None:
        """Look a run up by its id; deleted ones are gone."""
        row = await self._state.fetch_one(
            "SELECT record FROM grid_runs WHERE id = ? AND NOT deleted", (run_id,)
        )
        return None if row is None else load_run(row["record"])

    async def run_ids(self) -> set[str]:
        """Return the ids of all runs that are not deleted."""
        rows = await self._state.fetch_all("SELECT id FROM grid_runs WHERE NOT deleted")
        return {row["id"] for row in rows}

    async def runs(self, where: str, parameters: Sequence[Any], limit: int) -> list[Run]:
        """List runs, the newest first; they have ids that sort by time."""
        rows = await self._state.fetch_all(
            f"SELECT record FROM grid_runs WHERE NOT deleted AND {where}"
            f" ORDER BY id DESC LIMIT {limit}",
            parameters,
        )
        return [load_run(row["record"]) for row in rows]

    async def count_runs(self, where: str, parameters: Sequence[Any]) -> int:
        """Count runs."""
        row = await self._state.fetch_one(
            f"SELECT COUNT(*) FROM grid_runs WHERE NOT deleted AND {where}", parameters
        )
        return 0 if row is None else int(row[0])

    async def experiment(self, experiment_id: str) -> Experiment | None:
        """Look an experiment up by its id; deleted ones are gone."""
        row = await self._state.fetch_one(
            "SELECT record FROM grid_experiments WHERE id = ? AND phase <> ?",
            (experiment_id, DELETED),
        )
        return None if row is None else load_experiment(row["record"])

    async def of_run(self, run_id: str) -> list[Experiment]:
        """List the experiments of a run by their number, deleted ones too."""
        rows = await self._state.fetch_all(
            "SELECT record FROM grid_experiments WHERE run = ? ORDER BY seq", (run_id,)
        )
        return [load_experiment(row["record"]) for row in rows]

    async def phases(self, run_ids: Sequence[str]) -> dict[str, list[sqlite3.Row]]:
        """Give id, phase and times of all experiments of some runs, by run."""
        marks = ", ".join("?" * len(run_ids))
        rows = await self._state.fetch_all(
            "SELECT run, id, phase, record ->> 'started_at' AS started_at,"
            " record ->> 'finished_at' AS finished_at, record ->> 'phase_at' AS phase_at"
            f" FROM grid_experiments WHERE run IN ({marks}) ORDER BY seq",
            run_ids,
        )
        found: dict[str, list[sqlite3.Row]] = {run_id: [] for run_id in run_ids}
        for row in rows:
            found[row["run"]].append(row)
        return found

    async def experiments(
        self, where: str, parameters: Sequence[Any], limit: int
    ) -> list[tuple[int, Experiment]]:
        """List experiments in the order they were made, each with its place."""
        rows = await self._state.fetch_all(
            f"SELECT seq, record FROM grid_experiments WHERE {where} ORDER BY seq LIMIT {limit}",
            parameters,
        )
        return [(row["seq"], load_experiment(row["record"])) for row in rows]

    async def newest(self, user: str, limit: int) -> list[Experiment]:
        """List the experiments of a user, the newest first."""
        rows = await self._state.fetch_all(
            "SELECT record FROM grid_experiments WHERE user = ? AND phase <> ?"
            " ORDER BY seq DESC LIMIT ?",
            (user, DELETED, limit),
        )
        return [load_experiment(row["record"]) for row in rows]

    async def count_experiments(self, where: str, parameters: Sequence[Any]) -> int:
        """Count experiments."""
        row = await self._state.fetch_one(
            f"SELECT COUNT(*) FROM grid_experiments WHERE {where}", parameters
        )
        return 0 if row is None else int(row[0])

    async def unsettled(self) -> list[Experiment]:
        """List the experiments that something will still happen to, oldest first."""
        rows = await self._state.fetch_all(
            "SELECT record FROM grid_experiments WHERE NOT settled ORDER BY seq"
        )
        return [load_experiment(row["record"]) for row in rows]

    async def events(self, experiment_id: str) -> list[Event]:
        """List the steps of an experiment."""
        rows = await self._state.fetch_all(
            "SELECT id, phase, desired, message, time FROM grid_events WHERE experiment = ?"
            " ORDER BY id",
            (experiment_id,),
        )
        return [Event(*row) for row in rows]

    # -- lines of build logs, and of experiments that a test plays ----------------------------

    async def add_lines(
        self, experiment_id: str, kind: str, lines: Sequence[tuple[float, str]]
    ) -> None:
        """Add lines of a log, each with its time."""
        async with self._state.transaction() as tx:
            for time, text in lines:
                await tx.execute(
                    "INSERT INTO grid_lines (experiment, kind, time, text) VALUES (?, ?, ?, ?)",
                    (experiment_id, kind, time, text),
                )

    async def lines(
        self, experiment_id: str, kind: str, after: int = 0
    ) -> list[tuple[int, float, str]]:
        """Read the lines of a log behind a place: place, time, text."""
        rows = await self._state.fetch_all(
            "SELECT id, time, text FROM grid_lines WHERE experiment = ? AND kind = ? AND id > ?"
            " ORDER BY id",
            (experiment_id, kind, after),
        )
        return [(row["id"], row["time"], row["text"]) for row in rows]

    # -- artifacts ----------------------------------------------------------------------------

    async def put_artifact(self, experiment_id: str, new: Artifact) -> str | None:
        """Put an artifact in place; return the file of the one it replaces. Raises `Gone`."""
        try:
            async with self._state.transaction() as tx:
                live = await tx.fetch_one(
                    "SELECT 1 FROM grid_experiments WHERE id = ? AND phase <> ?",
                    (experiment_id, DELETED),
                )
                if live is None:
                    raise Gone(experiment_id)
                old = await tx.fetch_one(
                    "SELECT file FROM grid_artifacts WHERE experiment = ? AND name = ?",
                    (experiment_id, new.name),
                )
                await tx.execute(
                    f"INSERT OR REPLACE INTO grid_artifacts (experiment, {_ARTIFACT})"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(experiment_id, new.name, new.size, new.md5),
                        *(new.modified, new.file, new.stamp),
                    ),
                )
        finally:
            self._changes += 1
            self._known.pop((experiment_id, new.name), None)
        return None if old is None else str(old["file"])

    async def artifact(self, experiment_id: str, name: str) -> Artifact | None:
        """Look an artifact up."""
        known, changes = self._known.get((experiment_id, name)), self._changes
        if known is not None:
            return known
        row = await self._state.fetch_one(
            f"SELECT {_ARTIFACT} FROM grid_artifacts WHERE experiment = ? AND name = ?",
            (experiment_id, name),
        )
        if row is None:
            return None
        return self._note(experiment_id, [Artifact(*row)], changes)[0]

    async def artifacts(self, experiment_id: str, after: str, limit: int) -> list[Artifact]:
        """List artifacts by name, those behind a name."""
        changes = self._changes
        rows = await self._state.fetch_all(
            f"SELECT {_ARTIFACT} FROM grid_artifacts WHERE experiment = ? AND name > ?"
            " ORDER BY name LIMIT ?",
            (experiment_id, after, limit),
        )
        return self._note(experiment_id, [Artifact(*row) for row in rows], changes)

    def _note(self, experiment_id: str, found: list[Artifact], changes: int) -> list[Artifact]:
        """Remember artifacts, whose links are used next, unless one changed meanwhile."""
        if changes == self._changes:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known.update({(experiment_id, one.name): one for one in found})
        return found

    async def stamps(self, experiment_id: str) -> dict[str, str]:
        """Give the state of the source of each artifact, by name."""
        rows = await self._state.fetch_all(
            "SELECT name, stamp FROM grid_artifacts WHERE experiment = ?", (experiment_id,)
        )
        return {row["name"]: row["stamp"] for row in rows}

    async def usage(self, user: str) -> int:
        """Add up the bytes of the artifacts of a user."""
        row = await self._state.fetch_one(
            "SELECT COALESCE(SUM(size), 0) FROM grid_artifacts"
            " JOIN grid_experiments ON grid_experiments.id = experiment WHERE user = ?",
            (user,),
        )
        return 0 if row is None else int(row[0])

    async def delete_artifacts(self, experiment_id: str) -> list[str]:
        """Forget the artifacts and logs of an experiment; return the files to remove."""
        try:
            async with self._state.transaction() as tx:
                rows = await tx.fetch_all(
                    "SELECT file FROM grid_artifacts WHERE experiment = ?", (experiment_id,)
                )
                for table in ("grid_artifacts", "grid_lines"):
                    await tx.execute(f"DELETE FROM {table} WHERE experiment = ?", (experiment_id,))
        finally:
            self._changes += 1
            for key in [key for key in self._known if key[0] == experiment_id]:
                del self._known[key]
        return [row["file"] for row in rows]

    async def purged(self) -> set[str]:
        """Forget what a kill left of deleted experiments; return every file that is named still."""
        async with self._state.transaction() as tx:
            for table in ("grid_artifacts", "grid_lines"):
                await tx.execute(
                    f"DELETE FROM {table} WHERE experiment IN"
                    " (SELECT id FROM grid_experiments WHERE phase = ?)",
                    (DELETED,),
                )
            rows = await tx.fetch_all("SELECT file FROM grid_artifacts")
        return {row["file"] for row in rows}


async def _note(tx: Transaction, one: Experiment) -> None:
    await tx.execute(
        "INSERT INTO grid_events (experiment, phase, desired, message, time)"
        " VALUES (?, ?, ?, ?, ?)",
        (one.id, one.phase, one.desired, one.message, one.phase_at),
    )
