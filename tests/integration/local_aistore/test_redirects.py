"""The proxy sends on, with marks; targets look at them (aistore.md §2, §21, §22.1-5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.services.aistore.cluster import Cluster
from neuro_client.local.services.aistore.names import Bck
from neuro_client.local.services.aistore.placement import digest, mix

from .conftest import run
from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough

SMALL, LARGE = 262_143, 262_144


def test_the_weight_has_the_known_values() -> None:
    assert mix(4573842) == 5026071747115404967
    assert mix(0) == 1905207664160064169


async def head_of(url: URL, request: str) -> tuple[str, asyncio.StreamWriter]:
    """Send the head of a request and return that of the answer; empty if none comes yet."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request.replace("\n", "\r\n").encode())
    try:
        async with asyncio.timeout(0.3):
            return (await reader.readuntil(b"\r\n\r\n")).decode(), writer
    except TimeoutError:
        return "", writer


async def check_the_answer_to_an_object_that_has_not_come(wire: Wire, cluster: Cluster) -> None:
    for fields, status, closes in (
        ("Content-Length: 0\n", "307", False),
        ("", "307", False),
        (f"Content-Length: {SMALL}\n", "", False),
        (f"Content-Length: {LARGE}\n", "307", True),
        ("Content-Length: 5\nExpect: 100-continue\n", "307", True),
        ("Transfer-Encoding: chunked\n", "", False),
    ):
        request = f"PUT /v1/objects/{BUCKET}/o HTTP/1.1\nHost: proxy\n{fields}\n"
        head, writer = await head_of(wire.url, request)
        writer.close()
        await writer.wait_closed()
        assert head[9:12] == status, fields
        assert ("connection: close" in head.lower()) is closes, fields
        assert "100 Continue" not in head


async def check_statuses_marks_and_places(wire: Wire, cluster: Cluster) -> None:
    path = f"/v1/objects/{BUCKET}/dir/o1?provider=ais"
    for method in ("PUT", "HEAD", "DELETE", "PATCH"):
        answer = await wire.call(method, path)
        assert (answer.status, answer.body) == (307, b"")
    answer = await wire.call("GET", path)
    assert answer.status == 301
    assert answer.text.startswith('<a href="http') and "Moved Permanently" in answer.text
    query = dict(answer.location.query)
    assert (query.pop("provider"), query.pop("pid")) == ("ais", cluster.proxy.id)
    assert set(query) == {"utm"}
    smap = (await wire.good("GET", "/v1/daemon?what=smap")).json
    urls = {
        name: node["public_net"]["direct_url"].removeprefix("http://")
        for name, node in smap["tmap"].items()
    }
    assert {node["id_digest"] for node in smap["tmap"].values()} == {digest(n) for n in urls}
    found = set()
    for number in range(30):
        answer = await wire.call("GET", f"/v1/objects/{BUCKET}/n{number}")
        owner = cluster.owner(Bck(BUCKET), f"n{number}")
        assert answer.location.authority == urls[owner]
        found.add(owner)
    assert len(found) == 2


