"""What lies in the endpoint's folder, and what its records name."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path


def stored_files(data: Path) -> set[str]:
    """Return the names of all files that hold bytes of objects."""
    return {path.name for path in (data / "s3").glob("*/*")}


def named_files(data: Path) -> set[str]:
    """Return the names of the files that objects and parts have."""
    with closing(sqlite3.connect(data / "state.db")) as db:
        found = {name for (name,) in db.execute("SELECT file FROM s3_parts")}
        for (segments,) in db.execute("SELECT segments FROM s3_objects"):
            found |= {name for name, _ in json.loads(segments)}
    return found
