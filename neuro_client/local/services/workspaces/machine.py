"""What the platform tells of its workers and of graphics processors (§4, §4.1)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import psutil
from aiohttp import web

from ...scheduler import Capacity
from .accounts import User

_MB = 10**6
_MODEL = "cpu"


@attrs.frozen
class Machine:
    """Answer requests about this machine: each core is a worker."""

    capacity: Callable[[], Capacity]

    async def workers(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/customer/dashboard/workers/stats."""
        count = max(1, int(self.capacity().cpu))
        free = psutil.virtual_memory().available // _MB // count
        worker = {"model": _MODEL, "free_memory_mb": free}
        return web.json_response(
            {"onlineCount": count, "totalFreeMemoryMb": free * count, "workers": [worker] * count}
        )

    async def gpus(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/gpu-catalog."""
        memory = self.capacity().memory // _MB
        told = {"id": _MODEL, "name": "Processor of the local platform", "memoryMb": memory}
        return web.json_response([{**told, "pricePerGpuHourCents": 0}])
