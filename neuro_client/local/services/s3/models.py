"""What the S3 endpoint keeps: buckets, keys, objects, uploads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

SCHEMA = """
CREATE TABLE IF NOT EXISTS s3_buckets (
    name TEXT PRIMARY KEY,
    flavour TEXT NOT NULL,
    created REAL NOT NULL,
    public INTEGER NOT NULL DEFAULT 0,
    max_size INTEGER,
    max_objects INTEGER,
    cors TEXT
);
CREATE TABLE IF NOT EXISTS s3_keys (
    access_key_id TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    session_token TEXT,
    expires_at REAL,
    may_create_buckets INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS s3_grants (
    access_key_id TEXT NOT NULL REFERENCES s3_keys ON DELETE CASCADE,
    bucket TEXT NOT NULL,
    read INTEGER NOT NULL,
    write INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    PRIMARY KEY (access_key_id, bucket)
);
CREATE TABLE IF NOT EXISTS s3_objects (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified REAL NOT NULL,
    headers TEXT NOT NULL,
    checksums TEXT NOT NULL,
    segments TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS s3_uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    started REAL NOT NULL,
    headers TEXT NOT NULL,
    algorithm TEXT,
    kind TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS s3_uploads_of ON s3_uploads (bucket, key);
CREATE TABLE IF NOT EXISTS s3_parts (
    upload TEXT NOT NULL REFERENCES s3_uploads ON DELETE CASCADE,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified REAL NOT NULL,
    checksum TEXT,
    file TEXT NOT NULL,
    PRIMARY KEY (upload, number)
);
"""


@attrs.frozen
class Grant:
    """Say what a key may do with a bucket."""

    read: bool = False
    write: bool = False
    owner: bool = False


@attrs.frozen
class Key:
    """Hold an access key; one with a session token expires, in seconds of the epoch."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    session_token: str | None = attrs.field(default=None, repr=False)
    expires_at: float | None = None


@attrs.frozen
class Access:
    """Hold a key with what it may do, by bucket."""

    key: Key
    grants: Mapping[str, Grant]
    may_create_buckets: bool


@attrs.frozen
class Usage:
    """Count what a bucket holds."""

    objects: int
    bytes: int
    unfinished_uploads: int
    unfinished_bytes: int = 0


@attrs.frozen
class Bucket:
    """Describe a bucket; ``flavour`` is the kind of server it plays."""

    name: str
    flavour: str
    created: float
    public: bool = False
    max_size: int | None = None
    max_objects: int | None = None
    cors: str | None = None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Bucket:
        """Read a row."""
        return cls(
            row["name"],
            row["flavour"],
            row["created"],
            bool(row["public"]),
            row["max_size"],
            row["max_objects"],
            row["cors"],
        )


@attrs.frozen
class Segment:
    """Name a file that holds bytes of an object."""

    file: str
    size: int


@attrs.frozen
class Object:
    """Describe an object; ``etag`` without quotes, ``checksums`` by algorithm as they are told."""

    key: str
    size: int
    etag: str
    modified: float
    headers: Mapping[str, str]
    checksums: Mapping[str, str]
    segments: Sequence[Segment]

    @property
    def files(self) -> list[str]:
        """Return the names of its files."""
        return [segment.file for segment in self.segments]

    @classmethod
    def of(cls, row: sqlite3.Row) -> Object:
        """Read a row."""
        return cls(
            row["key"],
            row["size"],
            row["etag"],
            row["modified"],
            json.loads(row["headers"]),
            json.loads(row["checksums"]),
            segments_of(row["segments"]),
        )

    def row(self, bucket: str) -> tuple[Any, ...]:
        """Return the values of a row."""
        return (
            bucket,
            self.key,
            self.size,
            self.etag,
            self.modified,
            json.dumps(dict(self.headers)),
            json.dumps(dict(self.checksums)),
            json.dumps([[segment.file, segment.size] for segment in self.segments]),
        )


def segments_of(text: str) -> list[Segment]:
    """Read the segments as a row has them."""
    return [Segment(file, size) for file, size in json.loads(text)]


@attrs.frozen
class MultipartUpload:
    """Describe an unfinished upload; ``kind`` is COMPOSITE or FULL_OBJECT."""

    id: str
    bucket: str
    key: str
    started: float
    headers: Mapping[str, str]
    algorithm: str | None
    kind: str

    @classmethod
    def of(cls, row: sqlite3.Row) -> MultipartUpload:
        """Read a row."""
        return cls(
            row["id"],
            row["bucket"],
            row["key"],
            row["started"],
            json.loads(row["headers"]),
            row["algorithm"],
            row["kind"],
        )


@attrs.frozen
class UploadedPart:
    """Describe a part of an unfinished upload."""

    number: int
    size: int
    etag: str
    modified: float
    checksum: str | None
    file: str

    @classmethod
    def of(cls, row: sqlite3.Row) -> UploadedPart:
        """Read a row."""
        return cls(
            row["number"],
            row["size"],
            row["etag"],
            row["modified"],
            row["checksum"],
            row["file"],
        )
