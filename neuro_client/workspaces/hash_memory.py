"""Remember the hashes of shards, so that those that did not change are not read again.

It only saves time: what is missing or cannot be read is hashed. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

import attrs

from ..transfer.drafts import Draft
from ..transfer.journal import KEPT, folder
from ..wire import structure, unstructure

_SETTLED = 2 * 10**9
"""Nanoseconds after which no file system gives another write of a file the same time."""
_DAY = 24 * 3600.0


@attrs.frozen
class Known:
    """Hold the hash of a shard, how many files are in it, and what identifies its content."""

    identity: str
    size: int
    sha256: str
    files: int


def identity(found: os.stat_result) -> str:
    """Return what changes with every write of a file; its owner cannot set the last part back."""
    parts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return "-".join(map(str, parts))


def recall(path: Path) -> tuple[os.stat_result, Known | None]:
    """Look at a file; return what is known of it as it is now, None if that is nothing."""
    status = os.stat(path)
    with suppress(OSError, ValueError, RecursionError):
        known = structure(json.loads(_place(path).read_bytes()), Known)
        if known.identity == identity(status):
            return status, known
    return status, None


def remember(path: Path, status: os.stat_result, size: int, sha256: str, files: int) -> None:
    """Keep the hash of a file that was as *status* says before it was read.

    A file that was written just then is left out: another write might leave it the same time.
    """
    if max(status.st_mtime_ns, status.st_ctime_ns) + _SETTLED >= time.time_ns():
        return
    place = _place(path)
    known = Known(identity(status), size, sha256, files)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Draft(os.fspath(place), 0o600) as draft:
            draft.publish(json.dumps(unstructure(known)).encode())
        _sweep(place.parent)


def _place(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    return folder().with_name("shards") / f"{name}.json"


def _sweep(directory: Path) -> None:
    """Once a day, forget what nobody has touched for a week."""
    now = time.time()
    stamp = directory / "swept"
    with suppress(FileNotFoundError):
        if stamp.stat().st_mtime + _DAY > now:
            return
    stamp.touch()
    for other in directory.glob("*.json"):
        with suppress(FileNotFoundError):
            if other.stat().st_mtime + KEPT < now:
                other.unlink()
