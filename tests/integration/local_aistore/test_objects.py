"""Objects: bytes, checksums, ranges, properties, parts, appends, archives (aistore.md §8, §16)."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from aiohttp import ClientError

from neuro_client.local.services.aistore.cluster import Cluster
from neuro_client.local.services.aistore.names import Bck

from ...adversity.leftovers import until
from .conftest import run
from .wire import BUCKET, Answer, Wire, action

pytestmark = pytest.mark.thorough

PATH = f"/v1/objects/{BUCKET}/o"


def checksum_of(answer: Answer) -> tuple[str, str]:
    """Return kind and value of the checksum that an answer tells."""
    return answer.headers["Ais-Checksum-Type"], answer.headers["Ais-Checksum-Value"]


async def check_what_is_written_is_read(wire: Wire, cluster: Cluster) -> None:
    for content in (b"", b"hello world", os.urandom(2**20), os.urandom(3 * 2**20 + 5)):
        wrote = await wire.put("o", content)
        assert wrote.body == b"" and wrote.headers["Content-Length"] == "0"
        expected = "xxhash2", xxhash.xxh64_hexdigest(content)
        assert checksum_of(wrote) == expected
        read = await wire.good("GET", PATH)
        assert (read.body, checksum_of(read)) == (content, expected)
        assert read.headers["Content-Type"] == "application/octet-stream"
        assert read.headers["Content-Length"] == str(len(content))
    assert read.headers["Ais-Version"] == "4"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 600_000

    await wire.good("PUT", PATH, data=pieces())
    assert await wire.get("o") == b"x" * 1_800_000


async def check_checksums(wire: Wire, cluster: Cluster) -> None:
    content = b"hello world"
    for kind, value in {
        "xxhash2": "45ab6734b21e6968",
        "xxhash": "45ab6734b21e6968",
        "md5": hashlib.md5(content).hexdigest(),
        "crc32c": "c99465aa",
        "sha256": hashlib.sha256(content).hexdigest(),
        "sha512": hashlib.sha512(content).hexdigest(),
    }.items():
        bucket = f"with-{kind}"
        await wire.create(bucket, value={"checksum": {"type": kind}})
        path = f"/v1/objects/{bucket}/o"
        headers = {"Ais-Checksum-Type": kind, "Ais-Checksum-Value": value}
        first = await wire.good("PUT", path, data=content, headers=headers)
        assert checksum_of(first) == (kind, value)
        again = await wire.good("PUT", path, data=content, headers=headers)
        assert not [name for name in again.headers if name.startswith("Ais-")]
        wrong = {**headers, "Ais-Checksum-Value": "00" + value[2:]}
        refused = await wire.follow("PUT", path, data=b"other", headers=wrong)
        assert refused.told == (500, "ErrBadCksum")
        assert (await wire.good("GET", path)).headers["Ais-Version"] == "1"
    other = {"Ais-Checksum-Type": "md5", "Ais-Checksum-Value": hashlib.md5(content).hexdigest()}
    again = await wire.good("PUT", "/v1/objects/with-xxhash2/o", data=content, headers=other)
    assert again.headers["Ais-Version"] == "2"
    unknown = {"Ais-Checksum-Type": "crc7", "Ais-Checksum-Value": "1"}
    assert (await wire.follow("PUT", PATH, data=b"", headers=unknown)).status == 400


async def check_ranges(wire: Wire, cluster: Cluster) -> None:
    content = bytes(range(100))
    await wire.put("o", content)
    whole = checksum_of(await wire.good("GET", PATH))
    for text, first, last in (
        ("bytes=2-5", 2, 5),
        ("bytes=90-", 90, 99),
        ("bytes=-7", 93, 99),
        ("bytes=50-1000", 50, 99),
    ):
        answer = await wire.good("GET", PATH, headers={"Range": text})
        assert (answer.status, answer.body) == (206, content[first : last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/100"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert checksum_of(answer) == whole
    answer = await wire.follow("GET", PATH, headers={"Range": "bytes=100-"})
    assert answer.told == (416, "ErrRangeNotSatisfiable")
    assert answer.headers["Content-Range"] == "bytes */100"
    answer = await wire.follow("GET", PATH, headers={"Range": "bytes=1-2,4-5"})
    assert answer.told == (416, "ErrUnsupp")
    props = {"checksum": {"enable_read_range": True}}
    await wire.good("PATCH", f"/v1/buckets/{BUCKET}", json=action("set-bprops", props))
    answer = await wire.good("GET", PATH, headers={"Range": "bytes=2-5"})
    assert checksum_of(answer)[1] == xxhash.xxh64_hexdigest(content[2:6])


async def check_heads_properties_and_removal(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", b"hello world")
    head = (await wire.good("HEAD", PATH)).headers
    assert (head["Ais-Name"], head["Ais-Bucket-Name"], head["Ais-Present"]) == ("o", BUCKET, "true")
    assert head["Ais-Location"].startswith(f"t[{cluster.owner(Bck(BUCKET), 'o')}]:mp[")
    chosen = (await wire.good("HEAD", f"{PATH}?props=size")).headers
    told = {name for name in chosen if name.startswith("Ais-")}
    assert (told, chosen["Content-Length"]) == ({"Ais-Present"}, "11")
    full = "checksum,atime,version,copies,ec,custom,location,chunked,last-modified,etag"
    head = (await wire.good("HEAD", f"{PATH}?props={full}")).headers
    assert head["ETag"].startswith('"v1-45ab6734b21e6968-') and "Last-Modified" in head
    assert (await wire.follow("HEAD", f"{PATH}?props=cached")).status == 400
    await wire.good("PATCH", PATH, json=action("", {"a": "1", "b": "x=y,z=="}))
    await wire.good("PATCH", PATH, json=action("", {"c": "3"}))
    await wire.put("o", b"over it")
    read = await wire.good("GET", PATH)
    assert read.headers.getall("Ais-Custom-Md") == ["a=1", "b=x=y,z==", "c=3"]
    assert read.headers["Ais-Version"] == "2"
    await wire.good("PATCH", f"{PATH}?set-new-custom=true", json=action("", {"d": "4"}))
    head = (await wire.good("HEAD", PATH)).headers
    assert head.getall("Ais-Custom-Md") == ["d=4"]
    assert (await wire.follow("PATCH", PATH, json=action("", {"a": "1\n"}))).status == 400
    await wire.good("POST", PATH, json=action("rename-obj", about="moved/o"))
    assert await wire.get("moved/o") == b"over it"
    copy = f"/v1/objects/{BUCKET}/moved/o?object_to=ais/@%23/{BUCKET}/copied"
    await wire.good("PUT", copy)
    assert await wire.names() == ["copied", "moved/o"]
    await wire.good("DELETE", f"/v1/objects/{BUCKET}/copied")
    gone = await wire.follow("DELETE", f"/v1/objects/{BUCKET}/copied")
    assert (gone.told, gone.message) == ((404, ""), f"ais://{BUCKET}/copied doesn't exist")
    evict = action("evict-listrange")
    await wire.good("DELETE", f"/v1/objects/{BUCKET}/moved/o", json=evict)
    missing = await wire.follow("HEAD", PATH)
    assert (missing.told, missing.body) == ((404, "ErrNotFound"), b"")
    assert missing.message.endswith(f"]: ais://{BUCKET}/o does not exist")


async def check_locks(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", b"text")
    probe = action("check-lock")
    assert (await wire.follow("POST", PATH, json=probe)).status == 200
    content = cluster.content
    for exclusive, status in ((False, 202), (True, 423)):
        with content.locked(Bck(BUCKET), "o", exclusive=exclusive):
            assert (await wire.follow("POST", PATH, json=probe)).status == status


async def check_parts(wire: Wire, cluster: Cluster) -> None:
    upload = (await wire.good("POST", PATH, json=action("mpt-upload"))).text
    for number, content in ((3, b"ghi"), (1, b"old"), (2, b"def"), (1, b"abc")):
        query = f"?uploadId={upload}&partNumber={number}"
        part = await wire.good("PUT", PATH + query, data=content)
        assert "ETag" not in part.headers
    assert await wire.names() == []
    for bad in ([], [{"part-number": 9}], [{"part-number": 1, "x": 1}], [{"part-number": "1"}]):
        answer = await wire.follow(
            "POST", f"{PATH}?uploadId={upload}", json=action("mpt-complete", bad)
        )
        assert answer.status == 400
    parts = [{"part-number": number, "etag": ""} for number in (2, 1)]
    done = action("mpt-complete", parts)
    await wire.good("POST", f"{PATH}?uploadId={upload}", json=done)
    read = await wire.good("GET", PATH)
    assert read.body == b"abcdef"
    assert checksum_of(read)[1] == xxhash.xxh64_hexdigest(b"abcdef")
    part = await wire.good("GET", PATH, headers={"Range": "bytes=2-3"})
    assert part.body == b"cd"
    head = (await wire.good("HEAD", f"{PATH}?props=chunked")).headers
    assert (head["Ais-Chunks-Count"], head["Ais-Chunks-Max-Chunk-Size"]) == ("2", "3")
    for query in (f"?uploadId={upload}", "?uploadId=unknown"):
        assert (await wire.follow("POST", PATH + query, json=done)).status == 404
    upload = (await wire.good("POST", PATH, json=action("mpt-upload"))).text
    query = f"?uploadId={upload}"
    await wire.good("PUT", f"{PATH}{query}&partNumber=1", data=b"x")
    abort = action("mpt-abort")
    await wire.good("DELETE", PATH + query, json=abort)
    assert (await wire.follow("DELETE", PATH + query, json=abort)).status == 404


async def check_appends(wire: Wire, cluster: Cluster) -> None:
    handle = ""
    for piece in (b"one ", b"two ", b"three"):
        path = f"{PATH}?append_type=append&append_handle={handle}"
        answer = await wire.good("PUT", path, data=piece)
        handle = answer.headers["Ais-Append-Handle"].replace("|", "%7C").replace("=", "%3D")
    assert await wire.names() == []
    flush = f"{PATH}?append_type=flush&append_handle={handle}"
    await wire.good("PUT", flush)
    assert await wire.get("o") == b"one two three"
    assert (await wire.follow("PUT", flush)).status == 400
    more = await wire.good("PUT", f"{PATH}?append_type=append", data=b" four")
    handle = more.headers["Ais-Append-Handle"].replace("|", "%7C").replace("=", "%3D")
    assert await wire.get("o") == b"one two three"
    await wire.good("PUT", f"{PATH}?append_type=flush&append_handle={handle}")
    assert await wire.get("o") == b"one two three four"
    assert (await wire.follow("PUT", f"{PATH}?append_type=other")).status == 400


async def check_archives(wire: Wire, cluster: Cluster) -> None:
    for kind in (".tar", ".tgz", ".tar.gz", ".zip"):
        await check_archive(wire, kind)


async def check_archive(wire: Wire, kind: str) -> None:
    path = f"/v1/objects/{BUCKET}/shard{kind}"
    append, only = {"Ais-Pine": "2"}, {"Ais-Pine": "1"}
    refused = await wire.follow("PUT", f"{path}?archpath=a.txt", data=b"1", headers=only)
    assert refused.status == 404
    await wire.good("PUT", f"{path}?archpath=a.txt", data=b"first", headers=append)
    await wire.good("PUT", f"{path}?archpath=d/b.txt", data=b"second", headers=only)
    member = await wire.good("GET", f"{path}?archpath=/d/b.txt")
    assert member.body == b"second"
    assert not [name for name in member.headers if name.startswith("Ais-")]
    assert (await wire.follow("GET", f"{path}?archpath=none")).told == (404, "ErrNotFound")
    refused = await wire.follow("GET", f"{path}?archpath=a.txt", headers={"Range": "bytes=0-1"})
    assert refused.told == (400, "ErrUnsupp")
    for mode, text, names in (
        ("prefix", "d/", ["d/b.txt"]),
        ("suffix", ".txt", ["a.txt", "d/b.txt"]),
        ("substr", "b", ["d/b.txt"]),
        ("wdskey", "d/b", ["d/b.txt"]),
        ("regexp", "^a", ["a.txt"]),
    ):
        some = await wire.good("GET", f"{path}?archregx={text}&archmode={mode}")
        assert some.headers["Content-Type"] == "application/x-tar"
        with tarfile.open(fileobj=io.BytesIO(some.body)) as tar:
            assert tar.getnames() == names, mode
    entries = (await wire.listed(flags="8", prefix=f"shard{kind}"))["entries"]
    assert [entry["name"] for entry in entries] == [
        f"shard{kind}",
        f"shard{kind}/a.txt",
        f"shard{kind}/d/b.txt",
    ]
    assert [entry["flags"] for entry in entries] == [576, 192, 192]


async def check_what_breaks_off_leaves_nothing(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", b"old")
    location = (await wire.call("PUT", PATH)).location

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        raise RuntimeError("enough")

    before = stored(cluster)
    for size in (None, "3000000"):
        headers: Any = {} if size is None else {"Content-Length": size}
        with pytest.raises((ClientError, RuntimeError)):
            await wire.call("PUT", location, data=broken(), headers=headers)
    assert await wire.get("o") == b"old"
    await until(lambda: stored(cluster) == before, "what broke off is still there")


def stored(cluster: Cluster) -> list[Path]:
    """Return the files that hold bytes of objects; blocks."""
    return sorted((cluster.folder / "objects").glob("*/*"))


CHECKS = (
    check_what_is_written_is_read,
    check_checksums,
    check_ranges,
    check_heads_properties_and_removal,
    check_locks,
    check_parts,
    check_appends,
    check_archives,
    check_what_breaks_off_leaves_nothing,
)


async def test_objects(wire: Wire, cluster: Cluster) -> None:
    await run(CHECKS, wire, cluster)
