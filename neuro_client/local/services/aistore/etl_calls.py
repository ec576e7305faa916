"""Requests to ``/v1/etl``: transforms are recorded, listed, started, stopped (aistore.md §14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import hdrs, web

from .content import Content
from .errors import AISError, bad_request, unsupported
from .jobs import Job
from .messages import json_answer, read_document, seconds_of
from .transforms import ABORTED, RUNNING, Etl, as_text

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{4,30}[a-z0-9]")
_COMMUNICATION = ("hpush", "hpull", "ws")
_OLD_COMMUNICATION = ("hpush", "hpull", "hrev", "io")
_BY_CODE_UNTIL = (3, 29)


class EtlHandlers:
    """Answer requests about transforms."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster

    async def handle(self, request: web.Request, rest: str) -> web.Response:
        """Answer a request."""
        if not self._cluster.etl:
            raise unsupported("ETL is not supported by this server")
        words = [unquote(word) for word in rest.split("/") if word]
        match request.method, words:
            case hdrs.METH_PUT, []:
                return await self._init(request)
            case hdrs.METH_GET, []:
                return json_answer([self._info(etl) for etl in self._cluster.etls.values()])
            case hdrs.METH_GET, [name]:
                return json_answer(self._details(self._find(name)))
            case hdrs.METH_GET, [name, what, *target]:
                return json_answer(self._told(self._find(name), what, target))
            case hdrs.METH_POST, [name, "start"]:
                self._start(self._find(name))
                return web.Response()
            case hdrs.METH_POST, [name, "stop"]:
                self._stop(self._find(name))
                return web.Response()
            case hdrs.METH_DELETE, [name]:
                self._stop(self._find(name))
                del self._cluster.etls[name]
                return web.Response()
        raise bad_request(f"invalid path {request.path!r}")

    def _find(self, name: str) -> Etl:
        etl: Etl | None = self._cluster.etls.get(name)
        if etl is None:
            raise AISError(404, f"etl job {name} does not exist", "ErrNotFound")
        return etl

    async def _init(self, request: web.Request) -> web.Response:
        given = await read_document(request)
        if not isinstance(given, dict):
            raise bad_request("the transform is not an object")
        name = self._checked(given)
        if name in self._cluster.etls:
            raise AISError(409, f"etl job {name} already exists", "ErrAlreadyExists")
        etl = Etl(name, given, "")
        self._start(etl)
        self._cluster.etls[name] = etl
        return web.Response(text=etl.job)

    def _checked(self, given: Mapping[str, Any]) -> str:
        old = self._cluster.version <= _BY_CODE_UNTIL
        name = given.get("id" if old else "name")
        if not isinstance(name, str) or not (name if old else _NAME.fullmatch(name)):
            raise bad_request(
                f'invalid etl name "{name}": 6 to 32 characters of a-z, 0-9 and -', "ErrETL"
            )
        known = _OLD_COMMUNICATION if old else _COMMUNICATION
        kind = str(given.get("communication") or "hpush").removesuffix("://")
        if kind not in known:
            raise bad_request(f'unknown communication type "{kind}"', "ErrETL")
        timeout = given.get("timeout" if old else "init_timeout")
        if timeout:
            seconds_of(str(timeout))
        ways = [way for way in ("spec", "runtime", "code") if given.get(way)]
        if not ways or ("code" in ways and not old):
            raise bad_request("a transform needs a pod spec or a runtime", "ErrETL")
        if "runtime" in ways and "code" not in ways:
            runtime = given["runtime"]
            if not isinstance(runtime, Mapping) or not runtime.get("image"):
                raise bad_request("the runtime names no image", "ErrETL")
        return name

    def _start(self, etl: Etl) -> None:
        jobs = self._cluster.jobs
        etl.job = jobs.add(Job(f"etl-{jobs.new_id('etl-inline')}", "etl-inline", note=etl.name)).id
        etl.stage = RUNNING

    def _stop(self, etl: Etl) -> None:
        job = self._cluster.jobs.find(etl.job)
        if job is not None and not job.ended:
            job.aborted, job.ended = True, job.started
        etl.stage = ABORTED

    def _info(self, etl: Etl) -> dict[str, Any]:
        return {
            "id": etl.name,
            "name": etl.name,
            "stage": etl.stage,
            "xaction_id": etl.job,
            "obj_count": etl.objects,
            "in_bytes": etl.bytes_in,
            "out_bytes": etl.bytes_out,
        }

    def _details(self, etl: Etl) -> Mapping[str, Any]:
        if self._cluster.version <= _BY_CODE_UNTIL:
            return etl.given
        return {"init_msg": etl.given, "obj_errors": etl.errors}

    def _told(self, etl: Etl, what: str, target: list[str]) -> list[dict[str, Any]]:
        nodes = [node.id for node in self._cluster.targets if not target or node.id in target]
        told: dict[str, Any] = {}
        match what:
            case "logs":
                told = {"logs": as_text(etl.log)}
            case "health":
                told = {"health_status": etl.stage}
            case "metrics":
                told = {"cpu": 0.0, "mem": 0}
            case _:
                raise bad_request(f"invalid etl request {what!r}")
        return [{"target_id": node, **told} for node in nodes]
