"""What the peers of the bucket benchmarks share: an account, the files of a tree, what is newer.

Nothing but the standard library: each peer runs in the environment of `make bench`, without ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ACCOUNT = "s3.json"
# What our client does at a time, for those who leave the number to their caller.
FILES = 32
PARTS = 8


@dataclass(frozen=True)
class Account:
    """Hold the keys of a bucket and the endpoint to speak to."""

    endpoint_url: str
    region_name: str
    access_key_id: str
    secret_access_key: str
    bucket_name: str


@dataclass(frozen=True)
class Remote:
    """Describe an object that is there."""

    size: int
    modified: datetime


def account_of(config: str) -> Account:
    """Read the account that lies beside a login."""
    return Account(**json.loads((Path(config) / ACCOUNT).read_text("utf-8")))


def files_below(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    """Yield every file below a folder and the key it has in the bucket."""
    for place, _, names in os.walk(folder):
        below = Path(place).relative_to(folder).as_posix()
        start = prefix if below == "." else f"{prefix}/{below}"
        for name in names:
            yield Path(place, name), f"{start}/{name}"


def is_folder(key: str) -> bool:
    """Tell whether an object only stands for a folder, as those that ours makes."""
    return key.endswith("/")


def newer(local: Path, prefix: str, there: Mapping[str, Remote]) -> Iterator[tuple[Path, str]]:
    """Yield the files that differ from their objects in size, or have changed since."""
    for path, key in files_below(local, prefix):
        found, status = there.get(key), path.stat()
        if (
            found is None
            or found.size != status.st_size
            or status.st_mtime > found.modified.timestamp()
        ):
            yield path, key


def place_of(key: str, prefix: str, local: Path) -> Path:
    """Return where an object goes, and make its folder."""
    path = local / key.removeprefix(f"{prefix}/")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
