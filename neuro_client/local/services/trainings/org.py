"""Clusters, departments and projects, and what they deserve (runai-trainings.md §7.9)."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

import attrs

from ...state import State
from .policy import Quotas
from .resources import Amount

SCHEMA = """
CREATE TABLE IF NOT EXISTS training_clusters (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS training_departments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    gpus REAL,
    cpus REAL,
    memory REAL
);
CREATE TABLE IF NOT EXISTS training_projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    department INTEGER NOT NULL REFERENCES training_departments,
    cluster TEXT NOT NULL REFERENCES training_clusters,
    gpus REAL,
    cpus REAL,
    memory REAL
);
"""


@attrs.frozen
class Quota:
    """What is deserved: GPU devices, CPU cores, bytes of memory; None is not limited."""

    gpus: float | None = None
    cpus: float | None = None
    memory: float | None = None

    @property
    def amount(self) -> Amount:
        """Give it as an amount."""
        return Amount(_or_endless(self.cpus), _or_endless(self.memory), _or_endless(self.gpus))


@attrs.frozen
class Cluster:
    """Name a cluster."""

    id: str
    name: str
    created_at: float


@attrs.frozen
class Department:
    """Describe a department."""

    id: int
    name: str
    created_at: float
    quota: Quota


@attrs.frozen
class Project:
    """Describe a project."""

    id: int
    name: str
    created_at: float
    department: int
    cluster: str
    quota: Quota

    @property
    def namespace(self) -> str:
        """Give the name of its place on the cluster."""
        return f"runai-{self.name}"


class Organization:
    """Hold the tenant's clusters, departments and projects."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.clusters: dict[str, Cluster] = {}
        self.departments: dict[int, Department] = {}
        self.projects: dict[int, Project] = {}

    async def open(self, clusters: Sequence[str]) -> None:
        """Read what is there, and add what every platform has: a project for each cluster."""
        now = time.time()
        async with self._state.transaction() as tx:
            await tx.execute(
                "INSERT OR IGNORE INTO training_departments (name, created_at) VALUES (?, ?)",
                ("default", now),
            )
            for name in clusters:
                await tx.execute(
                    "INSERT OR IGNORE INTO training_clusters VALUES (?, ?, ?)",
                    (str(uuid.uuid4()), name, now),
                )
                await tx.execute(
                    "INSERT OR IGNORE INTO training_projects"
                    " (name, created_at, department, cluster)"
                    " SELECT ?, ?, 1, id FROM training_clusters WHERE name = ?",
                    (name.lower(), now, name),
                )
        await self._read()

    async def add_department(self, name: str, quota: Quota) -> Department:
        """Add a department or change its quota."""
        await self._state.execute(
            "INSERT INTO training_departments (name, created_at, gpus, cpus, memory)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " gpus = excluded.gpus, cpus = excluded.cpus, memory = excluded.memory",
            (name, time.time(), *attrs.astuple(quota)),
        )
        await self._read()
        return next(one for one in self.departments.values() if one.name == name)

    async def add_project(self, name: str, quota: Quota, department: str, cluster: str) -> Project:
        """Add a project or change its quota; the department and the cluster are named."""
        inside = next((one for one in self.departments.values() if one.name == department), None)
        on = next((one for one in self.clusters.values() if one.name == cluster), None)
        if inside is None or on is None:
            missing = f"department {department!r}" if inside is None else f"cluster {cluster!r}"
            raise ValueError(f"There is no {missing}")
        await self._state.execute(
            "INSERT INTO training_projects"
            " (name, created_at, department, cluster, gpus, cpus, memory)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " gpus = excluded.gpus, cpus = excluded.cpus, memory = excluded.memory",
            (name, time.time(), inside.id, on.id, *attrs.astuple(quota)),
        )
        await self._read()
        return next(one for one in self.projects.values() if one.name == name)

    def project(self, key: Any) -> Project | None:
        """Look a project up by its id, which comes as a string or a number (§1)."""
        text = str(key)
        known = not isinstance(key, bool) and text.isdecimal() and len(text) < 18
        return self.projects.get(int(text)) if known else None

    def project_named(self, name: str) -> Project | None:
        """Look a project up by its name."""
        return next((one for one in self.projects.values() if one.name == name), None)

    def quotas(self) -> Quotas:
        """Give what everybody deserves."""
        return Quotas(
            {one.id: one.quota.amount for one in self.projects.values()},
            {one.id: one.quota.amount for one in self.departments.values()},
        )

    async def _read(self) -> None:
        for row in await self._state.fetch_all("SELECT * FROM training_clusters"):
            self.clusters[row["id"]] = Cluster(row["id"], row["name"], row["created_at"])
        for row in await self._state.fetch_all("SELECT * FROM training_departments"):
            quota = Quota(row["gpus"], row["cpus"], row["memory"])
            self.departments[row["id"]] = Department(
                row["id"], row["name"], row["created_at"], quota
            )
        for row in await self._state.fetch_all("SELECT * FROM training_projects"):
            quota = Quota(row["gpus"], row["cpus"], row["memory"])
            self.projects[row["id"]] = Project(
                row["id"], row["name"], row["created_at"], row["department"], row["cluster"], quota
            )


def _or_endless(limit: float | None) -> float:
    return math.inf if limit is None else limit
