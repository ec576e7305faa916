"""Requests to ``/v1/download``: addresses of the web fetched into a bucket by a job.

The fact page names the resource only (aistore.md §1.1); the forms are those of the public API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import attrs
from aiohttp import hdrs, web

from . import checksums
from .bodies import PIECE, store_pieces
from .content import Content
from .errors import AISError, bad_request
from .jobs import Job, stamp
from .messages import json_answer, read_lenient, text_of
from .models import Bucket
from .names import Bck, object_name
from .templates import parse

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


@attrs.define(eq=False)
class Progress:
    """Count what a job has fetched."""

    description: str
    total: int
    finished: int = 0
    errors: list[dict[str, str]] = attrs.field(factory=list)


class Downloads:
    """Answer requests about downloads."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster

    async def handle(self, request: web.Request, rest: str) -> web.Response:
        """Answer a request."""
        given = await read_lenient(request)
        match request.method, rest.strip("/"):
            case hdrs.METH_POST, "":
                return json_answer({"id": (await self._start(given)).id})
            case hdrs.METH_GET, "":
                return json_answer(self._told(given))
            case hdrs.METH_DELETE, "abort":
                self._cluster.jobs.stop(self._find(text_of(given, "id")))
                return web.Response()
            case hdrs.METH_DELETE, "remove":
                job = self._find(text_of(given, "id"))
                if not job.ended:
                    raise bad_request(f"download job {job.id} is running")
                self._cluster.jobs.forget(job)
                return web.Response()
        raise bad_request(f"invalid path {request.path!r}")

    def _find(self, name: str) -> Job:
        job = self._cluster.jobs.find(name)
        if job is None or job.kind != "download":
            raise AISError(404, f'download job "{name}" does not exist', "ErrNotFound")
        return job

    def _told(self, given: Mapping[str, Any]) -> Any:
        if name := text_of(given, "id"):
            return _status(self._find(name))
        try:
            pattern = re.compile(text_of(given, "regex"))
        except re.error as error:
            raise bad_request(f"invalid regular expression: {error}") from None
        found = [job for job in self._cluster.jobs.all() if job.kind == "download"]
        if given.get("only_active"):
            found = [job for job in found if not job.ended]
        told = [_status(job) for job in found]
        return [one for one in told if pattern.search(one["description"])]

    async def _start(self, given: Mapping[str, Any]) -> Job:
        bucket = await self._content.bucket(Bck.of_model(given.get("bucket")))
        links = _links(given)
        progress = Progress(text_of(given, "description"), len(links))

        async def work(job: Job) -> None:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                for name, link in links.items():
                    try:
                        await self._fetch(job, session, bucket, name, link)
                        progress.finished += 1
                    except (aiohttp.ClientError, TimeoutError, ValueError, AISError) as error:
                        progress.errors.append({"name": name, "err": str(error)})
                        job.fail(f"{name}: {error}")

        job = self._cluster.jobs.start("download", work, bck=bucket.bck)
        job.details["progress"] = progress
        return job

    async def _fetch(
        self, job: Job, session: aiohttp.ClientSession, bucket: Bucket, name: str, link: str
    ) -> None:
        kind = bucket.checksum_type
        async with session.get(link) as answer:
            answer.raise_for_status()
            pieces = answer.content.iter_chunked(PIECE)
            digests = {kind: checksums.new(kind)}
            received = await store_pieces(pieces, self._content.files, digests)
        found = await self._content.write(bucket, name, received.body(kind))
        job.count(found.target, found.size)


def _links(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses by the names of the objects."""
    folder = text_of(given, "subdir").strip("/")
    found: dict[str, str]
    match given.get("type"):
        case "single":
            link = text_of(given, "link")
            found = {text_of(given, "object_name") or _last(link): link}
        case "multi":
            objects = given.get("objects")
            if isinstance(objects, list):
                found = {_last(str(link)): str(link) for link in objects}
            elif isinstance(objects, dict):
                found = {name: str(link) for name, link in objects.items()}
            else:
                raise bad_request('"objects" is neither a list nor an object')
        case "range":
            template = parse(text_of(given, "template"), strict=True)
            if template.prefix is not None:
                raise bad_request("the template has no range")
            found = {_last(link): link for link in template.names()}
        case other:
            raise bad_request(f"download type {other!r} is not supported")
    if not found:
        raise bad_request("there is nothing to download")
    return {object_name(f"{folder}/{name}" if folder else name): found[name] for name in found}


def _last(link: str) -> str:
    return link.partition("?")[0].rpartition("/")[2]


def _status(job: Job) -> dict[str, Any]:
    progress: Progress = job.details["progress"]
    return {
        "id": job.id,
        "xaction_id": job.id,
        "description": progress.description,
        "total_cnt": progress.total,
        "scheduled_cnt": progress.total,
        "finished_cnt": progress.finished,
        "skipped_cnt": 0,
        "error_cnt": len(progress.errors),
        "aborted": job.aborted,
        "all_dispatched": True,
        "started_time": stamp(job.started),
        "finished_time": stamp(job.ended),
        "download_errors": progress.errors or None,
    }
