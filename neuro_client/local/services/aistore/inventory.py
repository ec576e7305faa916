"""Inventories of buckets: lists that were made before (aistore.md §16.7)."""

from __future__ import annotations

import time
from typing import Any

from .content import Content
from .errors import AISError, unsupported
from .jobs import Job
from .messages import Message, text_of
from .models import Bucket

_SINCE = (4, 3)
_FIELDS = {"name", "prefix", "props", "names_per_chunk", "force"}
_CHUNK = 20_000


class Inventories:
    """Make, show and drop inventories; a list that asks for one is answered from the records."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._made: dict[tuple[int, str], dict[str, Any]] = {}

    def _fields(self, message: Message) -> dict[str, Any]:
        if self._cluster.version < _SINCE:
            raise unsupported("this server has no inventories")
        return message.fields(_FIELDS)

    def create(self, bucket: Bucket, message: Message) -> Job:
        """Start a job that makes an inventory."""
        fields = self._fields(message)
        name = text_of(fields, "name") or "default"
        if (bucket.id, name) in self._made and not fields.get("force"):
            raise AISError(409, f'inventory "{name}" already exists', "ErrAlreadyExists")
        prefix = text_of(fields, "prefix")
        started = time.time_ns()

        async def work(job: Job) -> None:
            counted = await self._content.store.count(bucket, prefix)
            total = counted["objects"]
            size = int(fields.get("names_per_chunk") or _CHUNK)
            self._made[bucket.id, name] = {
                "bucket": str(bucket.bck),
                "name": name,
                "obj_name": f".inventory/{name}",
                "size": counted["bytes"],
                "started": started,
                "finished": time.time_ns(),
                "ntotal": total,
                "smap_ver": self._cluster.map_version,
                "chunks": -(-total // size),
                "nat": len(self._cluster.targets),
            }

        return self._cluster.jobs.start("create-inventory", work, bck=bucket.bck)

    def show(self, bucket: Bucket, message: Message) -> dict[str, Any]:
        """Return what is known of a bucket's inventories."""
        name = text_of(self._fields(message), "name")
        return {
            key: info
            for (number, key), info in self._made.items()
            if number == bucket.id and name in ("", key)
        }

    def destroy(self, bucket: Bucket, message: Message) -> None:
        """Drop inventories."""
        name = text_of(self._fields(message), "name")
        found = [key for key in self._made if key[0] == bucket.id and name in ("", key[1])]
        if not found:
            raise AISError(404, f'inventory "{name}" does not exist', "ErrNotFound")
        for key in found:
            del self._made[key]
