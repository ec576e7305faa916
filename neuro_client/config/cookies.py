"""Session cookies of the platform's ingress, kept between runs for five minutes.

Facts: config-and-auth.md §2 and §7.3. They make a service's replica sticky and are no credentials.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

from . import store

LIFETIME = 300.0
_SCHEMA = (
    "CREATE TABLE cookie_session (name TEXT, domain TEXT, path TEXT, cookie TEXT, timestamp REAL)"
)
_INDEX = "CREATE UNIQUE INDEX cookie_session_index ON cookie_session (name)"


@attrs.frozen
class SessionCookie:
    """Hold one cookie; ``value`` is what is sent back."""

    name: str
    domain: str
    path: str
    value: str = attrs.field(repr=False)


def is_session_cookie(name: str) -> bool:
    """Tell whether a cookie of that name is kept."""
    return name.startswith("NEURO_") and name.endswith("_SESSION")


def load(folder: Path) -> list[SessionCookie]:
    """Read the cookies that are still fresh; an unusable table counts as empty."""
    try:
        with store.connect(folder) as db:
            rows = db.execute(
                "SELECT name, domain, path, cookie FROM cookie_session WHERE timestamp > ?",
                (time.time() - LIFETIME,),
            ).fetchall()
    except sqlite3.Error:
        return []
    return [SessionCookie(*row) for row in rows]


def save(folder: Path, cookies: Iterable[SessionCookie]) -> None:
    """Replace the stored cookies; a failure to write is of no consequence."""
    now = time.time()
    rows = [(c.name, c.domain, c.path, c.value, now) for c in cookies]
    with contextlib.suppress(sqlite3.Error), store.connect(folder) as db:
        found = db.execute("SELECT sql FROM sqlite_master WHERE name='cookie_session'").fetchone()
        if found is None and not rows:
            return
        if found is None or " ".join(found["sql"].split()) != _SCHEMA:
            db.execute("DROP TABLE IF EXISTS cookie_session")
            db.execute(_SCHEMA)
            db.execute(_INDEX)
        db.execute("DELETE FROM cookie_session WHERE timestamp <= ?", (now - LIFETIME,))
        db.executemany("INSERT OR REPLACE INTO cookie_session VALUES (?, ?, ?, ?, ?)", rows)
        db.commit()
