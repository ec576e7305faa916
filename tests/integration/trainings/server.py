"""A control plane and its cluster that misbehave as a test says."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
from aiohttp import web

from neuro_client.trainings import Pace, Trainings, TrainingSpec

CLUSTER = "6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69"
SPEC = TrainingSpec(image="registry.example/trainer:1.4", command="train")
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
QUICK = Pace(fastest=0.0, slowest=0.0, share=0.0)

Act = Callable[[web.Request], Any]


def now_text() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)


def page_of(status: int) -> web.Response:
    """Return what a proxy says."""
    return web.Response(status=status, text=HTML, content_type="text/html")


@attrs.define
class Log:
    """Say how one connection to the log goes: refused, cut after so many bytes, or closed."""

    refuse: int | None = None
    after: int = 10**9
    cut: bool = False
    code: int = 1000


@attrs.define
class ControlPlane:
    """Serve trainings whose phases the test sets.

    ``posts``, ``gets`` and ``lists`` say, one item a request, how the next ones are answered: a
    status to refuse with, "lost" to act and drop the connection, "html" for a proxy's 502 page
    after acting, None (or nothing left) to answer in order.
    """

    trainings: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    posts: list[int | str | None] = attrs.field(factory=list)
    gets: list[int | str | None] = attrs.field(factory=list)
    lists: list[int | str | None] = attrs.field(factory=list)
    logs: list[Log] = attrs.field(factory=list)
    log_lines: list[bytes] = attrs.field(factory=list)
    websockets: bool = True
    hide_specs: bool = False
    project_names: bool = True
    """Whether the role may read workloads at the generic endpoint, which names the project."""
    requests: Counter[str] = attrs.field(factory=Counter)
    queries: list[dict[str, str]] = attrs.field(factory=list)
    token_life: int = 3600
    token_grants: tuple[str, ...] = ("app_token",)
    valid: set[str] = attrs.field(factory=set)
    on_request: dict[str, Callable[[], None]] = attrs.field(factory=dict)

    def add(self, phase: str = "Running", **facts: Any) -> str:
        """Have a training, and return its id."""
        id = str(uuid.uuid4())
        self.trainings[id] = {
            "name": f"t-{id}",
            "requestedName": f"t-{id}",
            "workloadId": id,
            "projectId": "7",
            "clusterId": CLUSTER,
            "createdBy": "bot",
            "createdAt": now_text(),
            "desiredPhase": "Running",
            "actualPhase": phase,
            "spec": {},
            **facts,
        }
        return id

    def remove(self, id: str) -> None:
        """Forget a training."""
        del self.trainings[id]

    def workload(self, id: str) -> dict[str, Any]:
        found = self.trainings[id]
        return {
            "id": id,
            "name": found["name"],
            "type": found.get("type", "training"),
            "phase": found.get("actualPhase"),
            "projectId": 7,
            "projectName": "default",
            "createdAt": found["createdAt"],
            "conditions": [{"type": "Ready", "status": "False", "message": "no pods"}],
            "phaseMessage": found.get("message"),
        }

    def _count(self, kind: str) -> None:
        self.requests[kind] += 1
        if kind in self.on_request:
            self.on_request[kind]()

    def _answer(self, told: list[int | str | None], request: web.Request) -> web.Response | None:
        """Return a refusal that a test has asked for; drop the connection for "lost"."""
        what = told.pop(0) if told else None
        if what is None:
            return None
        if what == "lost":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return page_of(502) if what == "html" else refusal(int(what), "not now")

    async def token(self, request: web.Request) -> web.Response:
        self._count("token")
        asked = {key.lower(): value for key, value in (await request.json()).items()}
        if asked.get("granttype") not in self.token_grants:
            return refusal(400, "unknown grant type")
        if "hush" not in asked.values():
            return refusal(401, "invalid credentials")
        token = f"token-{self.requests['token']}"
        self.valid.add(token)
        return web.json_response({"accessToken": token, "expiresIn": self.token_life})

    async def form_token(self, request: web.Request) -> web.Response:
        self._count("token-v2")
        form = await request.post()
        if "v2" not in self.token_grants or form.get("client_secret") != "hush":
            return web.json_response({"error": "invalid_client"}, status=401)
        self.valid.add("token-v2")
        return web.json_response({"access_token": "token-v2", "token_type": "Bearer"})

    @web.middleware
    async def check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not request.path.endswith("/token") and bearer not in self.valid:
            self.requests["refused"] += 1
            return refusal(401, "token is missing or expired")
        response: web.StreamResponse = await handler(request)
        return response

    async def create(self, request: web.Request) -> web.Response:
        self._count("post")
        what = self.posts[0] if self.posts else None
        body = await request.json()
        if isinstance(what, int):
            refused = self._answer(self.posts, request)
            assert refused is not None
            return refused
        prefix = body.get("useGivenNameAsPrefix")
        name = f"{body['name']}-{uuid.uuid4().hex[:5]}" if prefix else body["name"]
        if any(found["name"] == name for found in self.trainings.values()):
            return refusal(409, "the name is taken")
        id = self.add("Creating", name=name, requestedName=body["name"], spec=body["spec"])
        return self._answer(self.posts, request) or web.json_response(self._shown(id))

    def _shown(self, id: str) -> dict[str, Any]:
        found = self.trainings[id]
        return {**found, "spec": None} if self.hide_specs else found

    async def get(self, request: web.Request) -> web.Response:
        self._count("get")
        if (refused := self._answer(self.gets, request)) is not None:
            return refused
        id = request.match_info["id"]
        if id not in self.trainings:
            return refusal(404, "workload not found")
        return web.json_response(self._shown(id))

    async def list(self, request: web.Request) -> web.Response:
        self._count("list")
        self.queries.append(dict(request.query))
        if (refused := self._answer(self.lists, request)) is not None:
            return refused
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        wanted = [id for id in self.trainings if self._fits(id, request.query.get("filterBy"))]
        page = wanted[offset : offset + limit]
        answer: dict[str, Any] = {"workloads": [self.workload(id) for id in page]}
        if offset + limit < len(wanted):
            answer["next"] = offset + limit
        return web.json_response(answer)

    def _fits(self, id: str, filters: str | None) -> bool:
        name = self.trainings[id]["name"]
        for text in (filters or "").split(","):
            if text.startswith("name==") and name != text[6:]:
                return False
            if text.startswith("name=^") and not name.startswith(text[6:]):
                return False
        return True

    async def one(self, request: web.Request) -> web.Response:
        self._count("workload")
        if not self.project_names:
            return refusal(403, "not allowed")
        return web.json_response(self.workload(request.match_info["id"]))

    async def projects(self, request: web.Request) -> web.Response:
        self._count("projects")
        return web.json_response({"projects": [{"id": 7, "name": "default"}]})

    async def empty(self, request: web.Request) -> web.Response:
        return web.json_response({request.path.rpartition("/")[2]: []})

    async def act(self, request: web.Request) -> web.Response:
        self._count(request.match_info["action"])
        found = self.trainings[request.match_info["id"]]
        if found["actualPhase"] in ("Completed", "Failed"):
            return refusal(409, "the workload has ended")
        found["actualPhase"] = "Stopped" if request.match_info["action"] == "suspend" else "Running"
        return web.json_response({"code": 202, "message": "accepted"}, status=202)

    async def batch(self, request: web.Request) -> web.Response:
        self._count("batch")
        ids = (await request.json())["ids"]
        return web.json_response({"id": str(self.requests["batch"]), "succeeded": ids})

    async def log(self, request: web.Request) -> web.StreamResponse:
        self._count("log")
        self.queries.append(dict(request.query))
        how = self.logs.pop(0) if self.logs else Log()
        if how.refuse is not None:
            return refusal(how.refuse, "no log")
        data = b"".join(self.log_lines)[: how.after]
        response: web.WebSocketResponse | web.StreamResponse
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if not self.websockets:
                return refusal(400, "no upgrade here")
            response = web.WebSocketResponse()
            await response.prepare(request)
            for start in range(0, len(data), 17):
                await response.send_bytes(data[start : start + 17])
        else:
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(data)
        if how.cut:
            assert request.transport is not None
            request.transport.abort()
        elif isinstance(response, web.WebSocketResponse):
            await response.close(code=how.code)
        return response


@asynccontextmanager
async def serve(state: ControlPlane) -> AsyncIterator[str]:
    """Answer until the block ends."""
    app = web.Application(middlewares=[state.check])
    api = "/api/v1"
    app.add_routes(
        [
            web.post(f"{api}/token", state.token),
            web.post("/api/v2/token", state.form_token),
            web.post(f"{api}/workloads/trainings", state.create),
            web.get(f"{api}/workloads/trainings/{{id}}", state.get),
            web.post(f"{api}/workloads/trainings/{{id}}/{{action}}", state.act),
            web.post(f"{api}/workloads/batch", state.batch),
            web.get(f"{api}/workloads", state.list),
            web.get(f"{api}/workloads/{{id}}", state.one),
            web.get(f"{api}/org-unit/projects", state.projects),
            web.get(f"{api}/workloads/{{id}}/events", state.empty),
            web.get(f"{api}/workloads/{{id}}/pods", state.empty),
            web.get("/cluster-api/api/v1/default/workloads/training/runai/{name}/logs", state.log),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def trainings_at(url: str, secret: str = "hush", **options: Any) -> AsyncIterator[Trainings]:
    """Sign in to the control plane at ``url``; rounds of polling follow without a pause."""
    options = {"pace": QUICK, "cluster_url": url, **options}
    async with Trainings.connect(url, client_id="bot", client_secret=secret, **options) as found:
        yield found


@asynccontextmanager
async def served(state: ControlPlane, **options: Any) -> AsyncIterator[Trainings]:
    """Serve, and sign in."""
    async with serve(state) as url, trainings_at(url, **options) as trainings:
        yield trainings
