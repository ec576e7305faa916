"""``start`` against a platform that creates the job and then drops the connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from aiohttp import web
from yarl import URL

from neuro_client.errors import ServerError, TransportError
from neuro_client.jobs import Jobs
from neuro_client.models import RemoteImage

from .server import GOLDEN, jobs_at

IMAGE = RemoteImage("ubuntu", "22.04")


@attrs.define
class Platform:
    """Create and list jobs; ``trouble`` says what happens to each POST."""

    trouble: list[str] = attrs.field(factory=list)
    created: list[dict[str, Any]] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)

    async def create(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("POST")
        body = await request.json()
        trouble = self.trouble.pop(0) if self.trouble else ""
        job: dict[str, Any] = {}
        if "before" not in trouble:
            text = (GOLDEN / "start.json").read_text()
            job = json.loads(text.replace("{job}", f"job-{len(self.created)}"))["response"]["json"]
            job["tags"] = sorted(body.get("tags", []))
            self.created.append(job)
        if "drop" in trouble:
            assert request.transport is not None
            request.transport.abort()
        if "500" in trouble:
            return web.json_response({"error": "broken"}, status=500)
        if "html" in trouble:
            return web.Response(text="<html>", content_type="text/html")
        await asyncio.sleep(0.05)
        return web.json_response(job, status=202)

    async def list(self, request: web.Request) -> web.Response:
        self.asked.append(f"GET {request.query_string}")
        tags = set(request.query.getall("tag"))
        return web.json_response({"jobs": [j for j in self.created if tags <= {*j["tags"]}]})


@asynccontextmanager
async def jobs_on(platform: Platform) -> AsyncIterator[Jobs]:
    app = web.Application()
    app.router.add_post("/api/v1/jobs", platform.create)
    app.router.add_get("/api/v1/jobs", platform.list)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        root = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        async with jobs_at(root) as jobs:
            yield jobs
    finally:
        await runner.cleanup()


FIND = "GET owner=ada&tag=submission:one&cluster_name=alpha"


async def test_an_id_costs_two_listings() -> None:
    platform = Platform()
    async with jobs_on(platform) as jobs:
        job = await jobs.start(
            image=IMAGE, preset_name="cpu-small", tags=["mine"], submission_id="one"
        )
    assert job.tags == ("mine", "submission:one")
    assert platform.asked == [FIND, "POST", FIND]


@pytest.mark.parametrize(
    ("trouble", "posts"),
    [
        (["drop"], 1),
        (["500"], 1),
        (["html"], 1),
        (["drop before"], 2),
        (["500 before", "drop before", "drop"], 3),
    ],
)
async def test_lost_answers_start_one_job(trouble: list[str], posts: int) -> None:
    platform = Platform(trouble)
    async with jobs_on(platform) as jobs:
        job = await jobs.start(image=IMAGE, preset_name="cpu-small", submission_id="one")
    assert job.id == "job-0"
    assert len(platform.created) == 1
    assert platform.asked.count("POST") == posts


@pytest.mark.parametrize(("trouble", "error"), [("drop", TransportError), ("500", ServerError)])
async def test_without_an_id_nothing_is_sent_twice(trouble: str, error: type[Exception]) -> None:
    platform = Platform([trouble])
    async with jobs_on(platform) as jobs:
        with pytest.raises(error):
            await jobs.start(image=IMAGE, preset_name="cpu-small")
    assert platform.asked == ["POST"]


async def test_parallel_calls_share_one_request() -> None:
    platform = Platform()
    async with jobs_on(platform) as jobs, asyncio.TaskGroup() as group:
        starts = [
            group.create_task(jobs.start(image=IMAGE, preset_name="cpu-small", submission_id=name))
            for name in ("one", "one", "one", "two")
        ]
    assert [task.result().tags for task in starts] == [
        ("submission:one",),
        ("submission:one",),
        ("submission:one",),
        ("submission:two",),
    ]
    assert platform.asked.count("POST") == 2


async def test_an_unusable_id_sends_nothing() -> None:
    platform = Platform()
    async with jobs_on(platform) as jobs:
        with pytest.raises(ValueError, match="white space"):
            await jobs.start(image=IMAGE, preset_name="cpu-small", submission_id="a b")
    assert platform.asked == []
