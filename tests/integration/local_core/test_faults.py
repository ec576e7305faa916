"""Trouble on request, and records of requests."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from neuro_client.local import LocalPlatform

from .api import Api

PING = "/api/v1/secured-ping"


async def test_a_status_for_so_many_requests(api: Api, platform: LocalPlatform) -> None:
    fault = platform.fault(
        f"GET {PING}", status=503, times=2, headers={"Retry-After": "1"}, body="busy"
    )
    for _ in range(2):
        answer = await api.call("GET", PING)
        assert (answer.status, answer.text) == (503, "busy")
        assert answer.headers["Retry-After"] == "1"
    assert (await api.call("GET", PING)).status == 200
    assert fault.hits == 2


async def test_a_fault_lets_the_first_requests_through(api: Api, platform: LocalPlatform) -> None:
    fault = platform.fault(f"GET {PING}", skip=2, times=2, status=503)
    statuses = [(await api.call("GET", PING)).status for _ in range(6)]
    assert statuses == [200, 200, 503, 503, 200, 200]
    assert fault.hits == 2


async def test_whom_a_fault_meets(api: Api, platform: LocalPlatform) -> None:
    fault = platform.fault("PUT /storage/", status=500, times=None)
    assert (await api.call("GET", PING)).status == 200
    assert (await api.storage("PUT", "user/a", data=b"x")).status == 500
    assert (await api.storage("PUT", "user/a", data=b"x")).status == 500
    assert (await api.storage("GET", "user/a")).status == 404
    fault.remove()
    await api.put("user/a")
    platform.fault(re.compile(r"GET .*/user/[ab]$"), status=502)
    assert (await api.storage("GET", "user/c")).status == 404
    assert (await api.storage("GET", "user/a")).status == 502
    platform.fault(lambda request: "X-Trouble" in request.headers, status=504)
    assert (await api.call("GET", PING)).status == 200
    assert (await api.call("GET", PING, headers={"X-Trouble": "1"})).status == 504


async def test_a_delay(api: Api, platform: LocalPlatform) -> None:
    platform.fault(PING, delay=0.2)
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await api.call("GET", PING)).status == 200
    assert loop.time() - start >= 0.2
    start = loop.time()
    assert (await api.call("GET", PING)).status == 200
    assert loop.time() - start < 0.2


@pytest.mark.parametrize("size", [10_000, 3_000_000])
@pytest.mark.parametrize("after", [1, 5_000])
async def test_an_answer_that_is_cut(
    api: Api, platform: LocalPlatform, size: int, after: int
) -> None:
    await api.put("user/file", b"x" * size)
    platform.fault("GET /user/file", cut_after=after)
    received = 0
    url = platform.api_url / "storage/default/user/file"
    with pytest.raises(aiohttp.ClientPayloadError):
        async with api.session.get(url) as response:
            assert response.status == 200
            async for chunk in response.content.iter_any():
                received += len(chunk)
    assert received == after
    assert len(await api.get("user/file")) == size


async def test_an_answer_that_is_lost(api: Api, platform: LocalPlatform) -> None:
    # POST, because aiohttp's client repeats some other methods by itself.
    await api.put("user/file", b"content")
    fault = platform.fault("POST /user/file", cut_after=0)
    query = {"destination": "/user/moved"}
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.storage("POST", "user/file", "RENAME", query=query)
    assert fault.hits == 1
    for _ in range(50):
        if await api.names("user") == {"moved"}:
            break
        await asyncio.sleep(0.02)
    assert await api.names("user") == {"moved"}


async def test_a_request_that_is_refused(api: Api, platform: LocalPlatform) -> None:
    await api.put("user/file", b"content")
    platform.fault("POST /user/file", refuse=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await api.storage("POST", "user/file", "RENAME", query={"destination": "/user/moved"})
    assert await api.names("user") == {"file"}


async def test_intercept_records(api: Api, platform: LocalPlatform) -> None:
    with platform.intercept() as interception:
        await api.storage("GET", "user", "LISTSTATUS", headers={"X-Mark": "1"})
        await api.storage("GET", "user/missing")
        words = {"Sec-WebSocket-Protocol": f"bearer.apolo.us-{platform.token}"}
        await api.call("GET", f"{PING}?neuro-auth-token={platform.token}", headers=words)
    listing, missing, ping = interception.calls
    assert (listing.method, listing.status) == ("GET", 200)
    assert listing.path == "/api/v1/storage/default/user"
    assert dict(listing.query) == {"op": "LISTSTATUS"}
    assert listing.headers["X-Mark"] == "1"
    assert missing.status == 404
    assert ping.path == PING
    await api.call("GET", PING)
    assert len(interception.calls) == 3


async def test_intercept_answers(api: Api, platform: LocalPlatform) -> None:
    with platform.intercept() as interception:
        interception.answer(f"GET {PING}", status=429, json={"error": "slow"}, times=2)
        interception.answer("PUT /storage", text="made", headers={"X-Mark": "1"})
        for _ in range(2):
            answer = await api.call("GET", PING)
            assert (answer.status, answer.json) == (429, {"error": "slow"})
        assert (await api.call("GET", PING)).status == 200
        answer = await api.storage("PUT", "user/file", data=b"x")
        assert (answer.status, answer.text, answer.headers["X-Mark"]) == (200, "made", "1")
    assert [call.status for call in interception.calls] == [429, 429, 200, 200]
    assert await api.names("user") == set()


async def test_planned_answers_must_be_asked_for(api: Api, platform: LocalPlatform) -> None:
    with pytest.raises(AssertionError, match="never asked"):
        with platform.intercept() as interception:
            interception.answer(PING, times=2)
            await api.call("GET", PING)
    with pytest.raises(KeyError):
        with platform.intercept() as interception:
            interception.answer(PING)
            raise KeyError
    assert (await api.call("GET", PING)).status == 200


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
async def test_no_credentials_are_recorded(platform: LocalPlatform, header: str) -> None:
    headers = {header: f"Bearer {platform.token}"}
    async with aiohttp.ClientSession() as session:
        with platform.intercept() as interception:
            async with session.get(platform.api_url / "secured-ping", headers=headers) as response:
                assert response.status == 200
            words = {"Sec-WebSocket-Protocol": f"bearer.apolo.us-{platform.token}"}
            url = platform.api_url / "secured-ping"
            async with session.get(url, headers=words) as response:
                assert response.status == 200
            async with session.get(
                url.with_query({"neuro-auth-token": platform.token})
            ) as response:
                assert response.status == 200
    assert len(interception.calls) == 3
    assert platform.token not in repr(interception)
