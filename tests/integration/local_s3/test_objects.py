"""Objects: conditions, ranges, headers, copies and who may do what."""

from __future__ import annotations

import asyncio
import hashlib
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from neuro_client.local.services.s3.control import Grant

from .files import named_files, stored_files
from .wire import BUCKET, Wire

PATH = f"/{BUCKET}/key"
OLD, NEW = formatdate(time() - 3600, usegmt=True), formatdate(time() + 3600, usegmt=True)
MIB = 2**20


async def test_conditions_of_reads(wire: Wire) -> None:
    etag = (await wire.put("key")).headers["ETag"]
    for headers, status in [
        ({"If-Match": etag}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": f'"x", {etag}'}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Modified-Since": NEW}, 304),
        ({"If-Unmodified-Since": OLD}, 412),
        ({"If-Unmodified-Since": NEW}, 200),
        ({"If-Match": etag, "If-Unmodified-Since": OLD}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": NEW}, 200),
        ({"If-None-Match": etag, "If-Modified-Since": OLD}, 304),
        ({"If-Modified-Since": "yesterday", "If-Unmodified-Since": "\u00b2"}, 200),
        ({"If-Modified-Since": "Mon, 01 Jan 0001 00:00:00 -0000"}, 200),
    ]:
        for method in ("GET", "HEAD"):
            answer = await wire.call(method, PATH, headers)
            assert answer.status == status, (method, headers)
            assert status != 304 or (answer.headers["ETag"], answer.body) == (etag, b"")
            if method == "HEAD":
                assert answer.body == b""


async def test_conditions_of_writes(wire: Wire, tmp_path: Path) -> None:
    assert (await wire.call("PUT", PATH, {"If-Match": '"x"'})).told == (404, "NoSuchKey")
    etag = (await wire.put("key", b"one", If_None_Match="*")).headers["ETag"]
    for headers, told in [
        ({"If-None-Match": "*"}, (412, "PreconditionFailed")),
        ({"If-Match": '"x"'}, (412, "PreconditionFailed")),
        ({"If-None-Match": etag}, (501, "NotImplemented")),
    ]:
        for size in (3, MIB + 1):
            answer = await wire.call("PUT", PATH, headers, b"x" * size)
            assert answer.told == told
        source = {"x-amz-copy-source": PATH, "x-amz-metadata-directive": "REPLACE"}
        assert (await wire.call("PUT", PATH, headers | source)).told == told
    assert await wire.read("key") == b"one"
    await wire.put("key", b"two", If_Match=etag)
    writes = (wire.call("PUT", f"/{BUCKET}/new", {"If-None-Match": "*"}) for _ in range(8))
    assert sorted([a.status for a in await asyncio.gather(*writes)]) == [200] + [412] * 7
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_ranges(wire: Wire) -> None:
    large = bytes(range(256)) * 8192 + b"end"
    await wire.put("large", large)
    await wire.put("empty", b"")
    size = len(large)
    for text, expected in [
        ("bytes=0-0", large[:1]),
        ("bytes=5-9", large[5:10]),
        ("bytes=-3", b"end"),
        (f"bytes=-{10**30}", large),
        (f"bytes={size - 1}-", b"d"),
        (f"bytes=7-{10**30}", large[7:]),
        (f"bytes=1-{MIB + 5}", large[1 : MIB + 6]),
    ]:
        answer = await wire.get("large", Range=text)
        assert (answer.status, answer.body == expected) == (206, True), text
        start = large.index(expected) if len(expected) > 3 else int(size - len(expected))
        start = 0 if text == "bytes=0-0" else start
        told = f"bytes {start}-{start + len(expected) - 1}/{size}"
        assert answer.headers["Content-Range"] == told
        head = await wire.call("HEAD", f"/{BUCKET}/large", {"Range": text})
        assert (head.status, head.headers["Content-Length"]) == (206, str(len(expected)))
    for text in (
        "",
        "bytes=",
        "bytes=-",
        "bytes=9-5",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=\u0663-",
    ):
        answer = await wire.get("large", Range=text)
        assert (answer.status, answer.body == large) == (200, True), text
    for key, text in (("large", f"bytes={size}-"), ("large", "bytes=-0"), ("empty", "bytes=0-")):
        answer = await wire.get(key, Range=text)
        assert answer.told == (416, "InvalidRange")
    assert await wire.read("empty") == b""


