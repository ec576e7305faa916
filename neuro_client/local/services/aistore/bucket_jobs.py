"""Jobs on whole buckets: copy, transform, rename, and upkeep with nothing to do (§7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .content import Content
from .errors import AISError, bad_request
from .groups import Groups
from .jobs import Job
from .messages import Message, text_of
from .models import Bucket
from .names import Bck, bucket_exists
from .transforms import Transforms

_COPY = {"prefix", "prepend", "dry_run", "force"}
_TRANSFORM = _COPY | {"id", "request_timeout", "ext"}
_NEWER = {"ext", "latest-ver", "synchronize", "non-recurs", "num-workers", "coer", "pipeline"}
_UPKEEP = {"make-n-copies", "ec-encode", "rechunk", "index-shard", "load-lom-cache"}
_EXCLUSIVE = {"move-bck", "rebalance"}


class BucketJobs:
    """Start jobs on whole buckets."""

    actions = frozenset({"copy-bck", "etl-bck", "move-bck", *_UPKEEP})

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._transforms = Transforms(content)
        self._groups = Groups(content)

    async def start(self, bucket: Bucket, message: Message, to: Bck | None) -> Job:
        """Start a job by its action."""
        if message.action in _UPKEEP:
            return self._cluster.jobs.start(message.action, self._nothing, bck=bucket.bck)
        if to is None:
            raise bad_request(f'"{message.action}" needs the destination bucket (bck_to)')
        if message.action == "move-bck":
            return await self._rename(bucket, to)
        return await self._copy(bucket, message, to)

    async def _nothing(self, job: Job) -> None:
        """Do what has no effect on one machine."""

    def _free(self, bck: Bck) -> None:
        for job in self._cluster.jobs.all():
            if not job.ended and job.kind in _EXCLUSIVE:
                raise AISError(
                    409,
                    f'bucket "{bck}": {job.kind}[{job.id}] is currently running',
                    "ErrLimitedCoexistence",
                )

    async def _copy(self, bucket: Bucket, message: Message, to: Bck) -> Job:
        fields = message.fields(self._allowed(message.action))
        dry = bool(fields.get("dry_run"))
        if to == bucket.bck and not dry:
            raise bad_request(f'cannot copy bucket "{to}" onto itself')
        if fields.get("synchronize") and fields.get("prepend"):
            raise bad_request("synchronize and prepend cannot be used together")
        if not fields.get("force"):
            self._free(bucket.bck)
        etls = self._etls(message.action, fields)
        for etl in etls:
            self._transforms.need(etl)
        target = bucket if dry else await self._content.destination(to, bucket)
        prefix, prepend = text_of(fields, "prefix").rstrip("*"), text_of(fields, "prepend")
        endings = _endings(fields)

        async def work(job: Job) -> None:
            names = set()
            async for found in self._groups.with_prefix(bucket, prefix, outside=True):
                source = found if dry else await self._content.get(bucket, found.name)
                name = prepend + _renamed(found.name, endings)
                names.add(name)
                if not dry:
                    source = await self._transforms.copy(bucket, source, target, name, etls)
                job.count(source.target, source.size)
            if fields.get("synchronize") and not dry:
                there = [one.name async for one in self._content.all(target, prefix)]
                await self._content.delete(target, [one for one in there if one not in names])

        return self._cluster.jobs.start(
            message.action, work, bck=to, src=bucket.bck, dst=to, note=prefix
        )

    def _allowed(self, action: str) -> set[str]:
        allowed = _COPY if action == "copy-bck" else _TRANSFORM
        return allowed | _NEWER if self._cluster.version >= (4, 0) else allowed

    def _etls(self, action: str, fields: Mapping[str, Any]) -> list[str]:
        if action != "etl-bck":
            return []
        return [text_of(fields, "id"), *(fields.get("pipeline") or [])]

    async def _rename(self, bucket: Bucket, to: Bck) -> Job:
        if bucket.bck.is_remote or to.is_remote:
            raise bad_request(f'cannot rename bucket "{bucket.bck}" to "{to}": remote')
        if to == bucket.bck:
            raise bad_request(f'cannot rename bucket "{to}" to itself')
        if self._content.store.find(to) is not None:
            raise bucket_exists(to, 400)
        self._free(bucket.bck)
        target = await self._content.create(to, bucket.props)

        async def work(job: Job) -> None:
            counted = await self._content.store.count(bucket)
            await self._content.store.move(
                bucket, target, lambda name: self._cluster.owner(to, name)
            )
            node = self._cluster.targets[0].id
            job.done[node] = [counted["objects"], counted["bytes"]]

        return self._cluster.jobs.start("move-bck", work, bck=to, src=bucket.bck, dst=to)


def _endings(fields: Mapping[str, Any]) -> Mapping[str, str]:
    found = fields.get("ext") or {}
    if not isinstance(found, Mapping):
        raise bad_request('"ext" is not an object')
    return {str(old).lstrip("."): str(new).lstrip(".") for old, new in found.items()}


def _renamed(name: str, endings: Mapping[str, str]) -> str:
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.{endings[ending]}" if dot and ending in endings else name
