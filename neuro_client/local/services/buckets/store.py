"""Keep buckets and persistent credentials in the platform's database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

from ...state import State, Transaction
from .models import Bucket, Credentials, NameTakenError

T = TypeVar("T")
SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket_records (
    id TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    owner TEXT NOT NULL,
    org TEXT,
    name TEXT,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    public INTEGER NOT NULL,
    imported TEXT,
    pending TEXT,
    UNIQUE (cluster, owner, name)
);
CREATE TABLE IF NOT EXISTS bucket_credentials (
    id TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT,
    read_only INTEGER NOT NULL,
    access_key_id TEXT NOT NULL,
    secret_access_key TEXT NOT NULL,
    UNIQUE (cluster, owner, name)
);
CREATE TABLE IF NOT EXISTS bucket_credentials_of (
    credentials TEXT NOT NULL REFERENCES bucket_credentials (id) ON DELETE CASCADE,
    bucket TEXT NOT NULL REFERENCES bucket_records (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    PRIMARY KEY (credentials, bucket)
);
CREATE INDEX IF NOT EXISTS bucket_credentials_by_bucket ON bucket_credentials_of (bucket);
"""
# What is still being made is nobody's yet, but holds its name.
_MADE = "pending IS NOT 'create'"
_HOME = "iif(org IS NULL, owner, org || '/' || owner) || '/'"


class BucketStore:
    """Read and write the records."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def all(self, cluster: str) -> list[Bucket]:
        """Return the buckets of a cluster, the oldest first."""
        return await self._where("cluster=? ORDER BY created_at, id", cluster)

    async def get(self, cluster: str, bucket_id: str) -> Bucket | None:
        """Return a bucket by its id."""
        return _one(await self._where("cluster=? AND id=?", cluster, bucket_id))

    async def named(self, cluster: str, owner: str, name: str) -> Bucket | None:
        """Return a bucket by its owner and name."""
        return _one(await self._where("cluster=? AND owner=? AND name=?", cluster, owner, name))

    async def at_path(self, cluster: str, path: str) -> Bucket | None:
        """Return the bucket that ``[org/]owner/name-or-id`` at the start of a path names."""
        starts = f"instr(?, {_HOME} || name || '/')=1 OR instr(?, {_HOME} || id || '/')=1"
        rule = f"cluster=? AND ({starts}) ORDER BY length(owner)"
        return _one(await self._where(rule, cluster, f"{path}/", f"{path}/"))

    async def unfinished(self) -> list[Bucket]:
        """Return the buckets of all clusters whose change has begun and not ended."""
        query = "SELECT * FROM bucket_records WHERE pending IS NOT NULL"
        return [_bucket(row) for row in await self._state.fetch_all(query)]

    async def insert(self, bucket: Bucket) -> None:
        """Add a bucket; ``NameTakenError`` if the owner has one of that name."""
        imported = None if bucket.imported is None else json.dumps(dict(bucket.imported))
        try:
            await self._state.execute(
                "INSERT INTO bucket_records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(bucket.id, bucket.cluster, bucket.owner, bucket.org, bucket.name),
                    *(bucket.provider, bucket.provider_name, bucket.created_at),
                    *(bucket.public, imported, bucket.pending),
                ),
            )
        except sqlite3.IntegrityError:
            raise NameTakenError(bucket.name) from None

    async def update(self, bucket: Bucket) -> None:
        """Write what may change of a bucket."""
        await self._state.execute(
            "UPDATE bucket_records SET public=?, pending=? WHERE id=?",
            (bucket.public, bucket.pending, bucket.id),
        )

    async def delete(self, bucket: Bucket, orphans: Sequence[Credentials] = ()) -> None:
        """Forget a bucket, and with it the credentials that were for it alone."""
        async with self._state.transaction() as tx:
            await tx.execute("DELETE FROM bucket_records WHERE id=?", (bucket.id,))
            for found in orphans:
                await tx.execute("DELETE FROM bucket_credentials WHERE id=?", (found.id,))

    async def credentials(self, cluster: str, owner: str) -> list[Credentials]:
        """Return a user's persistent credentials, the oldest first."""
        rule = "cluster=? AND owner=? ORDER BY rowid"
        return await self._credentials_where(rule, cluster, owner)

    async def credentials_at(self, cluster: str, owner: str, key: str) -> Credentials | None:
        """Return a user's persistent credentials by their id or name."""
        rule = "cluster=? AND owner=? AND ? IN (id, name)"
        return _one(await self._credentials_where(rule, cluster, owner, key))

    async def credentials_for(self, bucket: Bucket) -> list[Credentials]:
        """Return everybody's persistent credentials that open a bucket."""
        rule = "id IN (SELECT credentials FROM bucket_credentials_of WHERE bucket=?)"
        return await self._credentials_where(rule, bucket.id)

    async def insert_credentials(self, new: Credentials) -> None:
        """Add persistent credentials."""
        async with self._state.transaction() as tx:
            await tx.execute(
                "INSERT INTO bucket_credentials VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(new.id, new.cluster, new.owner, new.name, new.read_only),
                    *(new.access_key_id, new.secret_access_key),
                ),
            )
            for place, bucket in enumerate(new.buckets):
                await tx.execute(
                    "INSERT INTO bucket_credentials_of VALUES (?, ?, ?)",
                    (new.id, bucket.id, place),
                )

    async def delete_credentials(self, found: Credentials) -> None:
        """Forget persistent credentials."""
        await self._state.execute("DELETE FROM bucket_credentials WHERE id=?", (found.id,))

    async def _where(self, rule: str, *values: Any) -> list[Bucket]:
        query = f"SELECT * FROM bucket_records WHERE {_MADE} AND {rule}"
        return [_bucket(row) for row in await self._state.fetch_all(query, values)]

    async def _credentials_where(self, rule: str, *values: Any) -> list[Credentials]:
        query = f"SELECT * FROM bucket_credentials WHERE {rule}"
        async with self._state.transaction() as tx:
            rows = await tx.fetch_all(query, values)
            return [await _credentials(tx, row) for row in rows]


def _one(found: Sequence[T]) -> T | None:
    return found[0] if found else None


def _bucket(row: sqlite3.Row) -> Bucket:
    imported = row["imported"]
    fields = dict(zip(row.keys(), row, strict=True))
    fields["public"] = bool(row["public"])
    fields["imported"] = None if imported is None else json.loads(imported)
    return Bucket(**fields)


async def _credentials(tx: Transaction, row: sqlite3.Row) -> Credentials:
    rows = await tx.fetch_all(
        "SELECT bucket_records.* FROM bucket_records JOIN bucket_credentials_of ON bucket=id "
        "WHERE credentials=? ORDER BY place",
        (row["id"],),
    )
    fields = dict(zip(row.keys(), row, strict=True))
    fields["read_only"] = bool(row["read_only"])
    return Credentials(**fields, buckets=tuple(_bucket(found) for found in rows))