async def check_a_location_serves_twice_and_needs_its_marks(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", b"one")
    location = (await wire.call("PUT", f"/v1/objects/{BUCKET}/o")).location
    for content in (b"two", b"three"):
        assert (await wire.call("PUT", location, data=content)).status == 200
    plain = location.with_query(None)
    assert (await wire.call("GET", plain)).body == b"three"
    assert (await wire.call("HEAD", plain)).status == 200
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        answer = await wire.call(method, plain, json={"action": "rename-obj", "name": "x"})
        assert answer.status == 400, method
    bucket = plain.with_path(f"/v1/buckets/{BUCKET}")
    assert (await wire.call("GET", bucket, json=action("list", {}))).status == 400


async def check_requests_that_are_not_redirected(wire: Wire, cluster: Cluster) -> None:
    for method, path, status in (
        ("POST", f"/v1/objects/{BUCKET}/o", 400),
        ("POST", f"/v1/objects/{BUCKET}", 400),
        ("POST", f"/v1/buckets/{BUCKET}", 400),
        ("PUT", "/v1/cluster", 400),
        ("PUT", "/v1/objects/nobucket/o", 404),
        ("PUT", f"/v1/objects/{BUCKET}/../o", 400),
        ("PUT", f"/v1/objects/{BUCKET}/o/", 400),
        ("PUT", f"/v1/objects/{BUCKET}/~/o", 400),
        ("OPTIONS", f"/v1/objects/{BUCKET}/o", 405),
        ("GET", "/v1/nothing", 400),
        ("GET", "/", 404),
    ):
        answer = await wire.call(method, path)
        assert answer.status == status, (method, path, answer)
    answer = await wire.call("PATCH", f"/v1/objects/{BUCKET}/o")
    assert (answer.status, (await wire.call("PATCH", answer.location)).status) == (307, 400)


async def check_odd_names_arrive(wire: Wire, cluster: Cluster) -> None:
    sent = "sp%20ace%25%2B%23%3F%C3%A9/x"
    answer = await wire.call("PUT", f"/v1/objects/{BUCKET}/{sent}?provider=ais")
    assert answer.location.raw_path.endswith("/sp%20ace%25+%23%3F%C3%A9/x")
    assert [pair.partition("=")[0] for pair in answer.location.raw_query_string.split("&")] == [
        "pid",
        "provider",
        "utm",
    ]
    assert (await wire.call("PUT", answer.location, data=b"odd")).status == 200
    assert await wire.names() == ["sp ace%+#?é/x"]
    assert await wire.get(sent) == b"odd"


async def check_signed_redirects(wire: Wire, cluster: Cluster) -> None:
    cluster.signing = True
    path = f"/v1/objects/{BUCKET}/o"
    location = (await wire.call("PUT", path)).location
    assert {"vpams", "x", "u"} <= set(location.query)
    assert (await wire.call("PUT", location, data=b"other length")).told == (401, "ErrSignature")
    assert (await wire.call("GET", location.with_query(None))).status == 403
    length = {"Expect": "100-continue", "Content-Length": "5"}
    request = "".join(f"{name}: {value}\n" for name, value in length.items())
    head, writer = await head_of(wire.url, f"PUT {path} HTTP/1.1\nHost: p\n{request}\n")
    writer.close()
    await writer.wait_closed()
    line = next(line for line in head.splitlines() if line.startswith("Location: "))
    signed = URL(line.removeprefix("Location: "), encoded=True)
    assert (await wire.call("PUT", signed, data=b"12345")).status == 200
    assert await wire.get("o") == b"12345"


async def test_tokens(wire: Wire, cluster: Cluster, platform: LocalPlatform) -> None:
    await wire.put("o", b"text")
    cluster.require_tokens = True
    path = f"/v1/objects/{BUCKET}/o"
    assert (await wire.call("GET", "/v1/health")).status == 200
    assert (await wire.call("GET", path)).status == 401
    old = await platform.issue_token("user", expires_in=-1)
    for token in ("nonsense", old):
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await wire.call("GET", path, headers=bearer)).status == 401
    body = {"password": "admin"}
    mine = (await wire.good("POST", "/v1/users/admin", json=body)).json["token"]
    for token in (platform.token, mine):
        bearer = {"Authorization": f"Bearer {token}"}
        answer = await wire.call("GET", path, headers=bearer)
        assert (await wire.call("GET", answer.location)).body == b"text"
    cluster.authn.expire_all()
    bearer = {"Authorization": f"Bearer {mine}"}
    assert (await wire.call("GET", path, headers=bearer)).status == 401


async def test_nodes_that_go_and_come(wire: Wire, cluster: Cluster) -> None:
    names = [f"o{number}" for number in range(12)]
    for name in names:
        await wire.put(name, name.encode())
    version = (await wire.good("GET", "/v1/daemon?what=smap")).json["version"]
    await cluster.kill(0)
    refused = 0
    for name in names:
        try:
            assert await wire.get(name) == name.encode()
        except aiohttp.ClientConnectorError:
            refused += 1
    assert 0 < refused < len(names)
    await cluster.restore(0)
    assert [await wire.get(name) for name in names] == [name.encode() for name in names]
    await cluster.leave(0)
    missing = [(await wire.follow("GET", f"/v1/objects/{BUCKET}/{n}")).status for n in names]
    assert missing.count(404) == refused
    await cluster.restore(0)
    await cluster.set_maintenance(1)
    smap = (await wire.good("GET", "/v1/daemon?what=smap")).json
    assert int(smap["version"]) > int(version)
    assert sorted(node["flags"] for node in smap["tmap"].values()) == [0, 4]
    assert [await wire.get(name) for name in names] == [name.encode() for name in names]
    cluster.misdirect("http://127.0.0.1:9", times=1)
    location = (await wire.call("GET", f"/v1/objects/{BUCKET}/o1")).location
    assert location.port == 9
    cluster.misdirect(cluster.url)
    location = (await wire.call("GET", f"/v1/objects/{BUCKET}/o1")).location
    assert (await wire.call("GET", location)).status == 301
    cluster.started = False
    assert (await wire.call("GET", "/v1/health?prr=true")).status == 503
    assert (await wire.call("POST", "/v1/health")).status == 200
    assert (await wire.call("GET", "/v1/daemon?what=nosuch")).status == 400


async def test_a_target_that_dies_in_the_middle(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", bytes(16 * 2**20))
    path = f"/v1/objects/{BUCKET}/o"
    number = [node.id for node in cluster.targets].index(cluster.owner(Bck(BUCKET), "o"))
    location = (await wire.call("GET", path)).location
    async with wire.session.get(location) as answer:
        assert await answer.content.readexactly(1000)
        await cluster.kill(number)
        with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
            await answer.read()
    put = (await wire.call("PUT", path)).location

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(1000)
        await cluster.kill(number)
        yield bytes(1000)

    await cluster.restore(number)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await wire.call("PUT", put, data=slow())
    await cluster.restore(number)
    assert (await wire.good("HEAD", path)).headers["Content-Length"] == str(16 * 2**20)


CHECKS = (
    check_the_answer_to_an_object_that_has_not_come,
    check_statuses_marks_and_places,
    check_a_location_serves_twice_and_needs_its_marks,
    check_requests_that_are_not_redirected,
    check_odd_names_arrive,
    check_signed_redirects,
)


async def test_redirects(wire: Wire, cluster: Cluster) -> None:
    await run(CHECKS, wire, cluster)