async def test_headers_stay(wire: Wire) -> None:
    kept = {
        "Content-Type": "text/x; charset=utf-8",
        "Content-Disposition": 'attachment; filename="a;b"',
        "Content-Language": "de",
        "Cache-Control": "no-store",
        "Expires": NEW,
        "x-amz-meta-plain": "a, b",
        "x-amz-meta-ÜMLAUT".encode()
        .decode("latin-1")
        .lower()
        .encode("ascii", "ignore")
        .decode(): "1",
        "x-amz-meta-text": "ü€😀",
    }
    await wire.call("PUT", PATH, kept, b"data")
    for method in ("GET", "HEAD"):
        found = (await wire.call(method, PATH)).headers
        assert {name: found[name] for name in kept} == kept
    await wire.put("key", b"data")
    found = (await wire.get("key")).headers
    assert found["Content-Type"] == "binary/octet-stream"
    assert not [name for name in found if name.startswith("x-amz-meta")]


async def test_headers_that_cannot_stay(wire: Wire) -> None:
    many = {"x-amz-meta-a": "x" * 2048}
    assert (await wire.call("PUT", PATH, many)).told == (400, "MetadataTooLarge")
    for value in ("%0D%0ASet-Cookie%3A%20a%3Db", "%00", "a%0Ab", "%7F"):
        await wire.put("key")
        answer = await wire.call("GET", f"{PATH}?response-content-type={value}")
        assert answer.told == (400, "InvalidArgument"), value


async def test_headers_of_presigned_answers(wire: Wire) -> None:
    await wire.put("key", Content_Type="text/x")
    query = (
        "response-cache-control=no-cache&response-content-disposition=attachment%3B%20filename%3Da"
        "&response-content-encoding=x&response-content-language=de&response-content-type=a%2Fb"
        "&response-expires=0"
    )
    answer = await wire.send("GET", wire.presigned("GET", f"{PATH}?{query}"))
    assert (answer.status, answer.body) == (200, b"data")
    for name, value in {
        "Cache-Control": "no-cache",
        "Content-Disposition": "attachment; filename=a",
        "Content-Encoding": "x",
        "Content-Language": "de",
        "Content-Type": "a/b",
        "Expires": "0",
    }.items():
        assert answer.headers[name] == value
    await wire.platform.s3.set_public(BUCKET, True)
    anonymous = await wire.evolve(key=None).call("GET", f"{PATH}?{query}")
    assert anonymous.told == (400, "InvalidRequest")


