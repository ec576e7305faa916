"""Requests nobody should send: each is refused, none is a failure, none hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .files import named_files, stored_files
from .test_uploads import Upload
from .wire import BUCKET, Wire

pytestmark = pytest.mark.thorough

MIB = 2**20
PATH = f"/{BUCKET}/key"
WORDS = [
    *("", "%00", "%FF", "%ED%A0%80", "%C2%B2", "-1", "1e9", "9" * 3000, "..", "%2F", "%0D%0A"),
    *("true", "'%20OR%201=1--", "%F4%8F%BF%BF", "*", "%25", "%", "%zz", "+", "a" * 3000),
]
NAMES = [
    *("prefix", "delimiter", "marker", "max-keys", "list-type=2&continuation-token"),
    *("list-type=2&start-after", "encoding-type", "uploads&key-marker", "uploads&max-uploads"),
    *("uploads&key-marker=a&upload-id-marker", "uploadId", "partNumber", "delete", "list-type"),
]
BOMB = (
    '<?xml version="1.0"{}?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><Delete><Object><Key>&i;</Key></Object></Delete>"
)
DOCUMENTS = [
    *(b"", b"<", b"\xff\xfe", b"\x00", b"<Delete>", b"<Delete/>", b"<a>" * 50_000),
    *(BOMB.format("").encode(), BOMB.format(' encoding="utf-16"').encode("utf-16")),
    b"<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
    b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
    b"<Delete><Object><VersionId>1</VersionId></Object></Delete>",
    b"<Delete><Object><Key>" + b"k" * (3 * MIB) + b"</Key></Object></Delete>",
    '<?xml version="1.0" encoding="latin-1"?><Delete><Object><Key>ü</Key></Object></Delete>'.encode(
        "latin-1"
    ),
]


async def test_words(wire: Wire) -> None:
    await wire.platform.s3.set_public(BUCKET, True)
    nobody = wire.evolve(key=None)
    for word in WORDS:
        for name in NAMES:
            answer = await nobody.send("GET", f"/{BUCKET}?{name}={word}")
            assert answer.status < 500, (name, word, answer.body)
        for path in (f"/{word}", f"/{word}/{word}", f"/{BUCKET}/{word}"):
            for method in ("GET", "HEAD", "OPTIONS"):
                answer = await nobody.send(method, path)
                assert answer.status < 500, (method, path, answer.body)
        answer = await wire.call("PUT", f"/{BUCKET}/key{word}")
        assert answer.status < 500, (word, answer.body)


async def test_keys_that_are_none(wire: Wire) -> None:
    for key in ("%FF", "%ED%A0%80", "%C3"):
        for method in ("GET", "PUT", "DELETE"):
            assert (await wire.call(method, f"/{BUCKET}/{key}")).told == (400, "InvalidURI")
    assert (await wire.call("PUT", f"/{BUCKET}/{'k' * 1024}")).status == 200
    assert (await wire.call("PUT", f"/{BUCKET}/{'k' * 1025}")).told == (400, "KeyTooLongError")
    long = await wire.call("PUT", f"/{BUCKET}/{'%C3%BC' * 513}")
    assert long.told == (400, "KeyTooLongError")
    assert (await wire.call("PUT", f"/{BUCKET}/%00")).status == 200
    assert await wire.read("%00") == b""


async def test_documents(wire: Wire) -> None:
    upload = await Upload.begin(wire)
    for body in DOCUMENTS:
        for path in (f"/{BUCKET}?delete=", f"{PATH}?uploadId={upload.id}"):
            answer = await wire.call("POST", path, body=body)
            assert answer.status in (400, 501), (body[:60], answer.body)
        assert (await wire.call("PUT", f"/{BUCKET}?cors=", body=body)).status == 400


async def raw(wire: Wire, head: str, body: bytes = b"", *, cut: bool = False) -> bytes:
    """Send bytes and return all that is answered; *cut* ends them before the request's end."""
    url = wire.platform.s3.url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n")
        writer.write(body)
        if cut:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def told(wire: Wire, length: int, body: bytes = b"") -> str:
    """Return the head of a signed upload that promises so many bytes."""
    headers = wire.signed("PUT", PATH, body=body, payload="UNSIGNED-PAYLOAD")
    headers["Host"] = wire.platform.s3.url.raw_authority
    headers["Content-Length"] = str(length)
    headers["Connection"] = "close"
    lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
    return f"PUT {PATH} HTTP/1.1\n{lines}"


async def test_bodies_that_end_too_early(wire: Wire, tmp_path: Path) -> None:
    await wire.put("key", b"old")
    for size, length in ((0, 1), (1, 2), (MIB - 1, MIB), (MIB, MIB + 1), (3 * MIB, 3 * MIB + 1)):
        await raw(wire, told(wire, length), b"x" * size, cut=True)
        assert await wire.read("key") == b"old"
    longer = await raw(wire, told(wire, 3), b"newGET / HTTP/1.1\r\n\r\n")
    assert longer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 400"))
    assert await wire.read("key") == (b"new" if b" 200 " in longer else b"old")
    await files_agree(tmp_path / "data")


async def files_agree(data: Path) -> None:
    """Wait until the last broken request is over."""
    async with asyncio.timeout(10):
        while stored_files(data) != named_files(data):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


async def test_chunks_that_are_none(wire: Wire, tmp_path: Path) -> None:
    head = told(wire, 0).replace("Content-Length: 0\n", "Transfer-Encoding: chunked\n")
    for body in (b"x\r\n", b"5\r\nab", b"-1\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n"):
        answer = await raw(wire, head, body, cut=body.startswith(b"5\r\nab"))
        assert not answer.startswith(b"HTTP/1.1 5"), (body, answer)
    await files_agree(tmp_path / "data")
    assert (await wire.get("key")).status == 404


async def test_heads(wire: Wire) -> None:
    host = wire.platform.s3.url.raw_authority
    for head in (
        f"GET /{BUCKET}/\udcff HTTP/1.1\nHost: {host}\n",
        f"GET /{BUCKET}?prefix=\udcff HTTP/1.1\nHost: {host}\n",
        f"GET http://{host}/{BUCKET} HTTP/1.1\nHost: {host}\n",
        f"GET /{BUCKET} HTTP/1.1\nHost: {host}\nRange: \udcff\nOrigin: \udcff\n",
        f"GET /{BUCKET} HTTP/1.1\nHost: {host}\nAuthorization: \udcff\n",
        f"GET /{BUCKET} HTTP/1.1\nHost: {host}\nx: {'y' * 100_000}\n",
        f"GET /{BUCKET} HTTP/1.1\nHost: {host}\n" + "x: y\n" * 5000,
        f"FROB /{BUCKET} HTTP/1.1\nHost: {host}\n",
        "GET / HTTP/1.1\nHost: [::::]\n",
        f"PUT {PATH} HTTP/1.1\nHost: {host}\nContent-Length: {'9' * 50}\n",
    ):
        answer = await raw(wire, head.replace("HTTP/1.1\n", "HTTP/1.1\nConnection: close\n", 1))
        assert not answer.startswith(b"HTTP/1.1 5"), (head[:80], answer[:500])
    odd = {"x-amz-meta-a": "\udcff"}
    headers = wire.signed("PUT", PATH)
    lines = "".join(f"{name}: {value}\n" for name, value in (headers | odd).items())
    answer = await raw(wire, f"PUT {PATH} HTTP/1.1\nHost: {host}\nConnection: close\n{lines}")
    assert answer.startswith(b"HTTP/1.1 4")
