"""The database as the S3 endpoint uses it: a connection and a thread of its own.

Each lookup, and each transaction as a whole, is one hop to that thread. Through the platform's
shared connection every statement takes three, which is most of the cost of a small request. Who is
in a thread already, for a file, goes to the database from there: what ends in ``_now`` blocks.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Parameters = Sequence[Any]
_BUSY_TIMEOUT = 10.0
_CHECKPOINT = 4000
"""Pages of changes after which they are moved into the database, which waits for the disk."""


class Transaction:
    """Read and write inside one transaction; all methods block."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement and return the number of rows it changed."""
        return self._db.execute(sql, parameters).rowcount

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Return the first row, None if there is none."""
        row: sqlite3.Row | None = self._db.execute(sql, parameters).fetchone()
        return row

    def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows."""
        return self._db.execute(sql, parameters).fetchall()


Change = tuple[Callable[[Transaction], T], Callable[[], object]]
"""What changes records, and what is done when that is kept."""


class Records:
    """Look up and change records; obtained from ``Records.open``."""

    def __init__(self, db: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._db = db
        self._tx = Transaction(db)
        self._thread = thread
        self._lock = threading.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Records]:
        """Open the platform's database, whose tables are there."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "s3-records")
        try:
            connecting = thread.submit(_connect, path)
            try:
                db = await asyncio.wrap_future(connecting)
            except asyncio.CancelledError:
                thread.submit(_disconnect, connecting)  # its turn is behind the connecting
                raise
            try:
                yield cls(db, thread)
            finally:
                await asyncio.shield(loop.run_in_executor(thread, db.close))
        finally:
            thread.shutdown(wait=False)

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Return the first row of a query, None if there is none."""
        return await self.look(lambda tx: tx.fetch_one(sql, parameters))

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return await self.look(lambda tx: tx.fetch_all(sql, parameters))

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Look something up in the thread."""
        return await self._run(lambda: self.look_now(work))

    def look_now(self, work: Callable[[Transaction], T]) -> T:
        """Look something up, and block."""
        with self._lock:
            return work(self._tx)

    async def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement in a transaction of its own; return the number of changed rows."""
        return await self.change(lambda tx: tx.execute(sql, parameters))

    async def change(
        self, work: Callable[[Transaction], T], done: Callable[[], object] | None = None
    ) -> T:
        """Make a change in the thread, in one transaction; any exception rolls it back.

        *done* is called when it is kept, before anybody else can look.
        """
        return await self._run(lambda: self.change_now(work, done))

    def change_now(
        self, work: Callable[[Transaction], T], done: Callable[[], object] | None = None
    ) -> T:
        """Make a change, and block."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._tx)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            if done is not None:
                done()
            return result

    def change_each(self, changes: Sequence[Change[T]]) -> list[T | Exception]:
        """Make changes in one transaction, and block.

        If one fails, each is made in a transaction of its own: it takes no other one with it.
        """
        if len(changes) > 1:
            with suppress(Exception):
                return list(self.change_now(*_together(changes)))
        results: list[T | Exception] = []
        for work, done in changes:
            try:
                results.append(self.change_now(work, done))
            except Exception as error:
                results.append(error)
        return results

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _together(changes: Sequence[Change[T]]) -> Change[list[T]]:
    """Return the change that makes several, one after the other."""
    return (
        lambda tx: [work(tx) for work, _ in changes],
        lambda: [done() for _, done in changes],
    )


def _disconnect(connecting: Future[sqlite3.Connection]) -> None:
    """Close a connection that nobody waited for."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")
    return db
