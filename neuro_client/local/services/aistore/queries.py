"""Questions about jobs, and orders to them, at ``/v1/cluster`` (aistore.md §6, §12)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import hdrs, web

from .content import Content
from .errors import AISError, bad_request, unsupported
from .groups import Groups
from .jobs import DISPLAY_NAMES, ON_DEMAND, WITH_STATUS, Job
from .messages import Message, json_answer, read_lenient, read_message
from .names import Bck

_STARTED = {
    "rebalance",
    "resilver",
    "lru",
    "cleanup-store",
    "rechunk",
    "ec-encode",
    "make-n-copies",
    "prefetch-listrange",
    "load-lom-cache",
    "blob-download",
}
_FIELDS = {"ID", "Kind", "DaemonID", "Bck", "Buckets", "Timeout", "Force", "OnlyRunning", "flags"}


class JobHandlers:
    """Answer requests to ``cluster``."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._groups = Groups(content)

    async def handle(self, request: web.Request, _: str) -> web.Response:
        """Answer a request."""
        if not self._cluster.started:
            raise AISError(503, f"{self._cluster.proxy.label}: cluster is not ready yet")
        if request.method == hdrs.METH_GET:
            return await self._query(request)
        if request.method == hdrs.METH_PUT:
            message = await read_message(request)
            match message.action:
                case "start":
                    return await self._start(request, message)
                case "stop":
                    return self._stop(message)
            raise bad_request(f'invalid action "{message.action}"')
        raise AISError(405, f"invalid method {request.method}")

    # Questions

    async def _query(self, request: web.Request) -> web.Response:
        what = request.query.get("what", "")
        if what not in ("status", "status_all", "running_all", "qryxstats"):
            raise bad_request(f'invalid what "{what}"')
        asked = await read_lenient(request)
        match what:
            case "status":
                return await self._status(asked)
            case "qryxstats":
                return self._snapshots(asked)
            case "status_all":
                found = [job for job in self._chosen(asked) if job.kind in WITH_STATUS]
                told = [self._cluster.jobs.status(job) for job in found]
                return json_answer(told or None, plain=True)
        running = [job for job in self._chosen(asked) if self._cluster.jobs.is_running(job)]
        return json_answer([f"{job.kind}[{job.id}]" for job in running] or None, plain=True)

    def _chosen(self, asked: dict[str, Any]) -> list[Job]:
        """Return the jobs of a kind, which must be the name of an action (§22.16)."""
        kind, node = str(asked.get("kind") or ""), str(asked.get("node") or "")
        found = self._cluster.jobs.all()
        if asked.get("show_active"):
            found = [job for job in found if self._cluster.jobs.is_running(job)]
        return [
            job for job in found if kind in ("", job.kind) and (not node or job.node in ("", node))
        ]

    async def _status(self, asked: dict[str, Any]) -> web.Response:
        name, kind = str(asked.get("id") or ""), str(asked.get("kind") or "")
        kind = DISPLAY_NAMES.get(kind, kind)
        found = self._cluster.jobs.find(name) if name else None
        if not name and kind:
            same = [job for job in self._cluster.jobs.all() if job.kind == kind]
            found = same[-1] if same else None
        if found is not None and found.kind not in WITH_STATUS:
            message = f"{found.kind}[{name}] keeps no cluster-wide status"
            raise AISError(404, message, "ErrXactNonIC")
        if found is None:
            await asyncio.sleep(self._cluster.status_delay)
            raise AISError(404, f'job "{name or kind}" does not exist', "ErrNotFound")
        return json_answer(self._cluster.jobs.status(found), plain=True)

    def _snapshots(self, asked: dict[str, Any]) -> web.Response:
        name, kind = str(asked.get("id") or ""), str(asked.get("kind") or "")
        kind = DISPLAY_NAMES.get(kind, kind)
        found = [
            job
            for job in self._cluster.jobs.all()
            if name in ("", job.id) and kind in ("", job.kind)
        ]
        if not found:
            raise AISError(404, f'job "{name or kind}" does not exist', "ErrXactNotFound")
        told: dict[str, list[dict[str, Any]]] = {}
        for job in found:
            for node, snapshots in self._cluster.jobs.snapshots(job).items():
                told.setdefault(node, []).extend(snapshots)
        return json_answer(told, plain=True)

    # Orders

    async def _start(self, request: web.Request, message: Message) -> web.Response:
        fields = message.fields(_FIELDS)
        kind = str(fields.get("Kind") or "")
        kind = DISPLAY_NAMES.get(kind, kind)
        node = str(fields.get("DaemonID") or "")
        if kind not in _STARTED:
            raise bad_request(f'job kind "{kind}" cannot be started')
        if node and node not in {one.id for one in self._cluster.targets}:
            raise AISError(404, f'node "{node}" does not exist', "errNodeNotFound")
        if kind == "resilver" and not node:
            raise unsupported("resilver needs a target")
        if kind == "rebalance" and len(self._cluster.targets) < 2:
            raise bad_request("not enough targets to rebalance", "errNotEnoughTargets")
        models = [fields["Bck"]] if fields.get("Bck") else fields.get("Buckets") or []
        buckets = [await self._content.bucket(Bck.of_model(model)) for model in models]
        if kind == "prefetch-listrange":
            if not buckets:
                raise bad_request("prefetch needs a bucket")
            order = Message(kind, "", {"template": ""})
            return web.Response(text=(await self._groups.start(buckets[0], order)).id)
        bck = buckets[0].bck if buckets else None

        async def work(job: Job) -> None:
            if kind == "rebalance":
                await self._content.store.place(self._cluster.owner)

        job = self._cluster.jobs.start(kind, work, bck=bck, node=node)
        return web.Response(text=job.id)

    def _stop(self, message: Message) -> web.Response:
        fields = message.fields(_FIELDS)
        name, kind = str(fields.get("ID") or ""), str(fields.get("Kind") or "")
        kind = DISPLAY_NAMES.get(kind, kind)
        for job in self._cluster.jobs.all():
            if (name and job.id == name) or (not name and kind and job.kind == kind):
                self._cluster.jobs.stop(job)
                if job.kind in ON_DEMAND and not self._cluster.jobs.is_idle(job):
                    job.aborted = True
        return web.Response()
