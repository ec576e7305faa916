"""A control plane that does what a test says: files, phases, and trouble with links and pages."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from neuro_client.artifacts import Artifacts
from neuro_client.retry import RetryPolicy

RUN = "01hf8a4m1x5wq2b3c4d5e6f7g0"
USER = "user-1"
QUICK = RetryPolicy(attempts=4, base=0.001, cap=0.002)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def experiment_id(number: int) -> str:
    """Return the id of the n-th experiment."""
    return f"01hf8a4m1x5wq2b3c4d5e6f7h{number}"


@attrs.define(eq=False)
class Grid:
    """Hold one run with its experiments, and what is to go wrong.

    ``links`` is part of every link: a link of an earlier value is refused. ``before`` may answer a
    request itself. ``md5`` are the checksums that listings tell in place of the right ones.
    """

    files: dict[str, dict[str, bytes]] = attrs.field(factory=lambda: {"mnist-exp0": {}})
    run_phase: str = "RUN_STATE_SUCCEEDED"
    phases: dict[str, str] = attrs.field(factory=dict)
    user: str = USER
    links: int = 1
    page: int = 1000
    md5: dict[str, str] = attrs.field(factory=dict)
    sizes: dict[str, int] = attrs.field(factory=dict)
    before: Handler | None = None
    asked: list[str] = attrs.field(factory=list)
    bodies: list[Any] = attrs.field(factory=list)
    listed: Counter[str] = attrs.field(factory=Counter)
    sent: Counter[str] = attrs.field(factory=Counter)
    url: str = ""

    def app(self) -> web.Application:
        """Return what answers."""
        app = web.Application(client_max_size=2**30, middlewares=[self._first])
        core = "/v1/core/default"
        app.add_routes(
            [
                web.get("/v1/core/clusters", self.clusters),
                web.get("/v1/core/clusters/default", self.cluster),
                web.get(f"{core}/runs", self.runs),
                web.get(f"{core}/runs/{RUN}", self.run),
                web.get(f"{core}/experiments", self.experiments),
                web.get(f"{core}/experiments/{{id}}", self.experiment),
                web.get(f"{core}/experiments/{{id}}/artifacts", self.artifacts),
                web.get("/links/{epoch}/{name}", self.link),
            ]
        )
        return app

    @web.middleware
    async def _first(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if self.before is not None and (answer := await self.before(request)) is not None:
            return answer
        found: web.StreamResponse = await handler(request)
        return found

    async def clusters(self, _: web.Request) -> web.Response:
        return web.json_response({"clusters": [], "defaultCluster": "default"})

    async def cluster(self, _: web.Request) -> web.Response:
        return web.json_response({"id": "default", "spec": {"clusterType": "CLUSTER_TYPE_GLOBAL"}})

    async def runs(self, request: web.Request) -> web.Response:
        found = [self.run_record()] if "mnist".startswith(request.query.get("query", "")) else []
        return web.json_response({"runs": found, "nextPageToken": ""})

    async def run(self, _: web.Request) -> web.Response:
        return web.json_response(self.run_record())

    def run_record(self) -> dict[str, Any]:
        return {
            "id": RUN,
            "name": "mnist",
            "spec": {"userId": self.user, "clusterId": "default"},
            "status": {"phase": self.run_phase, "experimentIds": []},
        }

    def record(self, number: int) -> dict[str, Any]:
        name = list(self.files)[number]
        phase = self.phases.get(name, "SUCCEEDED")
        return {
            "id": experiment_id(number),
            "name": name,
            "spec": {"userId": self.user, "runId": RUN},
            "status": {"phase": f"EXPERIMENT_STATE_{phase}"},
        }

    async def experiments(self, request: web.Request) -> web.Response:
        names = request.query.getall("names", list(self.files))
        if request.query.get("runIds", RUN) != RUN:
            names = []
        found = [self.record(number) for number, name in enumerate(self.files) if name in names]
        return web.json_response({"experiments": found, "nextPageToken": ""})

    async def experiment(self, request: web.Request) -> web.Response:
        for number in range(len(self.files)):
            if experiment_id(number) == request.match_info["id"]:
                return web.json_response(self.record(number))
        return not_found("experiment")

    async def artifacts(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"][-1])
        name = list(self.files)[number]
        self.listed[name] += 1
        files = sorted(self.files[name])
        token = request.query.get("pageToken", "")
        if token and not token.startswith(f"{self.links}-"):
            return web.json_response(
                {"code": 3, "message": "the page token is stale", "details": []}, status=400
            )
        first = int(token.partition("-")[2] or 0)
        following = first + self.page
        return web.json_response(
            {
                "artifacts": [self.artifact(name, file) for file in files[first:following]],
                "nextPageToken": f"{self.links}-{following}" if following < len(files) else "",
            }
        )

    def artifact(self, name: str, file: str) -> dict[str, Any]:
        data = self.files[name][file]
        link = URL(self.url) / "links" / str(self.links) / name
        return {
            "filename": file,
            "sizeBytes": str(self.sizes.get(file, len(data))),
            "md5Checksum": self.md5.get(file, hashlib.md5(data).hexdigest()),
            "lastModified": "2024-05-01T10:00:02Z",
            # A link is opaque, and no name makes it lead elsewhere.
            "url": str(link.with_query(signature="hush")) + "&file=" + file.encode().hex(),
        }

    async def link(self, request: web.Request) -> web.StreamResponse:
        file = bytes.fromhex(request.query["file"]).decode()
        if int(request.match_info["epoch"]) != self.links:
            return refused()
        data = self.files[request.match_info["name"]].get(file)
        if data is None:
            return not_found("file")
        self.sent[file] += 1
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        wanted = request.http_range
        if wanted.start is None or request.headers.get("If-Range", etag) != etag:
            return web.Response(body=data, headers=headers)
        stop = min(wanted.stop or len(data), len(data))
        headers["Content-Range"] = f"bytes {wanted.start}-{stop - 1}/{len(data)}"
        return web.Response(status=206, body=data[wanted.start : stop], headers=headers)


async def cut(request: web.Request, data: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """Begin an answer with all of its headers, send a part of the body and drop the line."""
    answer = web.StreamResponse(status=206 if "Content-Range" in headers else 200, headers=headers)
    await answer.prepare(request)
    await answer.write(data)
    assert request.transport is not None
    request.transport.close()
    return answer


@asynccontextmanager
async def serving(grid: Grid) -> AsyncIterator[Artifacts]:
    """Serve on a free port, with a client that has signed in."""
    runner = web.AppRunner(grid.app(), access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        grid.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with Artifacts.connect(
            grid.url, user_id=USER, api_key="key-1", retry=QUICK
        ) as artifacts:
            yield artifacts
    finally:
        await runner.cleanup()


def not_found(kind: str) -> web.Response:
    """Answer that there is no such thing."""
    return web.json_response({"code": 5, "message": f"no {kind}", "details": []}, status=404)


def refused() -> web.Response:
    """Answer as a link that has expired."""
    text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    return web.Response(status=403, text=text, content_type="application/xml")