async def test_copies(wire: Wire, tmp_path: Path) -> None:
    etag = (await wire.put("a%20b", b"one", x_amz_meta_a="1", Content_Type="a/b")).headers["ETag"]
    source = {"x-amz-copy-source": f"/{BUCKET}/a%20b"}
    answer = await wire.call("PUT", PATH, source)
    assert (answer.status, answer.texts("ETag")) == (200, [etag])
    found = await wire.get("key")
    assert (found.body, found.headers["x-amz-meta-a"], found.headers["Content-Type"]) == (
        b"one", "1", "a/b",
    )  # fmt: skip
    replace = source | {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}
    await wire.call("PUT", PATH, replace)
    found = await wire.get("key")
    assert "x-amz-meta-a" not in found.headers and found.headers["x-amz-meta-b"] == "2"
    for condition, told in [
        ({"if-match": etag}, None),
        ({"if-match": '"x"'}, (412, "PreconditionFailed")),
        ({"if-none-match": etag}, (412, "PreconditionFailed")),
        ({"if-modified-since": NEW}, (412, "PreconditionFailed")),
        ({"if-unmodified-since": OLD}, (412, "PreconditionFailed")),
        ({"if-unmodified-since": NEW}, None),
    ]:
        headers = {f"x-amz-copy-source-{name}": value for name, value in condition.items()}
        answer = await wire.call("PUT", PATH, source | headers)
        assert answer.status == 200 if told is None else answer.told == told, condition
    await wire.call("DELETE", f"/{BUCKET}/a%20b")
    assert await wire.read("key") == b"one"
    self_copy = await wire.call("PUT", PATH, {"x-amz-copy-source": PATH})
    assert self_copy.told == (400, "InvalidRequest")
    for text, told in [
        (f"{BUCKET}/none", (404, "NoSuchKey")),
        ("none/key", (404, "NoSuchBucket")),
        ("key", (400, "InvalidArgument")),
        (f"/{BUCKET}/", (400, "InvalidArgument")),
        ("", (400, "InvalidArgument")),
        (f"{BUCKET}/%FF", (404, "NoSuchKey")),
    ]:
        assert (await wire.call("PUT", PATH, {"x-amz-copy-source": text})).told == told, text
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_flags(wire: Wire) -> None:
    await wire.put("key")
    s3 = wire.platform.s3
    body = b"<Delete><Object><Key>x</Key></Object></Delete>"
    calls: list[tuple[str, str, str, Any]] = [
        ("read", "GET", PATH, b""),
        ("read", "HEAD", PATH, b""),
        ("read", "GET", f"/{BUCKET}", b""),
        ("read", "GET", f"/{BUCKET}?uploads", b""),
        ("write", "PUT", PATH, b"x"),
        ("write", "POST", f"{PATH}?uploads", b""),
        ("write", "POST", f"/{BUCKET}?delete", body),
        ("write", "DELETE", f"/{BUCKET}/other", b""),
        ("owner", "DELETE", f"/{BUCKET}?cors", b""),
        ("owner", "DELETE", f"/{BUCKET}", b""),
    ]
    for flag in ("read", "write", "owner"):
        key = await s3.create_key({BUCKET: Grant(**{flag: True})})
        some = wire.evolve(key=key)
        for needed, method, path, content in calls:
            answer = await some.call(method, path, body=content)
            allowed = answer.status != 403
            assert allowed == (needed == flag), (flag, method, path, answer.body)
        copy = await some.call("PUT", f"/{BUCKET}/c", {"x-amz-copy-source": PATH})
        assert copy.told == (403, "AccessDenied")


async def test_public_buckets(wire: Wire) -> None:
    await wire.put("key")
    nobody = wire.evolve(key=None)
    for path in (PATH, f"/{BUCKET}"):
        assert (await nobody.call("GET", path)).told == (403, "AccessDenied")
    await wire.platform.s3.set_public(BUCKET, True)
    assert (await nobody.call("GET", PATH)).body == b"data"
    assert (await nobody.call("GET")).texts("Contents/Key") == ["key"]
    stranger = wire.evolve(key=await wire.platform.s3.create_key({}))
    assert (await stranger.call("GET", PATH)).body == b"data"
    for method, path in (("PUT", PATH), ("DELETE", PATH), ("POST", f"{PATH}?uploads")):
        assert (await nobody.call(method, path)).told == (403, "AccessDenied")
    assert (await nobody.call("GET", "/")).told == (403, "AccessDenied")


@pytest.mark.thorough
async def test_replaced_while_it_is_read(wire: Wire, tmp_path: Path) -> None:
    contents = [bytes([n]) * (MIB + n) for n in (1, 2)] + [b"small", b"tiny"]
    known = {hashlib.md5(content).hexdigest() for content in contents}
    await wire.put("key", contents[0])

    async def read() -> None:
        for _ in range(12):
            answer = await wire.get("key")
            assert answer.status == 200
            found = hashlib.md5(answer.body).hexdigest()
            assert found in known and answer.headers["ETag"] == f'"{found}"'
            copied = await wire.call("PUT", f"/{BUCKET}/copy", {"x-amz-copy-source": PATH})
            assert copied.status == 200

    async def write(content: bytes) -> None:
        for _ in range(10):
            await wire.put("key", content)

    async with asyncio.TaskGroup() as group:
        for content in contents:
            group.create_task(write(content))
        for _ in range(3):
            group.create_task(read())
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")
