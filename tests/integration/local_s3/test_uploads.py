"""Uploads in parts: in every order, copied, replaced, completed and aborted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from .files import named_files, stored_files
from .test_bodies import SUMS, encoded
from .wire import BUCKET, Answer, Wire

pytestmark = pytest.mark.thorough

PATH = f"/{BUCKET}/key"
MIB = 2**20
LEAST = 5 * MIB


@attrs.frozen
class Upload:
    """Be one unfinished upload."""

    wire: Wire
    id: str
    path: str = PATH

    @classmethod
    async def begin(cls, wire: Wire, path: str = PATH, **headers: str) -> Upload:
        """Begin it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await wire.call("POST", f"{path}?uploads=", named)
        assert answer.status == 200, answer.body
        return cls(wire, answer.xml.findtext("UploadId", ""), path)

    async def part(self, number: int | str, body: bytes, **headers: str) -> Answer:
        """Send a part."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"{self.path}?partNumber={number}&uploadId={self.id}"
        return await self.wire.call("PUT", path, named, body)

    async def complete(self, *parts: tuple[int, str], more: str = "", **headers: str) -> Answer:
        """Complete it with numbers and ETags."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        inner = "".join(
            f"<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber>{more}</Part>"
            for number, etag in parts
        )
        body = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
        return await self.wire.call("POST", f"{self.path}?uploadId={self.id}", named, body)

    async def abort(self) -> Answer:
        """Drop it."""
        return await self.wire.call("DELETE", f"{self.path}?uploadId={self.id}")

    async def parts(self, query: str = "") -> Answer:
        """List its parts."""
        return await self.wire.call("GET", f"{self.path}?uploadId={self.id}{query}")


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


@pytest.mark.thorough
async def test_parts_in_any_order(garage: Wire, tmp_path: Path) -> None:
    upload = await Upload.begin(garage, x_amz_meta_a="1", Content_Type="a/b")
    bodies = {1: b"one", 2: b"2" * (2 * MIB), 7: b"seven", 10_000: b"last"}
    for number in (10_000, 2, 1, 7):
        sent = await upload.part(number, bodies[number])
        assert sent.headers["ETag"] == etag(bodies[number])
    await upload.part(7, b"older")
    await upload.part(7, bodies[7])
    assert (await garage.get("key")).status == 404
    answer = await upload.complete(*((number, etag(body)) for number, body in bodies.items()))
    digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies.values()))
    assert answer.texts("ETag") == [f'"{digest.hexdigest()}-4"']
    found = await garage.get("key")
    assert found.body == b"".join(bodies.values())
    assert (found.headers["x-amz-meta-a"], found.headers["Content-Type"]) == ("1", "a/b")
    assert found.headers["ETag"] == f'"{digest.hexdigest()}-4"'
    across = await garage.get("key", Range=f"bytes=2-{2 * MIB + 5}")
    assert across.body == b"".join(bodies.values())[2 : 2 * MIB + 6]
    part = await garage.call("GET", f"{PATH}?partNumber=3")
    assert (part.status, part.body, part.headers["x-amz-mp-parts-count"]) == (206, b"seven", "4")
    assert (await garage.call("GET", f"{PATH}?partNumber=5")).told == (416, "InvalidRange")
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")
    for again in (
        await upload.complete((1, etag(b"one"))),
        await upload.part(1, b"x"),
        await upload.abort(),
        await upload.parts(),
    ):
        assert again.told == (404, "NoSuchUpload")


async def test_wrong_lists(wire: Wire) -> None:
    upload = await Upload.begin(wire)
    small, large = b"small", b"x" * LEAST
    await upload.part(1, small)
    await upload.part(2, large)
    await upload.part(3, small)
    for parts, code in [
        ([], "MalformedXML"),
        ([(1, etag(large))], "InvalidPart"),
        ([(4, etag(small))], "InvalidPart"),
        ([(0, etag(small))], "InvalidPart"),
        ([(2, etag(large)), (1, etag(small))], "InvalidPartOrder"),
        ([(2, etag(large)), (2, etag(large))], "InvalidPartOrder"),
        ([(1, etag(small)), (2, etag(large))], "EntityTooSmall"),
    ]:
        assert (await upload.complete(*parts)).told == (400, code), parts
    path = f"{PATH}?uploadId={upload.id}"
    number = "<Part><ETag>x</ETag><PartNumber>%s</PartNumber></Part>"
    wrap = "<CompleteMultipartUpload>%s</CompleteMultipartUpload>"
    odd_numbers = [wrap % (number % odd) for odd in ("\u00b2", "9" * 6000, "-1", " ", "1e1")]
    for body in ["", "<", "<Other/>", wrap % "<Part/>", *odd_numbers]:
        answer = await wire.call("POST", path, body=body.encode())
        assert answer.status == 400 and answer.code in ("MalformedXML", "InvalidPart"), body
    for odd in ("0", "10001", "x", "-1", "", "9" * 6000):
        assert (await upload.part(odd, b"")).told == (400, "InvalidArgument")
    assert (await upload.complete((2, etag(large)), x_amz_mp_object_size="1")).status == 400
    assert (await upload.complete((2, etag(large)), (3, etag(small)))).status == 200


