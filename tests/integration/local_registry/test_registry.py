"""The image registry of the local platform on the wire (…-accounts.md §3.2)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.local import LocalPlatform

from .wire import INDEX, MANIFEST, Answer, Wire, digest_of

HOME = "user/tool"


@pytest.fixture
async def wire(local_platform: LocalPlatform) -> AsyncIterator[Wire]:
    async with Wire.open(local_platform.registry("default"), local_platform.token) as wire:
        yield wire


async def test_who_may_ask(local_platform: LocalPlatform, wire: Wire) -> None:
    answer = await wire.call("GET", "/v2/")
    assert (answer.status, answer.json) == (200, {})
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    for token in (None, "wrong"):
        async with Wire.open(wire.root, token) as nobody:
            answer = await nobody.call("GET", "/v2/")
            assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Docker Registry"'
    async with Wire.open(wire.root, None) as bearer:
        header = f"Bearer {local_platform.token}"
        assert (await bearer.call("GET", "/v2/", Authorization=header)).status == 400


async def test_images_come_and_go(wire: Wire) -> None:
    first = await wire.push_image(HOME, "v1", b"base", b"one")
    second = await wire.push_image(HOME, "v2", b"base", b"two")
    manifest = f"/v2/{HOME}/manifests"
    head = await wire.call("HEAD", f"{manifest}/v1")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Docker-Content-Digest"] == first
    for reference in ("v1", first):
        got = await wire.call("GET", f"{manifest}/{reference}")
        assert got.headers["Content-Type"] == MANIFEST
        assert digest_of(got.body) == first
    assert (await wire.call("GET", f"/v2/{HOME}/tags/list")).json == {
        "name": HOME,
        "tags": ["v1", "v2"],
    }
    assert (await wire.call("DELETE", f"{manifest}/{first}")).status == 202
    for reference in ("v1", first):
        gone = await wire.call("GET", f"{manifest}/{reference}")
        assert (gone.status, gone.code) == (404, "MANIFEST_UNKNOWN")
    assert (await wire.call("DELETE", f"{manifest}/{first}")).status == 404
    assert (await wire.call("GET", f"/v2/{HOME}/tags/list")).json["tags"] == ["v2"]
    assert (await wire.call("DELETE", f"{manifest}/v2")).status == 202
    assert (await wire.call("GET", f"{manifest}/{second}")).status == 200
    assert (await wire.call("GET", f"/v2/{HOME}/tags/list")).json["tags"] == []


async def test_blobs(wire: Wire, local_platform: LocalPlatform) -> None:
    data = bytes(range(256)) * 4000
    digest = await wire.push_blob(HOME, data)
    path = f"/v2/{HOME}/blobs/{digest}"
    got = await wire.call("GET", path)
    assert got.body == data
    assert got.headers["Docker-Content-Digest"] == digest
    head = await wire.call("HEAD", path)
    assert (head.headers["Content-Length"], head.body) == (str(len(data)), b"")
    part = await wire.call("GET", path, Range="bytes=256-511")
    assert (part.status, part.body) == (206, data[256:512])
    kept = local_platform.data / "registry/default/blobs/sha256" / digest[7:9] / digest[7:]
    assert await asyncio.to_thread(kept.read_bytes) == data
    # Another repository has to be given it.
    assert (await wire.call("GET", f"/v2/user/other/blobs/{digest}")).code == "BLOB_UNKNOWN"
    mount = f"/v2/user/other/blobs/uploads/?mount={digest}&from={HOME}"
    assert (await wire.call("POST", mount)).status == 201
    assert (await wire.call("DELETE", path)).status == 202
    assert (await wire.call("GET", path)).code == "BLOB_UNKNOWN"
    assert (await wire.call("GET", f"/v2/user/other/blobs/{digest}")).body == data
    assert (await wire.call("DELETE", f"/v2/user/other/blobs/{digest}")).status == 202
    assert not kept.exists()


@pytest.mark.thorough
async def test_chunks_of_a_blob(wire: Wire) -> None:
    parts = [b"a" * 70_000, b"b" * 50_000, b"c" * 10]
    begun = await wire.call("POST", f"/v2/{HOME}/blobs/uploads/")
    assert (begun.status, begun.headers["Range"]) == (202, "0-0")
    place, at = begun.headers["Location"], 0
    for part in parts[:2]:
        span = f"{at}-{at + len(part) - 1}"
        answer = await wire.call("PATCH", place, part, Content_Range=span)
        at += len(part)
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{at - 1}")
    wrong = await wire.call("PATCH", place, b"x", Content_Range="7-8")
    assert (wrong.status, wrong.code, wrong.headers["Range"]) == (
        416,
        "RANGE_INVALID",
        f"0-{at - 1}",
    )
    assert (await wire.call("GET", place)).headers["Range"] == f"0-{at - 1}"
    digest = digest_of(b"".join(parts))
    done = await wire.call("PUT", f"{place}?digest={digest}", parts[2])
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, digest)
    assert (await wire.call("GET", f"/v2/{HOME}/blobs/{digest}")).body == b"".join(parts)
    assert (await wire.call("GET", place)).code == "BLOB_UPLOAD_UNKNOWN"


async def test_a_blob_of_another_digest_is_refused(
    wire: Wire, local_platform: LocalPlatform
) -> None:
    begun = await wire.call("POST", f"/v2/{HOME}/blobs/uploads/")
    place = begun.headers["Location"]
    digest = digest_of(b"promised")
    answer = await wire.call("PUT", f"{place}?digest={digest}", b"sent")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert (await wire.call("GET", f"/v2/{HOME}/blobs/{digest}")).code == "BLOB_UNKNOWN"
    begun = await wire.call("POST", f"/v2/{HOME}/blobs/uploads/")
    assert (await wire.call("DELETE", begun.headers["Location"])).status == 204
    uploads = local_platform.data / "registry/default/uploads"
    assert await asyncio.to_thread(lambda: list(uploads.iterdir())) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v2/x", b"", 400, "NAME_INVALID"),
        ("GET", "/v2/user/UPPER/tags/list", b"", 400, "NAME_INVALID"),
        ("GET", "/v2/user/../tags/list", b"", 400, "NAME_INVALID"),
        ("GET", "/v2/user/none/tags/list", b"", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/user/none/manifests/v1", b"", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/user/none/manifests/-v1", b"", 400, "MANIFEST_INVALID"),
        ("GET", "/v2/user/none/blobs/sha256:12", b"", 400, "DIGEST_INVALID"),
        ("PUT", "/v2/user/none/manifests/v1", b"[", 400, "MANIFEST_INVALID"),
        ("PUT", "/v2/user/none/manifests/v1", b'{"schemaVersion":1}', 400, "MANIFEST_INVALID"),
        ("PUT", "/v2/user/none/manifests/v1", b'{"schemaVersion":2}', 400, "MANIFEST_INVALID"),
        ("POST", "/v2/user/none/manifests/v1", b"", 405, "UNSUPPORTED"),
        ("PATCH", "/v2/user/none/blobs/uploads/none", b"x", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", "/v2/_catalog?n=x", b"", 405, "UNSUPPORTED"),
    ],
)
async def test_refusals(
    wire: Wire, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    answer = await wire.call(method, path, body, Content_Type="application/json")
    assert (answer.status, answer.code) == (status, code)


async def test_a_manifest_names_what_is_there(wire: Wire) -> None:
    document = {
        "schemaVersion": 2,
        "config": {"digest": digest_of(b"nothing"), "size": 7},
        "layers": [],
    }
    path = f"/v2/{HOME}/manifests/v1"
    answer = await wire.call("PUT", path, json.dumps(document).encode(), Content_Type=MANIFEST)
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    child = await wire.push_image(HOME, "amd", b"layer")
    entry = {"digest": child, "size": 1, "mediaType": MANIFEST}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    digest = await wire.push_manifest(HOME, "all", index, INDEX)
    assert (await wire.call("GET", f"/v2/{HOME}/manifests/all")).headers["Content-Type"] == INDEX
    entry["digest"] = digest_of(b"missing")
    answer = await wire.call("PUT", path, json.dumps(index).encode(), Content_Type=INDEX)
    assert answer.code == "MANIFEST_BLOB_UNKNOWN"
    # What refers to an image is found by it.
    signature = {
        "schemaVersion": 2,
        "artifactType": "application/vnd.test.signature",
        "config": {"digest": await wire.push_blob(HOME, b"{}"), "size": 2},
        "layers": [],
        "subject": {"digest": digest, "size": 1, "mediaType": INDEX},
    }
    named = await wire.push_manifest(HOME, "signature", signature)
    found = (await wire.call("GET", f"/v2/{HOME}/referrers/{digest}")).json["manifests"]
    assert [one["digest"] for one in found] == [named]
    other = await wire.call("GET", f"/v2/{HOME}/referrers/{digest}?artifactType=other")
    assert other.json["manifests"] == []


async def test_pages(wire: Wire) -> None:
    await wire.push_image("user/a", "t1", b"layer")
    for name in ("b", "c"):
        await wire.push_image(f"user/{name}", "t1", b"layer")
    for tag in ("t2", "t3"):
        await wire.push_image("user/a", tag, b"layer")
    for path, field, wanted in (
        ("/v2/_catalog", "repositories", ["user/a", "user/b", "user/c"]),
        ("/v2/user/a/tags/list", "tags", ["t1", "t2", "t3"]),
    ):
        found, place = [], f"{path}?n=2"
        while place:
            answer = await wire.call("GET", place)
            found.append(answer.json[field])
            link = answer.headers.get("Link", "")
            assert not link or link.endswith('; rel="next"')
            place = link.partition(">")[0].lstrip("<")
        assert found == [wanted[:2], wanted[2:]]


async def test_others_see_what_was_shared(local_platform: LocalPlatform, wire: Wire) -> None:
    await wire.push_image("user/open", "v1", b"layer")
    digest = digest_of(b"layer")
    await wire.push_image("user/closed", "v1", b"layer")
    token = await local_platform.add_user("other")
    async with Wire.open(wire.root, token) as other:
        answer = await other.call("GET", "/v2/user/open/tags/list")
        assert (answer.status, answer.code) == (403, "DENIED")
        await local_platform.access.grant("other", URL("image://default/user/open"), "read")
        assert (await other.call("GET", "/v2/user/open/tags/list")).json["tags"] == ["v1"]
        assert (await other.call("GET", "/v2/_catalog")).json["repositories"] == ["user/open"]
        begin = "/v2/user/open/blobs/uploads/"
        assert (await other.call("POST", begin)).code == "DENIED"
        mount = f"/v2/other/mine/blobs/uploads/?mount={digest}&from=user"
        assert (await other.call("POST", f"{mount}/closed")).code == "DENIED"
        assert (await other.call("POST", f"{mount}/open")).status == 201


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "platform"
    async with LocalPlatform(data, port=0, clusters=("alpha", "beta")) as platform:
        async with Wire.open(platform.registry("alpha"), platform.token) as wire:
            digest = await wire.push_image(HOME, "v1", b"layer")
        async with Wire.open(platform.registry("beta"), platform.token) as wire:
            assert (await wire.call("GET", "/v2/_catalog")).json["repositories"] == []
    async with LocalPlatform(data, port=0, clusters=("alpha", "beta")) as platform:
        async with Wire.open(platform.registry("alpha"), platform.token) as wire:
            assert (await wire.call("HEAD", f"/v2/{HOME}/manifests/{digest}")).status == 200
            blob = f"/v2/{HOME}/blobs/{digest_of(b'layer')}"
            assert (await wire.call("GET", blob)).body == b"layer"


async def test_a_cut_upload_goes_on(wire: Wire) -> None:
    begun = await wire.call("POST", f"/v2/{HOME}/blobs/uploads/")
    place = begun.headers["Location"]
    url = wire.root.join(URL(place))
    blob = os.urandom(2 * 2**20)
    sent = 2**20 + 40
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"PATCH {url.raw_path} HTTP/1.1\r\nHost: {url.authority}\r\n"
        f"Authorization: {wire.authorization}\r\nContent-Length: {len(blob)}\r\n\r\n".encode()
        + blob[:sent]
    )
    await writer.drain()
    # A piece that is full is written at once: wait for it, so that there is something to cut.
    while _received(await wire.call("GET", place)) < 2**19:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    # While one request adds to an upload no other can.
    assert (await wire.call("PATCH", place, b"")).code == "BLOB_UPLOAD_INVALID"
    writer.close()
    await writer.wait_closed()
    while (answer := await wire.call("PATCH", place, b"")).status != 202:
        assert answer.code == "BLOB_UPLOAD_INVALID"
        await asyncio.sleep(0.01)
    kept = _received(answer)
    assert 2**19 <= kept <= sent
    finish = f"{place}?digest={digest_of(blob)}"
    assert (await wire.call("PUT", finish, blob[kept:])).status == 201


def _received(answer: Answer) -> int:
    """Return how many bytes the registry says it has; it writes 0-0 for none and for one."""
    return int(answer.headers["Range"].removeprefix("0-")) + 1
