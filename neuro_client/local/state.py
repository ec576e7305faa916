"""The platform's state: one SQLite database, one writer at a time, wake-up calls for watchers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

Parameters = Sequence[Any]
_BUSY_TIMEOUT = 10.0


class Transaction:
    """Read and write inside one transaction."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db

    async def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement and return the number of rows it changed."""
        async with self._db.execute(sql, parameters) as cursor:
            return cursor.rowcount

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Return the first row, None if there is none."""
        async with self._db.execute(sql, parameters) as cursor:
            row: sqlite3.Row | None = await cursor.fetchone()
            return row

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows."""
        async with self._db.execute(sql, parameters) as cursor:
            return list(await cursor.fetchall())


class _Watcher:
    """Hold the keys that changed since the watcher last looked; a key is held once."""

    def __init__(self, kind: str, key: str | None) -> None:
        self.kind = kind
        self.key = key
        self.changed: dict[str, None] = {}
        self.wake = asyncio.Event()


class State:
    """Hold the database open; obtained from ``State.open``.

    An acknowledged write survives the death of the process (WAL, ``synchronous=NORMAL``), not
    necessarily that of the machine.
    """

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self._lock = asyncio.Lock()
        self._watchers: set[_Watcher] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, schemas: Iterable[str]) -> AsyncIterator[State]:
        """Open or create the database and run the services' ``schemas``, each idempotent."""
        db = aiosqlite.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        try:
            await _settled(db)
            db.row_factory = sqlite3.Row
            await db.execute("PRAGMA journal_mode=WAL")
            await db.execute("PRAGMA synchronous=NORMAL")
            await db.execute("PRAGMA foreign_keys=ON")
            for schema in schemas:
                await db.executescript(schema)
            yield cls(db)
        finally:
            await _settled(db.close())

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        async with self._lock:
            return await Transaction(self._db).fetch_all(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Return the first row of a query, None if there is none."""
        async with self._lock:
            return await Transaction(self._db).fetch_one(sql, parameters)

    async def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement in a transaction of its own; return the number of changed rows."""
        async with self.transaction() as tx:
            return await tx.execute(sql, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one write transaction; any exception, cancellation too, rolls it back."""
        async with self._lock:
            try:
                await _settled(self._db.execute("BEGIN IMMEDIATE"))
                yield Transaction(self._db)
            except BaseException:
                if self._db.in_transaction:
                    await _settled(self._db.rollback())
                raise
            await _settled(self._db.commit())

    def notify(self, kind: str, key: str) -> None:
        """Wake those who watch ``kind`` or just this ``key`` of it."""
        for watcher in self._watchers:
            if watcher.kind == kind and watcher.key in (None, key):
                watcher.changed[key] = None
                watcher.wake.set()

    @asynccontextmanager
    async def watch(self, kind: str, key: str | None = None) -> AsyncIterator[AsyncIterator[str]]:
        """Yield an iterator of keys as they change; changes in between are told once."""
        watcher = _Watcher(kind, key)
        self._watchers.add(watcher)
        try:
            yield _changes(watcher)
        finally:
            self._watchers.discard(watcher)


async def _changes(watcher: _Watcher) -> AsyncIterator[str]:
    while True:
        await watcher.wake.wait()
        watcher.wake.clear()
        changed, watcher.changed = watcher.changed, {}
        for key in changed:
            yield key


async def _settled(step: Any) -> None:
    """Wait for a step to its end although cancelled, then pass that on.

    The database's thread runs it anyway; leaving early would hand out the connection in the
    middle of a transaction, or leave it open for nobody.
    """
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
