"""Hostile heads and bodies: none is a failure, none hangs, none gets past the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest
from yarl import URL

from . import bodies
from .attack import attack, judge, some
from .headers import heads
from .jobs import jobs
from .paths import ROOT
from .target import Target

pytestmark = pytest.mark.thorough

VALUES = (
    "",
    "%0d%0aX-Injected:%20yes",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "%e2%80%a8",
    "<script>alert(1)</script>",
    "'%20OR%201=1%20--",
    "{{7*7}}",
    "../../../etc/passwd",
    "-1",
    "1e999",
    "nan",
    "9" * 5000,
    "0001-01-01T00:00:00%2B23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-21T24:00:00",
    "storage://%5B",
    "x" * 7000,
)


async def test_heads(target: Target) -> None:
    found = await attack(target, heads(target), finish=True, silent=True)
    for name, answers in found.items():
        # Whatever a head says about its body, what it hides there is not answered.
        if name.startswith("smuggled"):
            assert len(answers) <= 1, (name, [answer.raw for answer in answers])


@pytest.mark.parametrize(
    "make",
    [bodies.texts, bodies.forms, bodies.codings, bodies.chunks],
    ids=lambda make: make.__name__,
)
async def test_bodies(
    target: Target, make: Callable[[Target], Iterable[tuple[str, bytes]]]
) -> None:
    await attack(target, some(make.__name__, dict(make(target)), 200))


async def test_jobs(target: Target) -> None:
    """Jobs with impossible fields; one that fills the machine keeps what is taken from starting."""
    path = "/api/v1/jobs"
    big = b'{"image": "x", "preset_name": "cpu-large", "name": "sitting", "command": "sleep 600"}'
    made = await target.call("POST", f"{path}?from_preset", body=big)
    assert made.status == 202, made.raw
    found = await attack(target, some("jobs", dict(jobs(target)), 250))
    assert any(answers[0].status == 202 for answers in found.values())
    for accept in ("application/json", "application/x-ndjson"):
        listed = await target.call("GET", path, f"Accept: {accept}")
        assert (listed.status, listed.headers["content-type"].partition(";")[0]) == (200, accept)
        assert b'"error"' not in listed.body[-500:]
    listed = await target.call("GET", path)
    ids = [job["id"] for job in listed.json["jobs"] if job["status"] in ("pending", "running")]
    assert made.json["id"] in ids
    gone = {job: target.head("DELETE", f"{path}/{job}") for job in ids}
    for name, answers in (await attack(target, gone)).items():
        assert answers[0].status == 204, (name, answers)


async def test_queries(target: Target) -> None:
    """Odd parameters of the routes that stream and list, with a job that has ended."""
    body = b'{"image": "x", "command": "true"}'
    made = await target.call("POST", "/api/v1/jobs?from_preset", body=body)
    assert made.status == 202, made.raw
    one = f"/api/v1/monitoring/default/jobs/{made.json['id']}"
    assert (await target.call("GET", f"{one}/log")).status == 200  # ends with the job
    routes = {
        f"{one}/log": ("separator", "since", "timestamps", "archive_delay", "debug"),
        "/api/v1/jobs": ("since", "until", "limit", "reverse", "name", "owner", "tag", "hostname"),
        f"{ROOT}/plain": ("op", "destination", "recursive", "neuro-auth-token"),
        "/api/v1/users/user/permissions": ("uri",),
        "/api/v1/users/user/permissions/tree": ("uri",),
        "/auth/authorize": ("client_id", "redirect_uri", "code_challenge"),
        "/auth/code": ("code", "error_description"),
    }
    requests = {
        f"{path}?{name}={value}": target.head("GET", f"{path}?{name}={value}")
        for path, names in routes.items()
        for name in names
        for value in VALUES
    }
    for name, answers in (await attack(target, some("queries", requests, 250))).items():
        assert "x-injected" not in answers[0].headers, name
        if answers[0].headers.get("content-type", "").startswith("text/html"):
            assert b"<script>" not in answers[0].body, name


async def test_requests_that_are_cut_off(target: Target) -> None:
    requests = some("cut off", dict(bodies.cut_off(target)), 100)
    await attack(target, requests, finish=True, silent=True)


async def test_a_slow_sender_who_gives_up(target: Target) -> None:
    """Send byte by byte, then hang up; meanwhile and afterwards others are served."""
    head = target.head("PUT", "/api/v1/storage/default/user/slow", "Content-Length: 1000")
    writers = []
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writers.append(writer)
        writer.write(head[:20])
    for start in range(20, len(head), 7):
        for writer in writers:
            writer.write(head[start : start + 7])
            await writer.drain()
    for writer in writers:
        writer.write(b"slow")
        await writer.drain()
    ping = await target.call("GET", "/api/v1/secured-ping")
    assert ping.body == b"Secured Pong"
    for writer in writers:
        writer.transport.abort()
    answer = await target.call("GET", "/api/v1/storage/default/user/slow")
    assert answer.status == 404, answer.raw


async def test_where_a_login_goes_is_never_the_senders_choice(target: Target) -> None:
    """The addresses of the config answer stay readable, whatever the Host was."""
    for name, request in heads(target).items():
        if not name.startswith("Host:") or not name.endswith("/config"):
            continue
        for answer in await target.send(request, finish=True):
            judge(name, answer)
            if answer.status == 200:
                for key, value in answer.json.items():
                    if key.endswith("_url"):
                        url = URL(value)
                        assert (url.scheme, url.user, url.query_string) == ("http", None, ""), value
                        assert url.path.startswith(("/auth/", "/apis/", "/api/")), value
