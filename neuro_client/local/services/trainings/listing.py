"""The endpoints for all kinds of workloads, of which there is one here (§7.1 to §7.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .answers import Refusal
from .calls import Call, found
from .control import TrainingControl
from .filters import boolean, conditions, ordering, page, sort_order
from .models import PENDING
from .render import NODE_POOL, Renderer, event, history


class Listing:
    """Answer requests that read."""

    def __init__(self, control: TrainingControl, renderer: Renderer) -> None:
        self._control = control
        self._renderer = renderer

    async def workloads(self, call: Call) -> web.Response:
        """Answer with a page of workloads."""
        now = time.time()
        await self._control.ledger.commit()  # so that nobody reads what is older than he knows
        wanted = conditions(call.query, call.caller.rights, now)
        offset, limit = page(call.query)
        rows = await self._control.store.select(
            wanted.where, ordering(call.query, now), wanted.parameters, limit + 1, offset
        )
        body = await asyncio.to_thread(
            lambda: [self._renderer.workload(workload) for workload in rows[:limit]]
        )
        return _paged("workloads", body, offset, more=len(rows) > limit)

    async def count(self, call: Call) -> web.Response:
        """Answer with the number of workloads."""
        await self._control.ledger.commit()
        wanted = conditions(call.query, call.caller.rights, time.time())
        [row] = await self._control.store.rows("count(*) AS count", wanted.where, wanted.parameters)
        return web.json_response({"count": row["count"]})

    async def workload(self, call: Call) -> web.Response:
        """Answer with one workload, and why it waits."""
        workload = await found(self._control, call, deleted=True)
        body = self._renderer.workload(workload)
        if workload.phase == PENDING and workload.phase_message:
            body["pendingSchedulingMessages"] = [
                {
                    "nodePool": NODE_POOL,
                    "phaseReason": workload.phase_reason,
                    "reason": workload.phase_message,
                    "orgType": "PROJECT",
                    "userMessage": workload.phase_message,
                }
            ]
        return web.json_response(body)

    async def events(self, call: Call) -> web.Response:
        """Answer with a page of events, the newest first unless asked otherwise."""
        return await self._happened(call, "events", event, "desc")

    async def history(self, call: Call) -> web.Response:
        """Answer with a page of all that happened, in order."""
        return await self._happened(call, "records", history, "asc")

    async def _happened(
        self,
        call: Call,
        name: str,
        write: Callable[[float, dict[str, Any]], dict[str, Any]],
        order: str,
    ) -> web.Response:
        workload = await found(self._control, call, deleted=True)
        offset, limit = page(call.query)
        await self._control.ledger.commit()
        rows = await self._control.store.history(
            workload.id,
            events=name == "events",
            newest=sort_order(call.query, order) == "desc",
            limit=limit + 1,
            offset=offset,
        )
        return _paged(name, [write(*row) for row in rows[:limit]], offset, more=len(rows) > limit)

    async def pods(self, call: Call) -> web.Response:
        """Answer with a page of the pods of one workload."""
        workload = await found(self._control, call, deleted=True)
        offset, limit = page(call.query)
        body = [self._renderer.pod(workload, pod) for pod in workload.pods[offset : offset + limit]]
        return _paged("pods", body, offset, more=len(workload.pods) > offset + limit)

    async def all_pods(self, call: Call) -> web.Response:
        """Answer with a page of the pods of all workloads."""
        pods = await self._all_pods(call)
        offset, limit = page(call.query)
        body = pods[offset : offset + limit]
        return _paged("pods", body, offset, more=len(pods) > offset + limit)

    async def count_pods(self, call: Call) -> web.Response:
        """Answer with the number of pods."""
        return web.json_response({"count": len(await self._all_pods(call))})

    async def _all_pods(self, call: Call) -> list[dict[str, Any]]:
        """List the pods of all workloads by age, filtered by their own fields."""
        query = {key: value for key, value in call.query.items() if key == "deleted"}
        await self._control.ledger.commit()
        wanted = conditions(query, call.caller.rights, time.time())
        pods: list[dict[str, Any]] = []
        start = 0
        while True:
            workloads = await self._control.store.select(
                wanted.where, "seq", wanted.parameters, 500, start
            )
            for workload in workloads:
                pods += [self._renderer.pod(workload, pod) for pod in workload.pods]
            start += len(workloads)
            if len(workloads) < 500:
                break
        filters = [text for text in call.query.get("filterBy", "").split(",") if text]
        for text in filters:
            field, equal, value = text.partition("==")
            if not equal:
                raise Refusal(400, "filterBy: pods are filtered with == only")
            pods = [pod for pod in pods if str(pod.get(field)) == value]
        if boolean(call.query, "completed"):
            pods = [pod for pod in pods if pod["completedAt"] is not None]
        return pods


def _paged(name: str, items: list[dict[str, Any]], offset: int, *, more: bool) -> web.Response:
    body: dict[str, Any] = {name: items}
    if more:
        body["next"] = offset + len(items)
    return web.json_response(body)
