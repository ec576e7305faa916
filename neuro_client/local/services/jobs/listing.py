"""``GET /jobs`` with its filters and both forms of the answer (jobs.md §5)."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...errors import refuse
from ...scheduler.models import STATUSES
from ..base import Platform
from .answer import describe
from .lookup import job_uris, username

log = logging.getLogger(__name__)
_NDJSON = "application/x-ndjson"
_CHUNK = 1 << 16
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?\Z")
_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*\Z")
_JOB_ID = re.compile(r"job-[0-9a-z]{8}(?:-[0-9a-z]{4}){3}-[0-9a-z]{12}\Z")
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}


class Listing:
    """Answer the list of jobs the caller may read."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream one job a line, or send one object, as the caller accepts."""
        where, parameters = conditions(request)
        reverse = boolean(request, "reverse") or False
        limit = _limit(request)
        readable = await self._platform.access.readable(username(request))

        async def found() -> AsyncGenerator[dict[str, Any], None]:
            left = limit
            jobs = self._platform.jobs.store.search(where, parameters, reverse=reverse)
            async with aclosing(jobs):
                async for job in jobs:
                    if left == 0:
                        return
                    if any(readable(uri) for uri in job_uris(job)):
                        left = None if left is None else left - 1
                        yield describe(job, self._platform.url, time.time())

        async with aclosing(found()) as answers:
            if _NDJSON in request.headers.get("Accept", ""):
                return await _stream(request, answers)
            return web.json_response({"jobs": [answer async for answer in answers]})


async def _stream(
    request: web.Request, answers: AsyncIterator[dict[str, Any]]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": _NDJSON})
    await response.prepare(request)
    held = bytearray()
    try:
        async for answer in answers:
            held += json.dumps(answer).encode() + b"\n"
            if len(held) >= _CHUNK:
                await response.write(bytes(held))
                held.clear()
    except ConnectionError:
        raise
    except Exception as error:
        log.exception("listing jobs failed")
        held += json.dumps({"error": str(error)}).encode() + b"\n"
    if held:
        await response.write(bytes(held))
    await response.write_eof()
    return response


def conditions(request: web.Request) -> tuple[str, list[Any]]:
    """Turn the query into an SQL condition; raises 400 for what it cannot mean."""
    query = request.query
    where = ["1"]
    parameters: list[Any] = []

    def among(column: str, values: Sequence[str]) -> None:
        if values:
            where.append(f"{column} IN ({', '.join('?' * len(values))})")
            parameters.extend(values)

    for status in query.getall("status", []):
        if status not in STATUSES:
            raise refuse(400, f"Unknown status {status!r}; choose from {', '.join(STATUSES)}")
    among("status", query.getall("status", []))
    among("owner", _words(query.getall("owner", []), "owner"))
    among("base_owner", _words(query.getall("base_owner", []), "base_owner"))
    among("cluster", _words(query.getall("cluster_name", []), "cluster_name"))
    if query.get("name"):
        if not _NAME.match(query["name"]):
            raise refuse(400, f"{query['name']!r} cannot be the name of a job")
        among("name", [query["name"]])
    tags = set(query.getall("tag", []))
    if tags:
        marks = ", ".join("?" * len(tags))
        having = "GROUP BY job_id HAVING COUNT(DISTINCT tag) = ?"
        where.append(f"id IN (SELECT job_id FROM job_tags WHERE tag IN ({marks}) {having})")
        parameters += [*tags, len(tags)]
    for name, sign in (("since", ">="), ("until", "<=")):
        if name in query:
            where.append(f"created_at {sign} ?")
            parameters.append(moment(query[name], name))
    for name in ("materialized", "being_dropped", "logs_removed"):
        wanted = boolean(request, name)
        if wanted is not None:
            where.append(f"{name} = ?")
            parameters.append(wanted)
    if "hostname" in query:
        _by_host(request, among)
    return " AND ".join(where), parameters


def _by_host(request: web.Request, among: Any) -> None:
    clash = [
        name
        for name in ("name", "cluster_name", "since", "until", "owner")
        if name in request.query
    ]
    if clash:
        raise refuse(400, f"hostname cannot be combined with {', '.join(clash)}")
    label = request.query["hostname"].partition(".")[0]
    if _JOB_ID.match(label):
        among("id", [label])
        return
    name, separator, owner = label.rpartition("--")
    if not separator:
        raise refuse(400, f"{label!r} is neither the id of a job nor <name>--<owner>")
    among("name", [name])
    among("base_owner", [owner])


def boolean(request: web.Request, name: str) -> bool | None:
    """Read a yes or no of the query, None if absent; 400 for anything else."""
    if name not in request.query:
        return None
    try:
        return _BOOLEANS[request.query[name].lower()]
    except KeyError:
        text = f"{name} must be 0, 1, true or false, not {request.query[name]!r}"
        raise refuse(400, text) from None


def moment(text: str, name: str) -> float:
    """Read an ISO 8601 time of the query as epoch seconds; without an offset it is UTC."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(400, f"{name} must be an ISO 8601 time, not {text!r}") from None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _words(values: Sequence[str], name: str) -> Sequence[str]:
    for value in values:
        if not _WORD.match(value):
            raise refuse(400, f"{value!r} is not possible as {name}")
    return values


def _limit(request: web.Request) -> int | None:
    if "limit" not in request.query:
        return None
    text = request.query["limit"]
    digits = text.lstrip("0")
    if not text.isascii() or not text.isdigit() or not digits:
        raise refuse(400, f"limit must be a positive whole number, not {text!r}")
    # More digits than that are as good as no limit, and more than Python reads.
    return int(digits[:18])
