"""Listings and links: pages, ranges, ends, and the bad weather that tests can ask for."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest

from .conftest import CORE, Api

BIG = bytes(range(256)) * 12_000  # more than the server sends in one piece


async def test_listings_and_links(api: Api) -> None:
    local = api.platform.artifacts
    files = {f"logs/{number:02}.txt": b"%d" % number for number in range(7)}
    files |= {"big.bin": BIG, "empty": b"", "a%20b%26c.txt": b"odd"}
    run = await local.add_run("played", files, {})
    played, other = run.experiments
    assert (await api.run(run.id))["status"]["phase"] == "RUN_STATE_RUNNING"
    path = f"{CORE}/experiments/{played.id}/artifacts"
    found: list[Any] = []
    token, pages = "", list[str]()
    while token or not pages:
        page = await api.call("GET", f"{path}?pageSize=4&pageToken={token}")
        found += page["artifacts"]
        token = page["nextPageToken"]
        pages.append(token)
    assert [one["filename"] for one in found] == sorted(files) and len(pages) == 3
    for one in found:
        content = files[one["filename"]]
        assert one["sizeBytes"] == str(len(content))
        assert one["md5Checksum"] == hashlib.md5(content).hexdigest()
        status, body, headers = await api.send("GET", one["url"])
        assert (status, body) == (200, content)
        assert headers["ETag"] == f'"{one["md5Checksum"]}"'
    foreign = f"{CORE}/experiments/{other.id}/artifacts?pageToken={pages[0]}"
    await api.refused("GET", foreign, 400, 3)  # a token is for its own listing
    for query in ("pageToken=nonsense", "pageSize=0", "pageSize=-1", "pageSize=x"):
        await api.refused("GET", f"{path}?{query}", 400, 3)
    local.expire_page_tokens()
    await api.refused("GET", f"{path}?pageToken={pages[0]}", 400, 3)
    await check_ranges(api, await played.link("big.bin"))
    await check_ends(api, played)
    await check_weather(api, played)
    await played.log("one", "two")
    await played.end("FAILED", "It was meant to")
    await other.end()
    run_ = await api.run(run.id)
    assert run_["status"]["phase"] == "RUN_STATE_FAILED"
    assert run_["status"]["experimentCounts"]["succeeded"] == 1
    with pytest.raises(ValueError, match="exists already"):
        await local.add_run("played")


async def check_ranges(api: Api, link: str) -> None:
    """See parts of a file, whole or not, under conditions or not."""
    _, _, headers = await api.send("GET", link)
    etag, size = headers["ETag"], len(BIG)
    for asked, status, start, end in (
        ("bytes=5-9", 206, 5, 10),
        ("bytes=-3", 206, size - 3, size),
        (f"bytes={size - 1}-", 206, size - 1, size),
        ("bytes=1000000-2999999", 206, 1_000_000, 3_000_000),
        ("lines=1-2", 200, 0, size),
    ):
        found, body, headers = await api.send("GET", link, headers={"Range": asked})
        assert (found, body) == (status, BIG[start:end]), asked
        if status == 206:
            assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    status, body, headers = await api.send("GET", link, headers={"Range": f"bytes={size}-"})
    assert status == 416 and headers["Content-Range"] == f"bytes */{size}"
    for condition, wanted in ((etag, 206), ('"0"', 200)):
        asked_ = {"Range": "bytes=0-0", "If-Range": condition}
        assert (await api.send("GET", link, headers=asked_))[0] == wanted
    assert (await api.send("GET", link, headers={"If-None-Match": etag}))[0] == 304
    assert (await api.send("GET", link, headers={"If-Match": '"0"'}))[0] == 412


async def check_ends(api: Api, played: Any) -> None:
    """See when a link is good, and that it stays the same as long as that."""
    local = api.platform.artifacts
    link = await played.link("empty")
    assert await played.link("empty") == link
    local.clock.ahead = 86_390.0
    assert await api.call("GET", link) == b""
    local.clock.ahead = 86_401.0
    body = await api.call("GET", link, status=403)
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body
    new = await played.link("empty")
    assert new != link and await api.call("GET", new) == b""
    local.clock.ahead = 0.0
    for wrong, code in (
        (link.replace("X-Grid-Expires=86400", "X-Grid-Expires=86401"), b"SignatureDoesNotMatch"),
        (link[:-1] + ("0" if link[-1] != "0" else "1"), b"SignatureDoesNotMatch"),
        (link.replace("/empty", "/big.bin"), b"SignatureDoesNotMatch"),
        (link.partition("?")[0], b"AccessDenied"),
        (link.replace("X-Grid-Date=", "X-Grid-Date=x"), b"AccessDenied"),
    ):
        assert code in await api.call("GET", wrong, status=403)
    assert b"SignatureDoesNotMatch" in await api.call("PUT", link, status=403, data=b"x")
    local.expire_links()
    assert b"has expired" in await api.call("GET", link, status=403)
    assert await api.call("GET", await played.link("empty")) == b""
    local.links.lifetime = 60
    assert "X-Grid-Expires=60&" in await played.link("empty")


async def check_weather(api: Api, played: Any) -> None:
    """See each trouble that can be asked for."""
    local = api.platform.artifacts
    local.troubles.wrong_md5.add("logs/*")
    found = await api.artifacts(played.id)
    assert found["logs/03.txt"]["md5Checksum"] != hashlib.md5(b"3").hexdigest()
    assert found["big.bin"]["md5Checksum"] == hashlib.md5(BIG).hexdigest()
    local.troubles.wrong_md5.clear()
    path = f"{CORE}/experiments/{played.id}/artifacts?pageSize=2"
    token = (await api.call("GET", path))["nextPageToken"]
    local.troubles.repeat_tokens = True
    page = await api.call("GET", f"{path}&pageToken={token}")
    assert page["nextPageToken"] == token
    local.troubles.repeat_tokens = False
    local.troubles.slow["big.*"] = 2e8
    asked = {"Range": "bytes=7-2999999"}
    assert (
        await api.call("GET", found["big.bin"]["url"], status=206, headers=asked)
        == (BIG[7:3_000_000])
    )
    local.troubles.slow.clear()
    api.platform.fault("GET /artifacts/big.bin", cut_after=1000)
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.call("GET", found["big.bin"]["url"])
    # Written anew while it is read: one content or the other, never some of both.
    link = found["big.bin"]["url"]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(api.call("GET", link)) for _ in range(4)]
        group.create_task(played.write({"big.bin": BIG[::-1]}))
    for task in reading:
        assert task.result() in (BIG, BIG[::-1])
    assert await api.call("GET", link) == BIG[::-1]
