"""The records of the cluster in the platform's database, and the files that they name.

A file that a record no longer names is removed after the change is kept; what a kill leaves in
between is swept at the next start.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from ..s3.files import Files
from ..s3.records import Records, Transaction
from .models import Body, Bucket, Object
from .names import Bck, bucket_exists, no_bucket

_INSERT = "INSERT OR REPLACE INTO ais_objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OBJECT = "SELECT * FROM ais_objects WHERE bucket=? AND name=?"
_PAGE = 1000
_MOST_KNOWN = 4096
T = TypeVar("T")
Also = Callable[[Transaction], Iterable[str]]
"""Make a further change; return the files it leaves without a name."""
LAST = "\U0010ffff" * 64
"""What makes a text, put behind it, come after all names that begin with it."""


class Store:
    """Read and change the records, each change in one transaction."""

    def __init__(self, records: Records, files: Files) -> None:
        self._records = records
        self.files = files
        self._buckets: dict[Bck, Bucket] = {}
        self._known: dict[tuple[int, str], Object] = {}
        self._turn = 0

    async def load(self) -> None:
        """Read the buckets, which are then kept in memory."""
        for row in await self._records.fetch_all("SELECT * FROM ais_buckets"):
            bck = Bck(row["name"], row["provider"], row["uuid"], row["namespace"])
            self._buckets[bck] = Bucket(row["id"], bck, row["created"], json.loads(row["props"]))

    async def used_files(self) -> set[str]:
        """Return the names of all files that a record names."""
        found: set[str] = set()
        for row in await self._records.fetch_all("SELECT segments FROM ais_objects"):
            found.update(file for file, _ in json.loads(row["segments"]))
        for table in ("ais_parts", "ais_appends"):
            rows = await self._records.fetch_all(f"SELECT file FROM {table}")
            found.update(row["file"] for row in rows)
        return found

    # Buckets

    def buckets(self) -> list[Bucket]:
        """Return all buckets by name."""
        return sorted(self._buckets.values(), key=lambda bucket: bucket.bck.path)

    def find(self, bck: Bck) -> Bucket | None:
        """Return a bucket, None if it is not known here."""
        return self._buckets.get(bck)

    def bucket(self, bck: Bck) -> Bucket:
        """Return a bucket; 404 if it is not known here."""
        found = self._buckets.get(bck)
        if found is None:
            raise no_bucket(bck)
        return found

    async def create_bucket(self, bck: Bck, props: Mapping[str, Any]) -> Bucket:
        """Add a bucket; 409 if it is there."""
        created = time.time_ns()

        def work(tx: Transaction) -> int:
            tx.execute(
                "INSERT INTO ais_buckets VALUES (NULL, ?, ?, ?, ?, ?, ?)",
                (bck.provider, bck.uuid, bck.namespace, bck.name, created, json.dumps(props)),
            )
            row = tx.fetch_one("SELECT last_insert_rowid() AS id")
            assert row is not None
            return int(row["id"])

        try:
            number = await self._records.change(work)
        except sqlite3.IntegrityError:
            raise bucket_exists(bck) from None
        bucket = self._buckets[bck] = Bucket(number, bck, created, props)
        return bucket

    async def set_props(self, bucket: Bucket, props: Mapping[str, Any]) -> None:
        """Change the properties of a bucket."""
        sql = "UPDATE ais_buckets SET props=? WHERE id=?"
        if not await self._records.execute(sql, (json.dumps(props), bucket.id)):
            raise no_bucket(bucket.bck)
        self._buckets[bucket.bck] = attrs.evolve(bucket, props=props)

    async def remove_bucket(self, bucket: Bucket) -> None:
        """Remove a bucket with all that is in it."""

        def work(tx: Transaction) -> set[str]:
            found = _files_of(tx, bucket.id)
            if not tx.execute("DELETE FROM ais_buckets WHERE id=?", (bucket.id,)):
                raise no_bucket(bucket.bck)
            return found

        self._buckets.pop(bucket.bck, None)
        await self._drop(await self._change(work, None))

    async def clear_bucket(self, bucket: Bucket) -> None:
        """Remove the objects of a bucket."""

        def work(tx: Transaction) -> set[str]:
            rows = tx.fetch_all("SELECT segments FROM ais_objects WHERE bucket=?", (bucket.id,))
            tx.execute("DELETE FROM ais_objects WHERE bucket=?", (bucket.id,))
            return _named(rows)

        await self._drop(await self._change(work, None))

    # Objects

    async def get(self, bucket: Bucket, name: str) -> Object | None:
        """Return an object, None if it is not in the cluster."""
        key = bucket.id, name
        if (known := self._known.get(key)) is not None:
            return known
        turn = self._turn
        row = await self._records.fetch_one(_OBJECT, key)
        if row is None:
            return None
        found = Object.of(row)
        if turn == self._turn:  # else it may have changed meanwhile
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    async def _change(
        self, work: Callable[[Transaction], T], bucket: Bucket | None, names: Iterable[str] = ()
    ) -> T:
        """Make a change to objects, after which nothing old is remembered of them."""
        names = list(names)
        try:
            return await self._records.change(work)
        finally:
            self._turn += 1
            if bucket is None or not names:
                self._known.clear()
            else:
                for name in names:
                    self._known.pop((bucket.id, name), None)

    async def put(
        self,
        bucket: Bucket,
        name: str,
        target: str,
        body: Body,
        *,
        custom: Mapping[str, str] | None = None,
        version: str | None = None,
        also: Also | None = None,
    ) -> Object:
        """Write an object over what is there; without ``custom`` the old properties stay.

        ``also`` is done in the same transaction, and may refuse it.
        """
        now = time.time_ns()

        def work(tx: Transaction) -> tuple[Object, list[str]]:
            row = tx.fetch_one(_OBJECT, (bucket.id, name))
            old = None if row is None else Object.of(row)
            number = version or ""
            if version is None and bucket.versioned:
                known = old is not None and old.version.isdigit()
                number = str(int(old.version) + 1 if known and old is not None else 1)
            kept = dict(old.custom if custom is None and old is not None else custom or {})
            new = Object(name, target, body, number, now, now, kept)
            tx.execute(_INSERT, new.row(bucket.id))
            unused = set() if old is None else set(old.body.files) - set(body.files)
            if also is not None:
                unused.update(also(tx))
            return new, list(unused)

        try:
            new, unused = await self._change(work, bucket, [name])
        except sqlite3.IntegrityError:
            await self._drop(body.files)
            raise no_bucket(bucket.bck) from None
        await self._drop(unused)
        return new

    async def change(
        self, bucket: Bucket, name: str, change: Callable[[Object], Object]
    ) -> Object | None:
        """Change what is told of an object, not its bytes; None if it is not there."""

        def work(tx: Transaction) -> tuple[Object | None, list[str]]:
            row = tx.fetch_one(_OBJECT, (bucket.id, name))
            if row is None:
                return None, []
            new, unused = change(Object.of(row)), []
            if new.name != name:
                there = tx.fetch_one(_OBJECT, (bucket.id, new.name))
                unused = [] if there is None else Object.of(there).body.files
                tx.execute("DELETE FROM ais_objects WHERE bucket=? AND name=?", (bucket.id, name))
            tx.execute(_INSERT, new.row(bucket.id))
            return new, unused

        new, unused = await self._change(work, None)
        await self._drop(unused)
        return new

    async def remove(self, bucket: Bucket, names: Sequence[str]) -> list[str]:
        """Remove objects; return the names of those that were there."""

        def work(tx: Transaction) -> tuple[list[str], list[str]]:
            there, unused = [], []
            for name in names:
                row = tx.fetch_one(_OBJECT, (bucket.id, name))
                if row is not None:
                    there.append(name)
                    unused += Object.of(row).body.files
                    sql = "DELETE FROM ais_objects WHERE bucket=? AND name=?"
                    tx.execute(sql, (bucket.id, name))
            return there, unused

        there, unused = await self._change(work, bucket, names)
        await self._drop(unused)
        return there

    async def page(
        self, bucket: Bucket, prefix: str = "", after: str = "", limit: int = _PAGE
    ) -> list[Object]:
        """Return objects in the order of their names' bytes."""
        first = max(prefix, after + "\0" if after else "")
        rows = await self._records.fetch_all(
            "SELECT * FROM ais_objects WHERE bucket=? AND name>=? AND name<? ORDER BY name LIMIT ?",
            (bucket.id, first, prefix + LAST, limit),
        )
        return await asyncio.to_thread(lambda: [Object.of(row) for row in rows])

    async def count(self, bucket: Bucket, prefix: str = "") -> Mapping[str, int]:
        """Count objects and bytes."""
        row = await self._records.fetch_one(
            "SELECT count(*) AS objects, coalesce(sum(size), 0) AS bytes, "
            "coalesce(min(size), 0) AS smallest, coalesce(max(size), 0) AS largest "
            "FROM ais_objects WHERE bucket=? AND name>=? AND name<?",
            (bucket.id, prefix, prefix + LAST),
        )
        assert row is not None
        return {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row is no mapping

    async def move(self, bucket: Bucket, target: Bucket, owner: Callable[[str], str]) -> None:
        """Move all objects into another bucket, and remove the first."""

        def work(tx: Transaction) -> set[str]:
            rows = tx.fetch_all("SELECT name FROM ais_objects WHERE bucket=?", (bucket.id,))
            for row in rows:
                tx.execute(
                    "UPDATE ais_objects SET bucket=?, target=? WHERE bucket=? AND name=?",
                    (target.id, owner(row["name"]), bucket.id, row["name"]),
                )
            left = _files_of(tx, bucket.id)
            tx.execute("DELETE FROM ais_buckets WHERE id=?", (bucket.id,))
            return left

        unused = await self._change(work, None)
        self._buckets.pop(bucket.bck, None)
        await self._drop(unused)

    async def place(self, owner: Callable[[Bck, str], str]) -> int:
        """Move every object to the target that owns it; return how many moved."""

        def work(tx: Transaction) -> int:
            moved = 0
            for bucket in list(self._buckets.values()):
                sql = "SELECT name, target FROM ais_objects WHERE bucket=?"
                for row in tx.fetch_all(sql, (bucket.id,)):
                    target = owner(bucket.bck, row["name"])
                    if target != row["target"]:
                        tx.execute(
                            "UPDATE ais_objects SET target=? WHERE bucket=? AND name=?",
                            (target, bucket.id, row["name"]),
                        )
                        moved += 1
            return moved

        return await self._change(work, None)

    async def transaction(self, work: Callable[[Transaction], Iterable[str]]) -> None:
        """Make a change that returns the files it leaves without a name."""
        await self._drop(await self._records.change(work))

    async def rows(self, sql: str, parameters: Sequence[Any]) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        return await self._records.fetch_all(sql, parameters)

    async def _drop(self, names: Iterable[str]) -> None:
        if unused := list(names):
            await asyncio.shield(asyncio.to_thread(self.files.remove, unused))


def _named(rows: Iterable[sqlite3.Row]) -> set[str]:
    return {file for row in rows for file, _ in json.loads(row["segments"])}


def _files_of(tx: Transaction, bucket: int) -> set[str]:
    found = _named(tx.fetch_all("SELECT segments FROM ais_objects WHERE bucket=?", (bucket,)))
    sql = "SELECT file FROM ais_parts JOIN ais_uploads ON upload = id WHERE bucket=?"
    found.update(row["file"] for row in tx.fetch_all(sql, (bucket,)))
    sql = "SELECT file FROM ais_appends WHERE bucket=?"
    found.update(row["file"] for row in tx.fetch_all(sql, (bucket,)))
    return found