async def test_small_print_of_garage(garage: Wire) -> None:
    upload = await Upload.begin(garage)
    assert (await upload.part(1, b"")).told == (400, "InvalidRequest")
    assert (await upload.complete()).told == (400, "EntityTooSmall")
    crc = encoded(SUMS["crc32"](b"a"))
    summed = await Upload.begin(garage, x_amz_checksum_algorithm="CRC32")
    await summed.part(1, b"a", x_amz_checksum_crc32=crc)
    assert (await summed.complete((1, etag(b"a")))).told == (400, "InvalidDigest")
    told = f"<ChecksumCRC32>{crc}</ChecksumCRC32>"
    assert (await summed.complete((1, etag(b"a")), more=told)).status == 200


async def test_conditions_of_completion(garage: Wire, tmp_path: Path) -> None:
    first = (await garage.put("key", b"first")).headers["ETag"]
    upload = await Upload.begin(garage)
    await upload.part(1, b"next")
    failed = await upload.complete((1, etag(b"next")), If_None_Match="*")
    assert failed.told == (412, "PreconditionFailed")
    failed = await upload.complete((1, etag(b"next")), If_Match='"x"')
    assert failed.told == (412, "PreconditionFailed")
    assert await garage.read("key") == b"first"
    assert (await upload.complete((1, etag(b"next")), If_Match=first)).status == 200
    assert await garage.read("key") == b"next"
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


