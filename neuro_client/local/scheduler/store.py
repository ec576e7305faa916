"""Jobs in the database: the record as JSON, and columns for what is searched by."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ..state import State
from .models import Job, dump, load

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT,
    owner TEXT NOT NULL,
    base_owner TEXT NOT NULL,
    cluster TEXT NOT NULL,
    org TEXT,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    materialized INTEGER NOT NULL,
    being_dropped INTEGER NOT NULL,
    logs_removed INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_unfinished_names ON jobs (base_owner, name)
    WHERE name IS NOT NULL AND status IN ('pending', 'suspended', 'running');
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (cluster, created_at);
CREATE INDEX IF NOT EXISTS jobs_by_name ON jobs (name) WHERE name IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status);
CREATE INDEX IF NOT EXISTS jobs_with_processes ON jobs (id) WHERE materialized;
CREATE TABLE IF NOT EXISTS job_tags (
    tag TEXT NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (tag, job_id)
) WITHOUT ROWID;
"""
_PAGE = 200
_UNFINISHED = "status IN ('pending', 'suspended', 'running')"


class DuplicateNameError(Exception):
    """Another unfinished job of the same base owner has the name; the text is that job's id."""


class JobStore:
    """Read and write jobs."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(self, job: Job) -> None:
        """Add a job; raises `DuplicateNameError`."""
        columns = _columns(job)
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        try:
            async with self._state.transaction() as transaction:
                await transaction.execute(
                    f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(columns.values())
                )
                for tag in job.spec.tags:
                    await transaction.execute("INSERT INTO job_tags VALUES (?, ?)", (tag, job.id))
        except sqlite3.IntegrityError:
            row = await self._state.fetch_one(
                f"SELECT id FROM jobs WHERE base_owner = ? AND name = ? AND {_UNFINISHED}",
                (job.base_owner, job.spec.name),
            )
            raise DuplicateNameError(row["id"] if row else "") from None

    async def save(self, jobs: Sequence[Job]) -> None:
        """Write the present state of known jobs, all or none."""
        async with self._state.transaction() as transaction:
            for job in jobs:
                columns = _columns(job)
                pairs = ", ".join(f"{name} = ?" for name in columns)
                await transaction.execute(
                    f"UPDATE jobs SET {pairs} WHERE id = ?", (*columns.values(), job.id)
                )

    async def delete(self, job_id: str) -> None:
        """Remove a job and its tags."""
        async with self._state.transaction() as transaction:
            await transaction.execute("DELETE FROM job_tags WHERE job_id = ?", (job_id,))
            await transaction.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    async def get(self, job_id: str) -> Job | None:
        """Look a job up by its id."""
        row = await self._state.fetch_one("SELECT record FROM jobs WHERE id = ?", (job_id,))
        return None if row is None else load(row["record"])

    async def get_named(self, name: str, owner: str) -> Job | None:
        """Give the newest job of that name and owner."""
        row = await self._state.fetch_one(
            "SELECT record FROM jobs WHERE name = ? AND owner = ? ORDER BY seq DESC LIMIT 1",
            (name, owner),
        )
        return None if row is None else load(row["record"])

    async def unsettled(self) -> list[Job]:
        """List the jobs that are not finished or may still have processes, oldest first."""
        rows = await self._state.fetch_all(
            f"SELECT record FROM jobs WHERE {_UNFINISHED} OR materialized ORDER BY seq"
        )
        return [load(row["record"]) for row in rows]

    async def search(
        self, where: str, parameters: Sequence[Any], *, reverse: bool
    ) -> AsyncGenerator[Job, None]:
        """Yield the jobs of a condition by creation time, reading a page at a time."""
        sign, direction = ("<", "DESC") if reverse else (">", "ASC")
        created_at, seq = (float("inf"), 1 << 62) if reverse else (-1.0, 0)
        while True:
            rows = await self._state.fetch_all(
                f"SELECT seq, created_at, record FROM jobs WHERE ({where})"
                f" AND (created_at, seq) {sign} (?, ?)"
                f" ORDER BY created_at {direction}, seq {direction} LIMIT {_PAGE}",
                (*parameters, created_at, seq),
            )
            for row in rows:
                yield load(row["record"])
            if len(rows) < _PAGE:
                return
            created_at, seq = rows[-1]["created_at"], rows[-1]["seq"]


def _columns(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.spec.name,
        "owner": job.owner,
        "base_owner": job.base_owner,
        "cluster": job.cluster,
        "org": job.org,
        "status": job.status,
        "created_at": job.created_at,
        "materialized": job.materialized,
        "being_dropped": job.being_dropped,
        "logs_removed": job.logs_removed,
        "record": dump(job),
    }
