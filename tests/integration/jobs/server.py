"""A platform with one job whose log connections break as a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from aiohttp import WSCloseCode, web
from yarl import URL

from neuro_client.config import AuthConfig, Cluster, Config, Login, ServerConfig, Token
from neuro_client.jobs import Jobs
from neuro_client.models import RemoteImage
from neuro_client.retry import NEVER
from neuro_client.transport import FixedCredentials, Transport

GOLDEN = Path(__file__).parents[2] / "contract/jobs"
JOB = "job-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11"
START = datetime(2022, 7, 1, 12, tzinfo=UTC)


def line(second: float, text: str) -> tuple[datetime, bytes]:
    """Build a line of the log, stamped so many seconds after the start."""
    moment = START + timedelta(seconds=second)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
    return moment, f"{stamp} {text}\n".encode()


@attrs.define
class Cut:
    """Say how one log connection ends: after so many bytes, by a close code or abruptly."""

    after: int = 10**9
    code: int | None = None
    refuse: int | None = None


@attrs.define
class OneJob:
    """Serve one job; ``cuts`` are used up by the log connections in their order."""

    lines: list[tuple[datetime, bytes]] = attrs.field(factory=list)
    status: str = "running"
    started: bool = True
    exit_code: int | None = None
    cuts: list[Cut] = attrs.field(factory=list)
    status_answers: list[int] = attrs.field(factory=list)
    status_reads: int = 0
    queries: list[dict[str, str]] = attrs.field(factory=list)
    hold: bool = False
    """Keep a log connection open as long as the job runs."""
    chunk: int = 17
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    def end(self, status: str = "succeeded", exit_code: int | None = 0) -> None:
        self.status, self.exit_code = status, exit_code
        self.changed.set()

    def job(self) -> dict[str, Any]:
        text = (GOLDEN / "start.json").read_text().replace("{job}", JOB)
        job: dict[str, Any] = json.loads(text)["response"]["json"]
        job["status"] = job["history"]["status"] = self.status
        if self.started:
            job["history"]["started_at"] = START.isoformat()
        if self.status in ("succeeded", "failed", "cancelled"):
            job["history"]["finished_at"] = (START + timedelta(seconds=100)).isoformat()
            job["history"]["exit_code"] = self.exit_code
        return job

    async def read(self, _: web.Request) -> web.Response:
        self.status_reads += 1
        if self.status_answers and (status := self.status_answers.pop(0)) != 200:
            return web.json_response({"error": "not now"}, status=status)
        return web.json_response(self.job())

    async def log(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        cut = self.cuts.pop(0) if self.cuts else Cut()
        if cut.refuse is not None:
            error = json.dumps({"error": "refused"})
            return web.Response(status=cut.refuse, text=error, headers={"X-Error": error})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        since = request.query.get("since")
        first = START - timedelta(days=1) if since is None else datetime.fromisoformat(since)
        data = b"".join(text for moment, text in self.lines if moment >= first)
        if request.query.get("timestamps") != "true":
            data = b"".join(text.partition(b" ")[2] for _, text in self.lines)
        data = data[: cut.after]
        for start in range(0, len(data), self.chunk):
            await socket.send_bytes(data[start : start + self.chunk])
        if cut.after < 10**9 and cut.code is None:
            assert request.transport is not None
            request.transport.abort()
            return socket
        if self.hold and cut.code is None:
            async with asyncio.TaskGroup() as group:
                left = group.create_task(socket.receive())
                ended = group.create_task(self.changed.wait())
                await asyncio.wait((left, ended), return_when=asyncio.FIRST_COMPLETED)
                left.cancel()
                ended.cancel()
        await socket.close(code=cut.code or WSCloseCode.OK)
        return socket


@asynccontextmanager
async def serve(state: OneJob, port: int = 0) -> AsyncIterator[URL]:
    """Answer for the job until the block ends; connections left are then cut."""
    app = web.Application()
    app.router.add_get(f"/api/v1/jobs/{JOB}", state.read)
    app.router.add_get(f"/monitoring/jobs/{JOB}/log_ws", state.log)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        yield URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Tokens:
    current = Token("token", 2e9)

    async def token(self) -> str:
        return "token"


class _Parser:
    def remote_image(self, image: str, /, *, cluster_name: str | None = None) -> RemoteImage:
        return RemoteImage(image)

    def normalize_uri(self, uri: URL, /) -> URL:
        return uri


async def _no_fetch() -> ServerConfig:
    raise AssertionError("no call reads the configuration")


@asynccontextmanager
async def jobs_at(root: URL) -> AsyncIterator[Jobs]:
    """Open the jobs subsystem for the server at ``root``."""
    cluster = Cluster(
        name="alpha",
        orgs=["acme"],
        registry_url=root,
        storage_url=root,
        users_url=root,
        monitoring_url=root / "monitoring/jobs",
        secrets_url=root,
        disks_url=root,
        buckets_url=root,
        presets={},
    )
    login = Login(
        auth=AuthConfig(root, root, root, "", "", root),
        token=_Tokens.current,
        url=root / "api/v1",
        admin_url=None,
        version="",
        cluster_name="alpha",
        org_name="acme",
        clusters={"alpha": cluster},
    )
    config = Config(
        Path("unused"),
        login,
        _Tokens(),
        _no_fetch,
        dict,
        username=lambda _: "ada",
        user_config={},
    )
    credentials = FixedCredentials.bearer("token")
    async with Transport(root / "api/v1", credentials, retry=NEVER) as transport:
        yield Jobs(transport, config, _Parser())
