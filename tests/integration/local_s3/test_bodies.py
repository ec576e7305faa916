"""Bodies: streams of chunks, checksums and lengths, each as it was promised or refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import google_crc32c
import pytest

from .files import stored_files
from .wire import BUCKET, Answer, ChunkSigner, Wire

pytestmark = pytest.mark.thorough

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
PATH = f"/{BUCKET}/key"
CHUNKS = [b"a" * 70_000, b"b" * 8192, b"c"]
CONTENT = b"".join(CHUNKS)


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc64nvme(data: bytes) -> bytes:
    """Compute it bit by bit, as its definition says."""
    value = (1 << 64) - 1
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
    return (value ^ (1 << 64) - 1).to_bytes(8, "big")


SUMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: google_crc32c.value(data).to_bytes(4, "big"),
    "crc64nvme": crc64nvme,
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


async def stream(
    wire: Wire,
    payload: str,
    build: Callable[[ChunkSigner], bytes],
    *,
    length: int = len(CONTENT),
    **more: str,
) -> Answer:
    """Put a body that is encoded by *build*."""
    headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(length)}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    signed = wire.signed("PUT", PATH, headers, payload=payload)
    return await wire.send("PUT", PATH, signed, build(ChunkSigner.of(wire, signed)))


def plain(trailer: str = "", chunks: list[bytes] = CHUNKS) -> bytes:
    """Return chunks without signatures."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return body + b"0\r\n" + trailer.encode() + b"\r\n"


def stated(body: bytes, _: ChunkSigner) -> bytes:
    return body


def signed_chunks(signer: ChunkSigner) -> bytes:
    return b"".join(signer.chunk(chunk) for chunk in (*CHUNKS, b""))


async def test_signed_chunks(wire: Wire) -> None:
    answer = await stream(wire, SIGNED, lambda s: signed_chunks(s) + b"\r\n")
    assert answer.status == 200, answer.body
    found = await wire.get("key")
    assert found.body == CONTENT
    assert "Content-Encoding" not in found.headers
    for build in (
        lambda s: signed_chunks(s).replace(b"bbb", b"bxb", 1) + b"\r\n",
        lambda s: s.chunk(CHUNKS[1]) + s.chunk(CHUNKS[0])[:-3] + b"x\r\n",
        lambda s: signed_chunks(s).replace(b"signature=", b"signature=0", 1) + b"\r\n",
        lambda s: signed_chunks(s)[:-4] + b"0000\r\n\r\n",
    ):  # fmt: skip
        assert (await stream(wire, SIGNED, build)).told == (403, "SignatureDoesNotMatch")
    swapped = await stream(
        wire, SIGNED, lambda s: (lambda a, b, end: b + a + end)(
            s.chunk(CHUNKS[0]), s.chunk(CONTENT[70_000:]), s.chunk(b"") + b"\r\n"
        )
    )  # fmt: skip
    assert swapped.told == (403, "SignatureDoesNotMatch")
    cut = await stream(wire, SIGNED, lambda s: s.chunk(CHUNKS[0]), length=70_000)
    assert cut.told == (400, "IncompleteBody")
    assert await wire.read("key") == CONTENT


async def test_trailers(wire: Wire) -> None:
    for name in SUMS:
        await check_trailers(wire, name)


async def check_trailers(wire: Wire, name: str) -> None:
    header, value = f"x-amz-checksum-{name}", encoded(SUMS[name](CONTENT))
    wrong = encoded(SUMS[name](b"other"))

    def build(value: str) -> Callable[[ChunkSigner], bytes]:
        return lambda signer: signed_chunks(signer) + signer.trailer(header, value)

    answer = await stream(wire, SIGNED_TRAILER, build(value), x_amz_trailer=header)
    assert answer.status == 200, answer.body
    assert answer.headers[header] == value
    answer = await stream(wire, SIGNED_TRAILER, build(wrong), x_amz_trailer=header)
    assert answer.told == (400, "BadDigest")
    answer = await stream(
        wire,
        SIGNED_TRAILER,
        lambda s: build(value)(s).replace(value.encode(), wrong.encode()),
        x_amz_trailer=header,
    )
    assert answer.told == (403, "SignatureDoesNotMatch")
    for told, status in ((f"{header}:{value}\r\n", 200), (f"{header}:{wrong}\r\n", 400), ("", 400)):
        answer = await stream(
            wire, UNSIGNED_TRAILER, partial(stated, plain(told)), x_amz_trailer=header
        )
        assert answer.status == status, (told, answer.body)
    found = await wire.get("key", x_amz_checksum_mode="ENABLED")
    assert (found.body, found.headers[header]) == (CONTENT, value)
    assert found.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert header not in (await wire.get("key")).headers


async def test_checksums_in_headers(wire: Wire) -> None:
    for name in SUMS:
        await check_headers(wire, name)


