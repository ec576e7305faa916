"""The records of the S3 endpoint in the platform's database.

Whatever a record no longer names is a file to remove after the change is kept; what a kill leaves
in between is swept at the next start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from sqlite3 import Row

import attrs

from .errors import S3Error, no_bucket, no_upload
from .known import KnownObjects
from .models import (
    Access,
    Bucket,
    Grant,
    Key,
    MultipartUpload,
    Object,
    UploadedPart,
    Usage,
    segments_of,
)
from .quotas import check_quota
from .records import Change, Records, Transaction

LAST = "\U0010ffff" * 256
"""What makes a text, put behind it, come after all keys that begin with it."""
Check = Callable[[Object | None], None]
"""Refuse a change by raising, given what is there."""

_INSERT = "INSERT OR REPLACE INTO s3_objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_OBJECT = "SELECT * FROM s3_objects WHERE bucket=? AND key=?"
_PLACE = """
SELECT s3_objects.* FROM s3_buckets
LEFT JOIN s3_objects ON bucket=name AND key=? WHERE name=?
"""


class S3Store:
    """Read and change the records, each change in one transaction."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._buckets: dict[str, Bucket] = {}
        self._keys: dict[str, Access] = {}
        self._known = KnownObjects()
        self._turn = 0

    def _forget(self) -> None:
        """Drop what is remembered of buckets and keys; whoever looks one up now drops it too."""
        self._turn += 1
        self._buckets.clear()
        self._keys.clear()

    # Buckets

    async def bucket(self, name: str) -> Bucket:
        """Return a bucket; ``NoSuchBucket`` if there is none."""
        if (known := self._buckets.get(name)) is not None:
            return known
        turn = self._turn
        row = await self._records.fetch_one("SELECT * FROM s3_buckets WHERE name=?", (name,))
        if row is None:
            raise no_bucket(name)
        found = Bucket.of(row)
        if turn == self._turn:
            self._buckets[name] = found
        return found

    async def buckets(self) -> list[Bucket]:
        """Return all buckets, by name."""
        rows = await self._records.fetch_all("SELECT * FROM s3_buckets ORDER BY name")
        return [Bucket.of(row) for row in rows]

    async def add_bucket(self, bucket: Bucket) -> bool:
        """Add a bucket; False if the name is taken."""
        return bool(
            await self._records.execute(
                "INSERT OR IGNORE INTO s3_buckets VALUES (?, ?, ?, ?, ?, ?, ?)",
                attrs.astuple(bucket),
            )
        )

    async def set_bucket(self, name: str, **values: object) -> None:
        """Change fields of a bucket; ``NoSuchBucket`` if there is none."""
        fields = ", ".join(f"{field}=?" for field in values)
        statement = f"UPDATE s3_buckets SET {fields} WHERE name=?"
        found = await self._records.execute(statement, (*values.values(), name))
        self._forget()
        if not found:
            raise no_bucket(name)

    async def delete_bucket(self, name: str) -> list[str]:
        """Remove an empty bucket with its unfinished uploads; return files to remove."""

        def change(tx: Transaction) -> list[str]:
            if tx.fetch_one("SELECT 1 FROM s3_objects WHERE bucket=? LIMIT 1", (name,)):
                raise S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty")
            rows = tx.fetch_all(
                "SELECT file FROM s3_parts JOIN s3_uploads ON upload=id WHERE bucket=?", (name,)
            )
            tx.execute("DELETE FROM s3_uploads WHERE bucket=?", (name,))
            tx.execute("DELETE FROM s3_grants WHERE bucket=?", (name,))
            if not tx.execute("DELETE FROM s3_buckets WHERE name=?", (name,)):
                raise no_bucket(name)
            return [row["file"] for row in rows]

        result = await self._records.change(change)
        self._forget()
        return result

    async def usage(self, name: str) -> Usage:
        """Count what a bucket holds."""
        await self.bucket(name)
        row = await self._records.fetch_one(
            "SELECT COUNT(*), COALESCE(SUM(size), 0), (SELECT COUNT(*) FROM s3_uploads WHERE "
            "bucket=?1), (SELECT COALESCE(SUM(size), 0) FROM s3_parts JOIN s3_uploads ON "
            "upload=id WHERE bucket=?1) FROM s3_objects WHERE bucket=?1",
            (name,),
        )
        assert row is not None
        return Usage(*row)

    # Keys

    async def access(self, access_key_id: str) -> Access | None:
        """Return a key with what it may do."""
        if (known := self._keys.get(access_key_id)) is not None:
            return known
        turn = self._turn
        query = "SELECT * FROM s3_keys WHERE access_key_id=?"
        row = await self._records.fetch_one(query, (access_key_id,))
        if row is None:
            return None
        key = Key(access_key_id, row["secret"], row["session_token"], row["expires_at"])
        query = "SELECT * FROM s3_grants WHERE access_key_id=?"
        rows = await self._records.fetch_all(query, (access_key_id,))
        grants = {
            row["bucket"]: Grant(bool(row["read"]), bool(row["write"]), bool(row["owner"]))
            for row in rows
        }
        found = Access(key, grants, bool(row["may_create_buckets"]))
        if turn == self._turn:
            self._keys[access_key_id] = found
        return found

    async def add_key(self, key: Key, grants: Mapping[str, Grant], *, may_create: bool) -> None:
        """Add a key, and sweep those that have expired."""

        def change(tx: Transaction) -> None:
            tx.execute("DELETE FROM s3_keys WHERE expires_at < ?", (time.time(),))
            tx.execute(
                "INSERT INTO s3_keys VALUES (?, ?, ?, ?, ?)",
                (
                    key.access_key_id,
                    key.secret_access_key,
                    key.session_token,
                    key.expires_at,
                    may_create,
                ),
            )
            _insert_grants(tx, key.access_key_id, grants)

        await self._records.change(change)
        self._forget()

    async def set_grants(self, access_key_id: str, grants: Mapping[str, Grant]) -> bool:
        """Replace what a key may do; False if there is no such key."""

        def change(tx: Transaction) -> bool:
            query = "SELECT 1 FROM s3_keys WHERE access_key_id=?"
            if tx.fetch_one(query, (access_key_id,)) is None:
                return False
            tx.execute("DELETE FROM s3_grants WHERE access_key_id=?", (access_key_id,))
            _insert_grants(tx, access_key_id, grants)
            return True

        result = await self._records.change(change)
        self._forget()
        return result

    async def grant(self, access_key_id: str, bucket: str, grant: Grant) -> None:
        """Add what a key may do with one more bucket."""

        def change(tx: Transaction) -> None:
            _insert_grants(tx, access_key_id, {bucket: grant})

        await self._records.change(change)
        self._forget()

    async def delete_key(self, access_key_id: str) -> bool:
        """Remove a key; False if there is none."""
        statement = "DELETE FROM s3_keys WHERE access_key_id=?"
        found = await self._records.execute(statement, (access_key_id,))
        self._forget()
        return bool(found)

    # Objects

    async def object(self, bucket: str, key: str) -> Object | None:
        """Return an object, None if there is none."""
        if (known := self._known.get(bucket, key)) is not None:
            return known
        return await self._records.look(lambda tx: self._object(tx, bucket, key))

    def object_now(self, bucket: str, key: str) -> Object | None:
        """Return an object, None if there is none; blocks."""
        return self._records.look_now(lambda tx: self._object(tx, bucket, key))

    def known(self, bucket: str, key: str) -> Object | None:
        """Return an object if that takes no look at the database."""
        return self._known.get(bucket, key)

    def _object(self, tx: Transaction, bucket: str, key: str) -> Object | None:
        row = tx.fetch_one(_OBJECT, (bucket, key))
        if row is None:
            return None
        found = Object.of(row)
        self._known.note(bucket, found)
        return found

    async def put(self, bucket: Bucket, new: Object, check: Check | None) -> list[str]:
        """Put an object in place; return the files of the one it replaces."""
        return await self._records.change(*self._change(bucket, new, check))

    def put_each(
        self, several: Sequence[tuple[Bucket, Object, Check | None]]
    ) -> list[list[str] | Exception]:
        """Do the same with several, each with an outcome of its own, and block."""
        return self._records.change_each([self._change(*one) for one in several])

    def _change(self, bucket: Bucket, new: Object, check: Check | None) -> Change[list[str]]:
        return (
            lambda tx: self._put(tx, bucket, new, check),
            lambda: self._known.note(bucket.name, new),
        )

    def _put(self, tx: Transaction, bucket: Bucket, new: Object, check: Check | None) -> list[str]:
        row = tx.fetch_one(_PLACE, (new.key, bucket.name))
        if row is None:
            raise no_bucket(bucket.name)
        old = None if row["key"] is None else Object.of(row)
        self._known.forget(bucket.name, new.key)
        if check is not None:
            check(old)
        check_quota(tx, bucket, new, old)
        tx.execute(_INSERT, new.row(bucket.name))
        return [] if old is None else [segment.file for segment in old.segments]

    async def room(self, bucket: Bucket, key: str = "") -> int | None:
        """Return how many bytes may be written in place of a key, None for any number."""
        if bucket.max_size is None:
            return None
        old = await self.object(bucket.name, key)
        replaced = 0 if old is None else old.size
        # What is no larger than before is taken even if the bucket is too full already.
        free = bucket.max_size - (await self.usage(bucket.name)).bytes
        return max(replaced, free + replaced)

    async def delete(self, bucket: str, keys: Sequence[str]) -> list[str]:
        """Remove objects; return their files."""

        def change(tx: Transaction) -> list[str]:
            files: list[str] = []
            for key in keys:
                self._known.forget(bucket, key)
                row = tx.fetch_one(_OBJECT, (bucket, key))
                if row is not None:
                    files += [segment.file for segment in segments_of(row["segments"])]
                    tx.execute("DELETE FROM s3_objects WHERE bucket=? AND key=?", (bucket, key))
            return files

        return await self._records.change(change)

    async def page(self, bucket: str, after: str, prefix: str, limit: int) -> list[Row]:
        """Return the next rows of objects behind *after* whose keys begin with *prefix*."""
        # Keys are compared by their UTF-8 bytes; the prefix itself comes first of all.
        rows = await self._records.fetch_all(
            "SELECT key, size, etag, modified, checksums FROM s3_objects "
            "WHERE bucket=? AND key>=? AND key>? AND key<=? "
            "ORDER BY key LIMIT ?",
            (bucket, prefix, after, prefix + LAST, limit),
        )
        return [row for row in rows if row["key"].startswith(prefix)]

    # Uploads in parts

    async def add_upload(self, upload: MultipartUpload) -> None:
        """Add an unfinished upload; its id sorts by its time."""
        added = await self._records.execute(
            "INSERT INTO s3_uploads SELECT ?, name, ?, ?, ?, ?, ? FROM s3_buckets WHERE name=?",
            (
                upload.id,
                upload.key,
                upload.started,
                json.dumps(dict(upload.headers)),
                upload.algorithm,
                upload.kind,
                upload.bucket,
            ),
        )
        if not added:
            raise no_bucket(upload.bucket)

    async def upload(self, bucket: str, key: str, upload_id: str) -> MultipartUpload:
        """Return an unfinished upload; ``NoSuchUpload`` if there is none."""
        row = await self._records.fetch_one(
            "SELECT * FROM s3_uploads WHERE id=? AND bucket=? AND key=?", (upload_id, bucket, key)
        )
        if row is None:
            raise no_upload(upload_id)
        return MultipartUpload.of(row)

    async def uploads(self, bucket: str, prefix: str) -> list[MultipartUpload]:
        """Return the unfinished uploads of a bucket, by key and time."""
        rows = await self._records.fetch_all(
            "SELECT * FROM s3_uploads WHERE bucket=? ORDER BY key, id", (bucket,)
        )
        return [MultipartUpload.of(row) for row in rows if row["key"].startswith(prefix)]

    async def add_part(self, upload_id: str, part: UploadedPart) -> list[str]:
        """Add a part or replace it; return the file of the replaced one."""

        def change(tx: Transaction) -> list[str]:
            if tx.fetch_one("SELECT 1 FROM s3_uploads WHERE id=?", (upload_id,)) is None:
                raise no_upload(upload_id)
            row = tx.fetch_one(
                "SELECT file FROM s3_parts WHERE upload=? AND number=?", (upload_id, part.number)
            )
            tx.execute(
                "INSERT OR REPLACE INTO s3_parts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    upload_id,
                    part.number,
                    part.size,
                    part.etag,
                    part.modified,
                    part.checksum,
                    part.file,
                ),
            )
            return [] if row is None else [row["file"]]

        return await self._records.change(change)

    async def parts(self, upload_id: str) -> list[UploadedPart]:
        """Return the parts of an upload, by number."""
        query = "SELECT * FROM s3_parts WHERE upload=? ORDER BY number"
        return [UploadedPart.of(row) for row in await self._records.fetch_all(query, (upload_id,))]

    async def complete(
        self, bucket: Bucket, upload_id: str, new: Object, check: Check | None
    ) -> list[str]:
        """Turn an upload into an object; return the files that nothing needs any more."""
        used = {segment.file for segment in new.segments}

        def change(tx: Transaction) -> list[str]:
            rows = tx.fetch_all("SELECT file FROM s3_parts WHERE upload=?", (upload_id,))
            if not used <= {row["file"] for row in rows}:
                raise no_upload(upload_id)  # completed, aborted or changed by somebody else
            old = self._put(tx, bucket, new, check)
            tx.execute("DELETE FROM s3_uploads WHERE id=?", (upload_id,))
            return [*old, *(row["file"] for row in rows if row["file"] not in used)]

        return await self._records.change(change)

    async def abort(self, upload_id: str) -> list[str]:
        """Drop an upload; return its files."""

        def change(tx: Transaction) -> list[str]:
            rows = tx.fetch_all("SELECT file FROM s3_parts WHERE upload=?", (upload_id,))
            tx.execute("DELETE FROM s3_uploads WHERE id=?", (upload_id,))
            return [row["file"] for row in rows]

        return await self._records.change(change)

    async def files(self) -> set[str]:
        """Return every file that something names."""
        found: set[str] = set()
        for row in await self._records.fetch_all("SELECT segments FROM s3_objects"):
            found |= {segment.file for segment in segments_of(row["segments"])}
        rows = await self._records.fetch_all("SELECT file FROM s3_parts")
        return found | {row["file"] for row in rows}


def _insert_grants(tx: Transaction, key_id: str, grants: Mapping[str, Grant]) -> None:
    for bucket, grant in grants.items():
        tx.execute(
            "INSERT OR REPLACE INTO s3_grants VALUES (?, ?, ?, ?, ?)",
            (key_id, bucket, grant.read, grant.write, grant.owner),
        )
