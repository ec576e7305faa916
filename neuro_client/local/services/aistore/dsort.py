"""dSort: shards taken apart, their records sorted and packed anew (aistore.md §13)."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from . import archives
from .content import Content
from .dsort_report import Report
from .dsort_spec import Record, Spec
from .errors import AISError, bad_request
from .groups import Groups
from .jobs import Job
from .messages import flag, json_answer, read_lenient
from .transforms import Transforms

_LEGACY_ANSWER = (3, 18)


class Sorting:
    """Answer requests to ``/v1/sort`` and run its jobs."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._groups = Groups(content)
        self._transforms = Transforms(content)

    async def handle(self, request: web.Request, rest: str) -> web.Response:
        """Answer a request."""
        if not self._cluster.dsort:
            if request.method == hdrs.METH_GET:
                return json_answer([], plain=True)
            return web.Response(status=501, text="dsort is not supported by this server\n")
        uuid = request.query.get("uuid", "")
        match request.method, rest.strip("/"):
            case hdrs.METH_POST, "":
                return await self._start(request)
            case hdrs.METH_GET, "" if uuid:
                return json_answer(self._told(self._find(uuid)), plain=True)
            case hdrs.METH_GET, "":
                return json_answer(self._list(request), plain=True)
            case hdrs.METH_DELETE, "abort":
                job = self._find(uuid)
                self._cluster.jobs.stop(job)
                return web.Response()
            case hdrs.METH_DELETE, "":
                self._remove(self._find(uuid))
                return web.Response()
        raise bad_request(f"invalid path {request.path!r}")

    def _find(self, uuid: str) -> Job:
        job = self._cluster.jobs.find(uuid)
        if job is None or job.kind != "dsort":
            raise AISError(404, f"[dsort] {uuid} does not exist", "ErrNotFound")
        return job

    def _remove(self, job: Job) -> None:
        if not job.ended:
            raise bad_request(f"[dsort] {job.id} is running")
        self._cluster.jobs.forget(job)

    def _list(self, request: web.Request) -> list[dict[str, Any]]:
        try:
            pattern = re.compile(request.query.get("regex", ""))
        except re.error as error:
            raise bad_request(f"invalid regular expression: {error}") from None
        active = flag(request.query, "only_active")
        found = [job for job in self._cluster.jobs.all() if job.kind == "dsort"]
        reports = [_report(job) for job in found if not (active and job.ended)]
        return [one.info(first=True) for one in reports if pattern.search(one.description)]

    def _told(self, job: Job) -> dict[str, Any]:
        report = _report(job)
        nodes = [node.id for node in self._cluster.targets]
        infos = {node: report.info(first=node == nodes[0]) for node in nodes}
        if self._cluster.version > _LEGACY_ANSWER:
            return infos
        return {node: info["Metrics"] for node, info in infos.items()}

    async def _start(self, request: web.Request) -> web.Response:
        given = await read_lenient(request)
        spec = Spec.of(given, old=self._cluster.version <= _LEGACY_ANSWER)
        source = await self._content.bucket(spec.source)
        target = await self._content.destination(spec.target, source)
        order = await spec.order()

        async def work(job: Job) -> None:
            report = _report(job)
            try:
                records = await self._extract(job, spec, report)
                with report.sorting():
                    records = await asyncio.to_thread(_sorted, records, spec)
                with report.creating():
                    await self._create(job, spec, records, order, report)
            finally:
                report.end(aborted=job.aborted or not report.finished)

        job = self._cluster.jobs.start(
            "dsort", work, bck=target.bck, src=source.bck, dst=target.bck
        )
        job.details["report"] = Report(job, spec)
        return web.Response(text=job.id)

    async def _extract(self, job: Job, spec: Spec, report: Report) -> list[Record]:
        source = await self._content.bucket(spec.source)
        records: dict[str, Record] = {}
        with report.extracting():
            async for name, found in self._groups.selected(source, spec.shards, outside=True):
                if not name.endswith(spec.input_extension):
                    continue
                if found is None:
                    report.warn(f"{source.bck.uri(name)} does not exist")
                    continue
                shard = await self._content.get(source, name)
                data = await self._content.read(source, shard)
                kind = archives.kind_of(name)
                members = await asyncio.to_thread(archives.members, data, kind)
                report.extracted(len(data), members)
                for member in members:
                    key = member.name.rpartition(".")[0] or member.name
                    records.setdefault(key, Record(key, [])).members.append(member)
                job.count(shard.target, shard.size)
        report.records = len(records)
        return list(records.values())

    async def _create(
        self,
        job: Job,
        spec: Spec,
        records: list[Record],
        order: Mapping[str, str] | None,
        report: Report,
    ) -> None:
        target = await self._content.bucket(spec.target)
        shards = spec.divided(records, order)
        report.to_create = len(shards)
        for name, members in shards:
            packed = await asyncio.to_thread(archives.pack, members, spec.output_extension)
            if not spec.dry_run:
                await self._transforms.store(target, name, packed)
            report.created += 1
        job.active = time.monotonic()


def _report(job: Job) -> Report:
    report: Report = job.details["report"]
    return report


def _sorted(records: list[Record], spec: Spec) -> list[Record]:
    if spec.kind == "none":
        return records
    if spec.kind == "shuffle":
        chance = random.Random(spec.seed)
        ordered = sorted(records, key=lambda record: record.key)
        chance.shuffle(ordered)
        return ordered
    keys: Mapping[str, Callable[[Record], Any]] = {
        "": lambda record: record.key,
        "alphanumeric": lambda record: record.key,
        "md5": lambda record: hashlib.md5(record.key.encode(), usedforsecurity=False).digest(),
        "content": spec.content_key,
    }
    return sorted(records, key=keys[spec.kind], reverse=spec.decreasing)