async def check_headers(wire: Wire, name: str) -> None:
    header, value = f"x-amz-checksum-{name}", encoded(SUMS[name](b"data"))
    answer = await wire.call("PUT", PATH, {header: value}, b"data")
    assert (answer.status, answer.headers[header]) == (200, value)
    assert (await wire.call("PUT", PATH, {header: value}, b"other")).told == (400, "BadDigest")
    two = {header: value, f"x-amz-checksum-{next(n for n in SUMS if n != name)}": "x"}
    assert (await wire.call("PUT", PATH, two, b"data")).told == (400, "InvalidRequest")
    head = await wire.call("HEAD", PATH, {"x-amz-checksum-mode": "ENABLED"})
    assert head.headers[header] == value


async def test_md5(wire: Wire) -> None:
    good = encoded(hashlib.md5(b"data").digest())
    assert (await wire.put("key", Content_MD5=good)).headers["ETag"] == (
        f'"{hashlib.md5(b"data").hexdigest()}"'
    )
    for told, code in ((good, "BadDigest"), ("x", "InvalidDigest"), ("ü", "InvalidDigest")):
        answer = await wire.call("PUT", PATH, {"Content-MD5": told}, b"other")
        assert answer.told == (400, code)
    assert await wire.read("key") == b"data"


async def test_garage_has_one_word_for_digests(garage: Wire) -> None:
    for headers in (
        {"Content-MD5": encoded(hashlib.md5(b"x").digest())},
        {"x-amz-checksum-crc32": "AAAAAA=="},
    ):
        assert (await garage.call("PUT", PATH, headers, b"y")).told == (400, "InvalidDigest")


NO_STREAMS = [
    *(b"", b"0", b"0\r\n", b"\r\n", b"g\r\n", b"-1\r\n", b"1_0\r\n", b"0x1\r\na\r\n0\r\n\r\n"),
    *(b" 1\r\na\r\n0\r\n\r\n", b"1\r\naa\r\n0\r\n\r\n", b"5\r\na", "\u0663\r\n".encode()),
    *(b"f" * 5000, b"f" * 16 + b"\r\n", b"1\r\na\r\n", b"1\r\na\r\n0\r\nname\r\n\r\n"),
    *(b"1\r\na\r\n0\r\n\r\nmore", b"1\r\na\r\n1\r\na\r\n0\r\n\r\n"),
    b"1\r\na\r\n0\r\n" + b"x:y\r\n" * 2 + b"\r\n",
    b"1\r\na\r\n0\r\n" + b"".join(b"x%d:y\r\n" % n for n in range(5000)) + b"\r\n",
]


async def test_streams_that_are_none(wire: Wire, tmp_path: Path) -> None:
    for body in NO_STREAMS:
        for payload in (UNSIGNED_TRAILER, SIGNED):
            answer = await stream(wire, payload, partial(stated, body), length=1)
            assert answer.status in (400, 403), (body[:40], answer.body)
            assert answer.code in ("IncompleteBody", "InvalidRequest", "SignatureDoesNotMatch")
    assert stored_files(tmp_path / "data") == set()


async def test_streams_need_their_length(wire: Wire) -> None:
    for text in (None, "", "x", "-1", "\u00b2", "9" * 5000):
        headers = {} if text is None else {"x-amz-decoded-content-length": text}
        answer = await wire.call("PUT", PATH, headers, plain(), UNSIGNED_TRAILER)
        assert answer.status in (400, 411), text
    for length in (0, len(CONTENT) - 1, len(CONTENT) + 1, 2**20 + 1):
        answer = await stream(wire, UNSIGNED_TRAILER, lambda _: plain(), length=length)
        assert answer.told == (400, "IncompleteBody"), length
    for payload in ("STREAMING-", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"):
        answer = await wire.call("PUT", PATH, {}, b"data", payload)
        assert answer.status in (400, 501), payload


async def test_a_body_without_a_length(wire: Wire) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"some"
        yield b"thing"

    headers = wire.signed("PUT", PATH, payload="UNSIGNED-PAYLOAD")
    answer = await wire.send("PUT", PATH, headers, pieces())
    assert answer.told == (411, "MissingContentLength")


async def test_unsigned_payload(wire: Wire) -> None:
    assert (await wire.call("PUT", PATH, {}, b"data", "UNSIGNED-PAYLOAD")).status == 200
    other = hashlib.sha256(b"other").hexdigest()
    answer = await wire.call("PUT", PATH, {}, b"new", other)
    assert answer.told == (400, "XAmzContentSHA256Mismatch")
    assert await wire.read("key") == b"data"


async def test_packed_bodies_stay_packed(wire: Wire) -> None:
    packed = gzip.compress(b"text" * 1000)
    await wire.put("zip", packed, Content_Encoding="gzip", Content_Type="text/plain")
    found = await wire.get("zip")
    assert (found.body, found.headers["Content-Encoding"]) == (packed, "gzip")


async def test_encodings_stay(wire: Wire) -> None:
    both = {"Content-Encoding": "x-own,aws-chunked", "x-amz-decoded-content-length": "4"}
    body = b"4\r\nabcd\r\n0\r\n\r\n"
    assert (await wire.call("PUT", PATH, both, body, UNSIGNED_TRAILER)).status == 200
    found = await wire.get("key")
    assert (found.body, found.headers["Content-Encoding"]) == (b"abcd", "x-own")
