"""Keep the records of disks in the platform's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import attrs

from ...state import State
from .models import Disk, NameTakenError

SCHEMA = """
CREATE TABLE IF NOT EXISTS disks (
    id TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    owner TEXT NOT NULL,
    org TEXT,
    name TEXT,
    storage INTEGER NOT NULL,
    created_at REAL NOT NULL,
    last_usage REAL,
    life_span REAL,
    UNIQUE (cluster, owner, name)
);
"""
_NAMES = tuple(field.name for field in attrs.fields(Disk))


class DiskStore:
    """Read and write the records."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def all(self, cluster: str | None = None) -> list[Disk]:
        """Return the disks of a cluster, or of all, the oldest first."""
        rule = "1" if cluster is None else "cluster=?"
        parameters = () if cluster is None else (cluster,)
        return await self._where(f"{rule} ORDER BY created_at, id", *parameters)

    async def get(self, cluster: str, disk_id: str) -> Disk | None:
        """Return a disk by its id."""
        return _one(await self._where("cluster=? AND id=?", cluster, disk_id))

    async def named(self, cluster: str, owner: str, name: str) -> Disk | None:
        """Return a disk by its owner and name."""
        return _one(await self._where("cluster=? AND owner=? AND name=?", cluster, owner, name))

    async def at(self, cluster: str, home: str, key: str) -> Disk | None:
        """Return the disk of an ``[org/]owner`` by its id or name."""
        # An id below somebody else's home names nothing, or rights on that home would be enough.
        rule = "cluster=? AND ? IN (id, name) AND iif(org IS NULL, owner, org || '/' || owner)=?"
        return _one(await self._where(rule, cluster, key, home))

    async def total(self, cluster: str, owner: str) -> int:
        """Return what an owner's disks on a cluster are large in all."""
        return sum(
            disk.storage for disk in await self._where("cluster=? AND owner=?", cluster, owner)
        )

    async def insert(self, disk: Disk) -> None:
        """Add a disk; ``NameTakenError`` if the owner has one of that name."""
        marks = ", ".join("?" * len(_NAMES))
        try:
            await self._state.execute(
                f"INSERT INTO disks ({', '.join(_NAMES)}) VALUES ({marks})", attrs.astuple(disk)
            )
        except sqlite3.IntegrityError:
            raise NameTakenError(disk.name) from None

    async def touch(self, ids: Iterable[str], moment: float) -> None:
        """Note that disks are being used."""
        async with self._state.transaction() as tx:
            for disk_id in ids:
                await tx.execute("UPDATE disks SET last_usage=? WHERE id=?", (moment, disk_id))

    async def delete(self, disk: Disk) -> None:
        """Forget a disk."""
        await self._state.execute("DELETE FROM disks WHERE id=?", (disk.id,))

    async def _where(self, rule: str, *parameters: str) -> list[Disk]:
        rows = await self._state.fetch_all(f"SELECT * FROM disks WHERE {rule}", parameters)
        return [Disk(**{name: row[name] for name in _NAMES}) for row in rows]


def _one(found: list[Disk]) -> Disk | None:
    return found[0] if found else None
