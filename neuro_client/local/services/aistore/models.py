"""What the cluster keeps: buckets, objects, uploads, appends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..s3.models import Segment
from .names import Bck

SCHEMA = """
CREATE TABLE IF NOT EXISTS ais_buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    uuid TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    props TEXT NOT NULL,
    UNIQUE (provider, uuid, namespace, name)
);
CREATE TABLE IF NOT EXISTS ais_objects (
    bucket INTEGER NOT NULL REFERENCES ais_buckets ON DELETE CASCADE,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    size INTEGER NOT NULL,
    checksum_type TEXT NOT NULL,
    checksum TEXT NOT NULL,
    version TEXT NOT NULL,
    accessed INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    custom TEXT NOT NULL,
    segments TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ais_uploads (
    id TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL REFERENCES ais_buckets ON DELETE CASCADE,
    name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ais_parts (
    upload TEXT NOT NULL REFERENCES ais_uploads ON DELETE CASCADE,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (upload, number)
);
CREATE TABLE IF NOT EXISTS ais_appends (
    file TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL REFERENCES ais_buckets ON DELETE CASCADE,
    name TEXT NOT NULL
);
"""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """Write a number as the cluster writes times."""
    found = ""
    while True:
        number, digit = divmod(number, 36)
        found = _DIGITS[digit] + found
        if not number:
            return found


@attrs.frozen
class Bucket:
    """Describe a bucket; ``props`` is the JSON of §7.4."""

    id: int
    bck: Bck
    created: int
    props: Mapping[str, Any]

    @property
    def checksum_type(self) -> str:
        """Return the checksum that its objects get."""
        return str(self.props["checksum"]["type"])

    @property
    def versioned(self) -> bool:
        """Tell whether its objects have versions."""
        return bool(self.props["versioning"]["enabled"])


@attrs.frozen
class Body:
    """Describe bytes that lie in files; ``chunks`` is 0 unless they came in parts."""

    size: int
    checksum_type: str
    checksum: str
    segments: Sequence[Segment]
    chunks: int = 0

    @property
    def files(self) -> list[str]:
        """Return the names of the files."""
        return [segment.file for segment in self.segments]


@attrs.frozen
class Object:
    """Describe an object; times are nanoseconds since the epoch."""

    name: str
    target: str
    body: Body
    version: str
    accessed: int
    modified: int
    custom: Mapping[str, str]

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return self.body.size

    @property
    def etag(self) -> str:
        """Return what changes with the content."""
        told = self.custom.get("ETag")
        own = f"v{self.version}-{self.body.checksum}-{base36(self.modified)}"
        return f'"{told or own}"'

    @classmethod
    def of(cls, row: sqlite3.Row) -> Object:
        """Read a row."""
        segments = [Segment(file, size) for file, size in json.loads(row["segments"])]
        body = Body(row["size"], row["checksum_type"], row["checksum"], segments, row["chunks"])
        return cls(
            row["name"],
            row["target"],
            body,
            row["version"],
            row["accessed"],
            row["modified"],
            json.loads(row["custom"]),
        )

    def row(self, bucket: int) -> tuple[Any, ...]:
        """Return the values of a row."""
        body = self.body
        return (
            bucket,
            self.name,
            self.target,
            body.size,
            body.checksum_type,
            body.checksum,
            self.version,
            self.accessed,
            self.modified,
            json.dumps(dict(self.custom)),
            json.dumps([[segment.file, segment.size] for segment in body.segments]),
            body.chunks,
        )
