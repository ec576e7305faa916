"""Single requests of the control plane (runai-trainings.md §3, §7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote

from yarl import URL

from ..concurrency import finish, scoped_iterator
from ..transport import Options, Transport
from .measurements import Metrics, Telemetry
from .models import BatchResult, Training, TrainingCluster, Workload
from .query import MAX_PAGE, Pairs
from .wire import (
    Count,
    decode,
    decode_batch,
    decode_clusters,
    decode_metrics,
    decode_telemetry,
    decode_training,
    items_of,
    next_offset,
)

_PARTIAL = 207


def endpoint(base: URL, *path: str) -> URL:
    """Return the address of something below ``/api/v1`` of a control plane."""
    tail = "".join(f"/{quote(part, safe='')}" for part in path)
    return URL(f"{str(base).rstrip('/')}/api/v1{tail}", encoded=True)


def trainings_url(base: URL) -> URL:
    """Return where trainings are submitted to."""
    return endpoint(base, "workloads", "trainings")


class ControlPlane:
    """Speak to the control plane at *base*."""

    def __init__(self, transport: Transport, base: URL) -> None:
        self._transport = transport
        self._base = base

    def url(self, *path: str) -> URL:
        """Return the address of something below ``/api/v1``."""
        return endpoint(self._base, *path)

    async def submit(self, body: Mapping[str, Any]) -> Training:
        """Create a training in one attempt: a lost answer does not say what happened."""
        answer = await self._transport.json(
            "POST", trainings_url(self._base), json=body, idempotent=False, retry=None
        )
        return decode_training(answer)

    async def get(self, id: str, **options: Unpack[Options]) -> Training:
        """Read a training at its own endpoint."""
        url = self.url("workloads", "trainings", id)
        return decode_training(await self._transport.json("GET", url, **options))

    async def delete(self, id: str) -> None:
        """Ask for the removal of a training."""
        await self._transport.send("DELETE", self.url("workloads", "trainings", id))

    async def act(self, id: str, action: str) -> None:
        """Suspend or resume a training; asking again changes nothing."""
        url = self.url("workloads", "trainings", id, action)
        await self._transport.send("POST", url, idempotent=True)

    @scoped_iterator
    async def pages(
        self,
        url: URL,
        key: str,
        query: Pairs,
        size: int = MAX_PAGE,
        *,
        read_ahead: bool = False,
        **options: Unpack[Options],
    ) -> AsyncIterator[Sequence[Any]]:
        """Yield the pages of a listing, each a list of objects (§8.6).

        With ``read_ahead`` the next page is on its way while the caller works on one.
        """

        def fetch(offset: int) -> asyncio.Task[Any]:
            options["params"] = [("offset", str(offset)), ("limit", str(size)), *query]
            coming = self._transport.json("GET", url, **options)
            return asyncio.get_running_loop().create_task(coming)

        offset, coming = 0, fetch(0)
        try:
            while True:
                page = await coming
                items = items_of(page, key)
                following = next_offset(page, offset, len(items))
                if following is not None and read_ahead:
                    coming = fetch(following)
                    # Send it now: a caller that never waits would let nothing else run.
                    await asyncio.sleep(0)
                if items:
                    yield items
                if following is None:
                    return
                if not read_ahead:
                    coming = fetch(following)
                offset = following
        finally:
            if not coming.done():
                coming.cancel()
                await finish(asyncio.wait((coming,)))
            if not coming.cancelled():
                coming.exception()  # nobody is left to be told

    async def workload(self, id: str) -> Workload:
        """Read a workload at the generic endpoint, which knows more of it."""
        return decode(await self._transport.json("GET", self.url("workloads", id)), Workload)

    async def count(self, query: Pairs) -> int:
        """Count the workloads that a query chooses."""
        answer = await self._transport.json("GET", self.url("workloads", "count"), params=query)
        return decode(answer, Count).count

    async def metrics(self, path: tuple[str, ...], query: Pairs) -> Metrics:
        """Read series of a workload or pod."""
        answer = await self._transport.send("GET", self.url("workloads", *path), params=query)
        return decode_metrics(await answer.json(), partial=answer.status == _PARTIAL)

    async def telemetry(self, query: Pairs) -> Telemetry:
        """Read what is counted over all workloads."""
        url = self.url("workloads", "telemetry")
        return decode_telemetry(await self._transport.json("GET", url, params=query))

    async def batch(self, ids: Sequence[str], action: str) -> BatchResult:
        """Do the same with up to a hundred workloads; asking again changes nothing."""
        answer = await self._transport.json(
            "POST",
            self.url("workloads", "batch"),
            json={"ids": list(ids), "action": action},
            idempotent=True,
        )
        return decode_batch(answer)

    async def clusters(self) -> tuple[TrainingCluster, ...]:
        """List the clusters."""
        return decode_clusters(await self._transport.json("GET", self.url("clusters")))
