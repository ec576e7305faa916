"""Serve a listing of workloads from memory, so that a client's own share of the time is seen.

``python -m tests.bench.trainings_server COUNT PAGES`` prints its address. All workloads run until
so many pages were sent, then they are completed. ``/bench/requests`` tells how many were asked for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
import uuid
from functools import cache
from typing import Any

from aiohttp import web

NAMESPACE = uuid.UUID("6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69")
MOMENT = "2024-05-01T10:00:00.000Z"


def workload_id(number: int) -> str:
    """Return the id of a workload."""
    return str(uuid.uuid5(NAMESPACE, str(number)))


def workload(number: int, phase: str) -> dict[str, Any]:
    """Return a workload with as many fields as real ones have."""
    condition = {"status": "True", "message": "", "reason": "", "lastTransitionTime": MOMENT}
    resources = {"gpu": 0.5, "gpuMemory": "8Gi", "cpu": 2.0, "cpuMemory": "16Gi"}
    return {
        "type": "training",
        "name": f"mnist-{number}",
        "id": workload_id(number),
        "source": "Control-plane",
        "priority": 50,
        "priorityClassName": "train",
        "clusterId": str(NAMESPACE),
        "projectName": "default",
        "projectId": "7",
        "departmentName": "default",
        "departmentId": "2",
        "namespace": "runai-default",
        "createdAt": MOMENT,
        "phase": phase,
        "phaseMessage": None,
        "conditions": [{"type": name, **condition} for name in ("Scheduled", "Ready")],
        "k8sPhase": phase,
        "tenantId": 1,
        "runningPods": 1,
        "phaseUpdatedAt": MOMENT,
        "k8sPhaseUpdatedAt": MOMENT,
        "updatedAt": MOMENT,
        "deletedAt": None,
        "category": "Train",
        "submittedBy": "bot@example",
        "images": ["registry.example/trainer:1.4"],
        "requestedPods": {"number": 1, "parallelism": 1, "completions": 1},
        "requestedNodePools": ["default"],
        "currentNodePools": ["default"],
        "allocatedResources": resources,
        "actionsSupport": {"delete": True, "suspend": True},
        "preemptible": True,
        "command": "python",
        "arguments": "train.py --epochs 3",
        "environmentVariables": {"SEED": str(number)},
        "totalPendingTimeSeconds": 3,
        "totalRunningTimeSeconds": 60,
    }


def token() -> str:
    """Return an unsigned token that lives for an hour."""
    claims = json.dumps({"sub": "bench", "iat": int(time.time()), "exp": int(time.time()) + 3600})
    return f"e30.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.x"


class Listing:
    """Answer the requests for pages."""

    def __init__(self, count: int, pages: int) -> None:
        self._count = count
        self._left = pages
        self._requests = 0
        self._page = cache(self._make)

    def _make(self, offset: int, limit: int, phase: str) -> bytes:
        numbers = range(offset, min(offset + limit, self._count))
        page: dict[str, Any] = {"workloads": [workload(number, phase) for number in numbers]}
        if offset + limit < self._count:
            page["next"] = offset + limit
        return json.dumps(page).encode()

    async def workloads(self, request: web.Request) -> web.Response:
        """Send a page."""
        self._requests += 1
        self._left -= 1
        phase = "Running" if self._left >= 0 else "Completed"
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 50))
        body = self._page(offset, limit, phase)
        return web.Response(body=body, content_type="application/json")

    async def sign_in(self, _: web.Request) -> web.Response:
        """Give a token to anybody."""
        return web.json_response({"accessToken": token(), "expiresIn": 3600})

    async def requests(self, _: web.Request) -> web.Response:
        """Tell how many pages were asked for."""
        return web.json_response(self._requests)


async def make_app(count: int, pages: int) -> web.Application:
    """Put the server together, with the pages made."""
    listing = Listing(count, pages)
    app = web.Application()
    app.router.add_get("/api/v1/workloads", listing.workloads)
    app.router.add_post("/api/v1/token", listing.sign_in)
    app.router.add_get("/bench/requests", listing.requests)
    for offset in range(0, count, 500):
        for phase in ("Running", "Completed"):
            listing._page(offset, 500, phase)
    return app


async def serve(count: int, pages: int) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(await make_app(count, pages), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
