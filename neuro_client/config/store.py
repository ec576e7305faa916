"""The login on disk: one SQLite database in the format of the published CLI.

Facts: config-and-auth.md §7. One login serves both programs, so the table text, the column order
and the file modes are contracts. All functions block; callers run them in a thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from yarl import URL

from ..errors import ConfigError
from .models import Login, Token
from .wire import (
    auth_config_from_text,
    auth_config_to_text,
    clusters_from_text,
    clusters_to_text,
)

logger = logging.getLogger(__name__)

DB_NAME = "db"
# Written to the version column. It names the format, not our release: the published CLI asks the
# server anew whenever it finds another version than its own, and both share this database.
FORMAT_VERSION = "22.7.1"

_COLUMNS = {
    "auth_config": "TEXT",
    "token": "TEXT",
    "expiration_time": "REAL",
    "refresh_token": "TEXT",
    "url": "TEXT",
    "admin_url": "TEXT",
    "version": "TEXT",
    "cluster_name": "TEXT",
    "org_name": "TEXT",
    "clusters": "TEXT",
    "timestamp": "REAL",
}
MAIN_SCHEMA = (
    "CREATE TABLE main (" + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items()) + ")"
)
_INSERT = f"INSERT INTO main ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_BUSY_TIMEOUT = 10.0

HOW_TO_LOG_IN = "run `neuro-client login` (or `neuro-client login --local`)"


def is_present(folder: Path) -> bool:
    """Tell whether the folder holds a login."""
    return (folder / DB_NAME).exists()


def create(folder: Path, login: Login) -> None:
    """Write a new login, all of it or nothing.

    Raises:
        ConfigError: a login exists already, also when another process wrote it meanwhile.
    """
    _make_private(folder)
    path = folder / DB_NAME
    draft = folder / f".{DB_NAME}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(draft)) as db:
            db.execute("PRAGMA journal_mode=DELETE")
            with db:
                db.execute(MAIN_SCHEMA)
                db.execute(_INSERT, _row(login))
        try:
            os.link(draft, path)
        except FileExistsError:
            raise already_logged_in(folder) from None
    finally:
        for leftover in folder.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)
    with _connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")


def load(folder: Path) -> Login:
    """Read the login.

    Raises:
        ConfigError: none is there, other users could read it, or it is damaged or of another
            program; the message says what to do. Nothing on disk is changed.
    """
    path = _checked(folder)
    try:
        with _connect(path) as db:
            _check_schema(db, path)
            row = db.execute("SELECT * FROM main ORDER BY timestamp DESC LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise _damaged(path, str(error)) from error
    if row is None:
        raise _damaged(path, "it holds no login")
    try:
        return _login(row)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, f"its content cannot be read ({error})") from error


def save(folder: Path, login: Login) -> None:
    """Replace the stored login; a failure is logged, the login in memory goes on being used."""
    with _logged(folder), connect(folder) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM main")
        db.execute(_INSERT, _row(login))
        db.commit()


def save_token(folder: Path, token: Token) -> None:
    """Write a refreshed token; a failure is logged."""
    with _logged(folder), connect(folder) as db:
        db.execute(
            "UPDATE main SET token=?, expiration_time=?, refresh_token=?",
            (token.access, token.expires_at, token.refresh),
        )
        db.commit()


def load_token(folder: Path) -> Token | None:
    """Read the stored token, which another process may have refreshed; None if unreadable."""
    try:
        return load(folder).token
    except ConfigError:
        return None


def replace(folder: Path, login: Login) -> None:
    """Put a new login in the place of an old or unreadable one, atomically."""
    draft = folder / f".{DB_NAME}.{os.getpid()}.new"
    create(draft, login)
    try:
        with _connect(draft / DB_NAME) as db:
            db.execute("PRAGMA journal_mode=DELETE")
        for name in ("db-wal", "db-shm"):
            (folder / name).unlink(missing_ok=True)
        os.replace(draft / DB_NAME, folder / DB_NAME)
    finally:
        remove(draft)


def remove(folder: Path) -> None:
    """Delete the login; other files of the folder stay, an empty folder goes."""
    if folder.is_file():
        folder.unlink()
        return
    for name in (DB_NAME, f"{DB_NAME}-wal", f"{DB_NAME}-shm"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def already_logged_in(folder: Path) -> ConfigError:
    """Build the error of a login over an existing one."""
    return ConfigError(
        f"There is a login in {folder} already; run `neuro-client logout` first, or set "
        "NEUROMATION_CONFIG to another folder"
    )


@contextlib.contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    # rw, not rwc: a missing file must stay missing.
    db = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT)
    try:
        db.row_factory = sqlite3.Row
        yield db
    finally:
        db.close()


@contextlib.contextmanager
def connect(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the folder's database."""
    with _connect(folder / DB_NAME) as db:
        yield db


@contextlib.contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Let a login that cannot be written be a warning: the one in memory goes on being used."""
    try:
        yield
    except sqlite3.Error as error:
        logger.warning("Cannot write the login in %s: %s", folder, error)


def _make_private(folder: Path) -> None:
    folder.mkdir(0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _checked(folder: Path) -> Path:
    path = folder / DB_NAME
    if not folder.exists() or (folder.is_dir() and not path.exists()):
        raise ConfigError(f"There is no login in {folder}; {HOW_TO_LOG_IN}")
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder; move it away, then {HOW_TO_LOG_IN}")
    if not path.is_file():
        raise ConfigError(f"{path} is not a regular file; move it away, then {HOW_TO_LOG_IN}")
    if sys.platform != "win32":
        for target, mode in ((folder, 0o700), (path, 0o600)):
            found = stat.S_IMODE(target.stat().st_mode)
            if found != mode:
                raise ConfigError(
                    f"{target} has the permissions {found:o} and could be read or changed by "
                    f"others; run `chmod {mode:o} {target}`"
                )
    return path


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    row = db.execute("SELECT sql FROM sqlite_master WHERE type='table' AND name='main'").fetchone()
    found = " ".join(row["sql"].split()) if row else None
    if found != MAIN_SCHEMA:
        raise _damaged(path, "it was written by another version of the client")


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The login {path} cannot be used: {why}; run `neuro-client logout`, then log in again"
    )


def _row(login: Login) -> tuple[object, ...]:
    return (
        auth_config_to_text(login.auth),
        login.token.access,
        login.token.expires_at,
        login.token.refresh,
        str(login.url),
        str(login.admin_url) if login.admin_url else None,
        login.version,
        login.cluster_name,
        login.org_name,
        clusters_to_text(login.clusters),
        time.time(),
    )


def _login(row: sqlite3.Row) -> Login:
    return Login(
        auth=auth_config_from_text(row["auth_config"]),
        token=Token(row["token"], float(row["expiration_time"]), row["refresh_token"]),
        url=URL(row["url"]),
        admin_url=URL(row["admin_url"]) if row["admin_url"] else None,
        version=row["version"],
        cluster_name=row["cluster_name"],
        org_name=row["org_name"],
        clusters=clusters_from_text(row["clusters"]),
    )
