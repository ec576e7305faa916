"""Jobs on many objects at once: delete, evict, prefetch, copy, transform, archive (§11.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs

from . import archives
from .content import Content
from .errors import AISError, bad_request, not_found
from .jobs import Job
from .messages import Message, text_of
from .models import Bucket, Object
from .names import Bck
from .templates import matches_form, parse
from .transforms import Transforms

_SELECT = {"objnames", "template"}
_COPY = _SELECT | {"prefix", "prepend", "dry_run", "force", "tobck", "coer"}
_NEWER = {"latest-ver", "non-recurs", "num-workers", "synchronize", "pipeline", "ext"}
_FIELDS = {
    "delete-listrange": _SELECT,
    "evict-listrange": _SELECT,
    "prefetch-listrange": _SELECT | {"coer"},
    "copy-listrange": _COPY,
    "etl-listrange": _COPY | {"id", "request_timeout"},
    "archive": _SELECT | {"archname", "isbn", "aate", "coer", "tobck", "mime"},
}
_NEWER_FIELDS = {
    "delete-listrange": {"num-workers", "non-recurs"},
    "evict-listrange": {"num-workers", "non-recurs"},
    "prefetch-listrange": {
        "blob-threshold",
        "blob-chunk-size",
        "blob-num-workers",
        *("num-workers", "latest-ver", "non-recurs"),
    },
    "copy-listrange": _NEWER,
    "etl-listrange": _NEWER,
    "archive": {"bnonly", "non-recurs"},
}
_BATCH = 100


@attrs.frozen
class Selection:
    """Hold which objects are meant; ``names`` or a ``template``."""

    names: list[str] | None
    template: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any], *, strict: bool) -> Selection:
        """Read the selector of a value; with ``strict`` a malformed template is refused."""
        names, template = fields.get("objnames"), text_of(fields, "template")
        if names:
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise bad_request('"objnames" is not a list of strings')
            return cls(names)
        parse(template, strict=strict)
        return cls(None, template)


class Groups:
    """Start jobs on many objects of a bucket."""

    actions = frozenset({"prefetch-listrange", "copy-listrange", "etl-listrange"})
    removals = frozenset({"delete-listrange", "evict-listrange"})

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._transforms = Transforms(content)

    def _read(self, message: Message) -> dict[str, Any]:
        allowed = set(_FIELDS[message.action])
        if self._cluster.version >= (4, 0):
            allowed |= _NEWER_FIELDS[message.action]
        return message.fields(allowed)

    async def start(self, bucket: Bucket, message: Message) -> Job:
        """Start a job by its action."""
        fields = self._read(message)
        action, bck = message.action, bucket.bck
        # The malformed is refused by some jobs and taken literally by others (§22.21).
        chosen = Selection.of(fields, strict=action == "delete-listrange")
        if action in ("evict-listrange", "prefetch-listrange") and not bck.is_remote:
            raise AISError(400, f'bucket "{bck}" is not remote', "ErrNotRemoteBck")
        if action in ("copy-listrange", "etl-listrange"):
            return await self._start_copy(bucket, message, fields, chosen)

        async def work(job: Job) -> None:
            match action:
                case "prefetch-listrange":
                    await self._prefetch(job, bucket, chosen)
                case _:
                    await self._remove(job, bucket, chosen, action)

        return self._cluster.jobs.start(action, work, bck=bck, note=chosen.template)

    # Which objects

    async def selected(
        self, bucket: Bucket, chosen: Selection, *, outside: bool = False
    ) -> AsyncIterator[tuple[str, Object | None]]:
        """Yield names with what is there; those of a template only if something is there.

        ``outside`` counts what only the backend has as well.
        """
        if chosen.names is not None:
            for name in chosen.names:
                yield name, await self._there(bucket, name, outside=outside)
            return
        template = parse(chosen.template, strict=False)
        if template.prefix is None:
            for name in template.names():
                if found := await self._there(bucket, name, outside=outside):
                    yield name, found
            return
        form = matches_form(chosen.template)
        async for found in self.with_prefix(bucket, template.prefix, outside=outside):
            if form is None or form.fullmatch(found.name):
                yield found.name, found

    async def with_prefix(
        self, bucket: Bucket, prefix: str, *, outside: bool
    ) -> AsyncIterator[Object]:
        """Yield the objects whose names begin with a text."""
        if not (outside and bucket.bck.is_remote):
            async for found in self._content.all(bucket, prefix):
                yield found
            return
        remote = self._content.remote
        for there in await asyncio.to_thread(remote.list, bucket.bck, prefix):
            yield self._content.outside(bucket, there)

    async def _there(self, bucket: Bucket, name: str, *, outside: bool) -> Object | None:
        found = await self._content.find(bucket, name)
        if found is None and outside and bucket.bck.is_remote:
            there = await asyncio.to_thread(self._content.remote.find, bucket.bck, name)
            return None if there is None else self._content.outside(bucket, there)
        return found

    # Jobs

    async def _remove(self, job: Job, bucket: Bucket, chosen: Selection, action: str) -> None:
        evict = action == "evict-listrange"
        batch: list[Object] = []
        async for name, found in self.selected(bucket, chosen, outside=not evict):
            if found is None:
                job.fail(f"{self._label(bucket, name)}: {bucket.bck.uri(name)} does not exist")
                continue
            batch.append(found)
            if len(batch) == _BATCH:
                await self._drop(job, bucket, batch, evict=evict)
                batch = []
        await self._drop(job, bucket, batch, evict=evict)

    async def _drop(self, job: Job, bucket: Bucket, batch: list[Object], *, evict: bool) -> None:
        names = [found.name for found in batch]
        remove = self._content.evict if evict else self._content.delete
        gone = set(await remove(bucket, names))
        for found in batch:
            if found.name in gone:
                job.count(found.target, found.size)

    async def _prefetch(self, job: Job, bucket: Bucket, chosen: Selection) -> None:
        async for name, found in self.selected(bucket, chosen, outside=True):
            if found is None:
                job.fail(f"{self._label(bucket, name)}: {bucket.bck.uri(name)} does not exist")
                continue
            fetched = await self._content.get(bucket, name)
            job.count(fetched.target, fetched.size)

    async def _start_copy(
        self, bucket: Bucket, message: Message, fields: Mapping[str, Any], chosen: Selection
    ) -> Job:
        bck = Bck.of_model(fields.get("tobck"))
        dry, goes_on = bool(fields.get("dry_run")), bool(fields.get("coer"))
        prepend = text_of(fields, "prepend")
        etl = text_of(fields, "id") if message.action == "etl-listrange" else ""
        if etl:
            self._transforms.need(etl)
        target = bucket if dry else await self._content.destination(bck, bucket)

        async def work(job: Job) -> None:
            async for name, found in self.selected(bucket, chosen, outside=True):
                try:
                    if found is None:
                        raise not_found(f"{self._label(bucket, name)}: {bucket.bck.uri(name)}")
                    if dry:
                        continue
                    source = await self._content.get(bucket, name)
                    new = await self._transforms.copy(
                        bucket, source, target, prepend + name, [etl] if etl else []
                    )
                    job.count(new.target, new.size)
                except AISError as error:
                    job.fail(error.message)
                    if not goes_on:
                        job.aborted = True
                        return

        return self._cluster.jobs.start(
            message.action, work, bck=bucket.bck, src=bucket.bck, dst=bck, note=chosen.template
        )

    async def archive(self, bucket: Bucket, message: Message) -> Job:
        """Start a job that packs objects into one."""
        fields = self._read(message)
        name, mime = text_of(fields, "archname"), text_of(fields, "mime")
        kind = archives.strict_kind(name, mime)
        to = fields.get("tobck")
        has_name = isinstance(to, Mapping) and to.get("name")
        bck = Bck.of_model(to) if has_name else bucket.bck
        target = await self._content.destination(bck, bucket)
        chosen = Selection.of(fields, strict=False)
        with_bucket, base_only = bool(fields.get("isbn")), bool(fields.get("bnonly"))
        append, goes_on = bool(fields.get("aate")), bool(fields.get("coer"))

        async def work(job: Job) -> None:
            members = []
            old = await self._content.find(target, name) if append else None
            if old is not None:
                packed = await self._content.read(target, old)
                members = await asyncio.to_thread(archives.members, packed, kind)
            async for one, found in self.selected(bucket, chosen, outside=True):
                if found is None:
                    job.fail(f"{self._label(bucket, one)}: {bucket.bck.uri(one)} does not exist")
                    if not goes_on:
                        job.aborted = True
                        return
                    continue
                source = await self._content.get(bucket, one)
                data = await self._content.read(bucket, source)
                inside = one.rpartition("/")[2] if base_only else one
                inside = f"{bucket.bck.name}/{inside}" if with_bucket else inside
                members.append(archives.Member(inside, data))
                job.count(source.target, source.size)
            packed = await asyncio.to_thread(archives.pack, members, kind)
            await self._transforms.store(target, name, packed)

        return self._cluster.jobs.start(
            "archive", work, bck=target.bck, src=bucket.bck, dst=target.bck, note=name
        )

    def _label(self, bucket: Bucket, name: str) -> str:
        return f"t[{self._cluster.owner(bucket.bck, name)}]"
