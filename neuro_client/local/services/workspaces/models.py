"""A task as it is kept, and its states (§4.1)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

import attrs

QUEUED, RUNNING = "QUEUED", "RUNNING"
FINISHED, FAILED, CANCELLED = "FINISHED", "FAILED", "CANCELLED"
PENDING = "PENDING"
TERMINAL = frozenset({FINISHED, FAILED, CANCELLED})
SERVER = "server"

SCHEMA = """
CREATE TABLE IF NOT EXISTS workspace_tasks (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    number INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS workspace_tasks_of ON workspace_tasks (username, number);
CREATE INDEX IF NOT EXISTS workspace_tasks_unsettled ON workspace_tasks (settled, number);
"""


@attrs.frozen
class Task:
    """One task; times in seconds of the epoch."""

    id: str
    username: str
    name: str
    path: str
    """The folder of its workspace, ``/jobs/<name>``."""
    request: Mapping[str, Any]
    shards: tuple[str, ...]
    """The keys of its shards, one for each worker."""
    created_at: float
    state: str = QUEUED
    started_at: float | None = None
    finished_at: float | None = None
    reason: str | None = None
    run: int = -1
    """How often its programs were started, less one."""
    materialized: bool = False
    """Whether programs of that run may exist."""

    @property
    def finished(self) -> bool:
        """Tell whether it will not change any more."""
        return self.state in TERMINAL

    @property
    def shown(self) -> str:
        """Return the state as the dashboard tells it: who waits for a place is pending."""
        return PENDING if self.state == QUEUED else self.state

    @property
    def members(self) -> list[str]:
        """Return the names of its programs: the server and the workers."""
        return [SERVER, *(f"worker-{number}" for number in range(len(self.shards)))]

    def run_id(self, member: str) -> str:
        """Return the name by which the runner knows a program."""
        return f"task-{self.id}-{member}"

    def dump(self) -> str:
        """Write it as a row has it."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def of(cls, row: sqlite3.Row) -> Task:
        """Read a row."""
        document = json.loads(row["document"])
        return cls(**{**document, "shards": tuple(document["shards"])})