@pytest.mark.thorough
async def test_completed_by_two_at_once(garage: Wire, tmp_path: Path) -> None:
    upload = await Upload.begin(garage)
    await upload.part(1, b"data")
    answers = await asyncio.gather(*(upload.complete((1, etag(b"data"))) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [404] * 5
    assert await garage.read("key") == b"data"
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_copied_parts(garage: Wire, tmp_path: Path) -> None:
    await garage.put("source", bytes(range(200)))
    upload = await Upload.begin(garage)
    source = {"x_amz_copy_source": f"/{BUCKET}/source"}
    whole = await upload.part(1, b"", **source)
    assert whole.texts("ETag") == [etag(bytes(range(200)))]
    some = await upload.part(2, b"", **source, x_amz_copy_source_range="bytes=10-19")
    assert some.texts("ETag") == [etag(bytes(range(10, 20)))]
    for odd in ("bytes=0-200", "bytes=5-4", "bytes=-5", "0-5", "bytes=0-\u0663"):
        answer = await upload.part(3, b"", **source, x_amz_copy_source_range=odd)
        assert answer.told == (400, "InvalidArgument"), odd
    failed = await upload.part(3, b"", **source, x_amz_copy_source_if_match='"x"')
    assert failed.told == (412, "PreconditionFailed")
    await upload.complete((1, whole.texts("ETag")[0]), (2, some.texts("ETag")[0]))
    assert await garage.read("key") == bytes(range(200)) + bytes(range(10, 20))
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_aborted_while_a_part_arrives(wire: Wire, tmp_path: Path) -> None:
    upload = await Upload.begin(wire)
    await upload.part(1, b"there")
    begun, gone = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        begun.set()
        await gone.wait()
        yield b"x" * MIB

    path = f"{PATH}?partNumber=2&uploadId={upload.id}"
    headers = wire.signed("PUT", path, {"Content-Length": str(2 * MIB)}, payload="UNSIGNED-PAYLOAD")
    sending = asyncio.create_task(wire.send("PUT", path, headers, pieces()))
    await begun.wait()
    assert (await upload.abort()).status == 204
    gone.set()
    assert (await sending).told == (404, "NoSuchUpload")
    assert (await wire.call("GET", f"/{BUCKET}?uploads=")).texts("Upload") == []
    assert stored_files(tmp_path / "data") == set()


async def test_lists_of_parts(wire: Wire) -> None:
    upload = await Upload.begin(wire)
    for number in (1, 3, 5):
        await upload.part(number, b"x" * number)
    found: list[str] = []
    marker = "0"
    while True:
        answer = await upload.parts(f"&max-parts=2&part-number-marker={marker}")
        found += answer.texts("Part/PartNumber")
        marker = answer.xml.findtext("NextPartNumberMarker", "")
        if answer.texts("IsTruncated") == ["false"]:
            break
    assert found == ["1", "3", "5"]
    assert answer.texts("Part/Size") == ["5"]
    assert answer.texts("Part/ETag") == [etag(b"xxxxx")]


async def test_lists_of_uploads(wire: Wire) -> None:
    names = ["a", "a", "a", "b/1", "b/2", "c"]
    ids = [(await Upload.begin(wire, f"/{BUCKET}/{name}")).id for name in names]
    found: list[tuple[str, str]] = []
    more = ""
    for _ in names:
        answer = await wire.call("GET", f"/{BUCKET}?max-uploads=1&uploads={more}")
        found += zip(answer.texts("Upload/Key"), answer.texts("Upload/UploadId"), strict=True)
        if answer.texts("IsTruncated") == ["false"]:
            break
        marker = answer.texts("NextKeyMarker")[0].replace("/", "%2F")
        more = f"&key-marker={marker}&upload-id-marker={answer.texts('NextUploadIdMarker')[0]}"
    assert found == list(zip(names, ids, strict=True))
    answer = await wire.call("GET", f"/{BUCKET}?delimiter=%2F&uploads=")
    assert answer.texts("Upload/Key") == ["a", "a", "a", "c"]
    assert answer.texts("CommonPrefixes/Prefix") == ["b/"]
    answer = await wire.call("GET", f"/{BUCKET}?prefix=b%2F&uploads=")
    assert answer.texts("Upload/Key") == ["b/1", "b/2"]
    answer = await wire.call("GET", f"/{BUCKET}?key-marker=a&uploads=")
    assert answer.texts("Upload/Key") == ["b/1", "b/2", "c"]
    usage = await wire.platform.s3.usage(BUCKET)
    assert (usage.objects, usage.unfinished_uploads) == (0, 6)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
async def test_checksums(garage: Wire, kind: str) -> None:
    bodies = [b"a" * (MIB // 4), b"end"]
    for name, digest in SUMS.items():
        if name in (("sha1", "sha256") if kind == "FULL_OBJECT" else ("crc64nvme",)):
            continue
        header = f"x-amz-checksum-{name}"
        upload = await Upload.begin(
            garage, x_amz_checksum_algorithm=name.upper(), x_amz_checksum_type=kind
        )
        for number, body in enumerate(bodies, 1):
            value = encoded(digest(body))
            sent = await upload.part(number, body, **{header: value})
            assert sent.headers[header] == value
        wrong = await upload.part(3, b"x", **{header: value})
        assert wrong.told == (400, "InvalidDigest")
        if kind == "FULL_OBJECT":
            whole = encoded(digest(b"".join(bodies)))
        else:
            whole = f"{encoded(digest(b''.join(map(digest, bodies))))}-{len(bodies)}"
        listed = [(number, etag(body)) for number, body in enumerate(bodies, 1)]
        parts = "".join(
            f"<Part><ETag>{tag}</ETag><PartNumber>{number}</PartNumber><Checksum{name.upper()}>"
            f"{encoded(digest(bodies[number - 1]))}</Checksum{name.upper()}></Part>"
            for number, tag in listed
        )
        content = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        path = f"{PATH}?uploadId={upload.id}"
        bad = await garage.call("POST", path, {header: encoded(digest(b"bad"))}, content)
        assert bad.told == (400, "InvalidDigest")
        done = await garage.call("POST", path, {header: whole}, content)
        assert done.status == 200, (name, done.body)
        assert done.texts(f"Checksum{name.upper()}") == [whole]
        head = await garage.call("HEAD", PATH, {"x-amz-checksum-mode": "ENABLED"})
        assert (head.headers[header], head.headers["x-amz-checksum-type"]) == (whole, kind)
