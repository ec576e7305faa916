"""Buckets: life, names, lists, properties, summaries, remote ones (aistore.md §7, §10, §22)."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import xxhash

from neuro_client.local.services.aistore.cluster import Cluster

from .conftest import run
from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough

PATH = f"/v1/buckets/{BUCKET}"


async def check_life(wire: Wire, cluster: Cluster) -> None:
    again = await wire.call("POST", PATH, json=action("create-bck"))
    assert again.told == (409, "ErrBucketAlreadyExists")
    assert again.message == f'bucket "ais://{BUCKET}" already exists'
    assert again.headers["Content-Type"] == "application/json"
    assert again.headers["X-Content-Type-Options"] == "nosniff"
    assert set(again.json) == {
        *("tcode", "message", "method", "url_path"),
        *("remote_addr", "caller", "node", "status"),
    }
    head = await wire.good("HEAD", PATH)
    props = json.loads(head.headers["Ais-Bucket-Props"])
    assert (props["access"], props["checksum"]["type"]) == (str(2**64 - 1), "xxhash2")
    change = {"versioning": {"enabled": False}, "mirror": {"copies": 3}}
    await wire.good("PATCH", PATH, json=action("set-bprops", change))
    wrote = await wire.put("o", b"unversioned")
    assert "Ais-Version" not in wrote.headers
    for bad in ({"nothing": 1}, {"checksum": {"type": "crc7"}}, {"bid": "1"}, {"lru": 5}):
        answer = await wire.call("PATCH", PATH, json=action("set-bprops", bad))
        assert answer.status == 400, bad
    await wire.good("PATCH", PATH, json=action("reset-bprops"))
    await wire.good("DELETE", PATH, json=action("destroy-bck"))
    for method in ("DELETE", "HEAD"):
        gone = await wire.call(method, PATH, json=action("destroy-bck"))
        assert gone.told == (404, "ErrBckNotFound")
        assert gone.message == f'bucket "ais://{BUCKET}" does not exist'
    assert (await wire.good("GET", "/v1/buckets", json=action("list"))).body == b"[]"


async def check_access_mask(wire: Wire, cluster: Cluster) -> None:
    await wire.put("o", b"text")
    read_only = {"access": str(1 << 0 | 1 << 1)}
    await wire.good("PATCH", PATH, json=action("set-bprops", read_only))
    path = f"/v1/objects/{BUCKET}/o"
    assert (await wire.get("o"), (await wire.good("HEAD", path)).status) == (b"text", 200)
    for method in ("PUT", "DELETE"):
        assert (await wire.follow(method, path)).told == (403, "ErrObjectAccessDenied")
    listing = await wire.call("GET", PATH, json=action("list", {}))
    assert listing.told == (403, "ErrBucketAccessDenied")


async def check_names_and_namespaces(wire: Wire, cluster: Cluster) -> None:
    for name, query, status in (
        ("a..b", "", 400),
        (".hidden", "", 400),
        ("x" * 65, "", 400),
        ("sp%20ace", "", 400),
        ("ok-_.9", "", 200),
        ("other", "provider=ht", 400),
        ("other", "provider=nothing", 400),
        (BUCKET, "namespace=%23space", 200),
        (BUCKET, "namespace=%40%23space2", 200),
    ):
        answer = await wire.call("POST", f"/v1/buckets/{name}?{query}", json=action("create-bck"))
        assert answer.status == status, (name, query, answer)
    space = "provider=ais&namespace=%40%23space"
    await wire.good("PUT", f"/v1/objects/{BUCKET}/o?{space}", data=b"there")
    assert (await wire.names(query=space), await wire.names()) == (["o"], [])
    listed = (await wire.good("GET", f"/v1/buckets?{space}", json=action("list"))).json
    assert listed == [
        {"name": BUCKET, "provider": "ais", "namespace": {"uuid": "", "name": "space"}}
    ]
    missing = await wire.call("HEAD", "/v1/buckets/none?namespace=%40%23space")
    assert missing.message == 'bucket "ais://#space/none" does not exist'


async def check_pages(wire: Wire, cluster: Cluster) -> None:
    names = [f"d/o{number:03}" for number in range(25)] + ["top"]
    async with asyncio.TaskGroup() as group:
        for size, name in enumerate(names):
            group.create_task(wire.put(name, b"x" * size))
    pages, token, uuid = [], "", ""
    while True:
        page = await wire.listed(pagesize=13, continuation_token=token, uuid=uuid)
        pages.append([entry["name"] for entry in page["entries"] or []])
        token, uuid = page["continuation_token"], page["uuid"]
        if not token:
            break
    assert [len(page) for page in pages] == [13, 13, 0]
    assert [name for page in pages for name in page] == names
    assert await wire.names(prefix="t") == ["top"]
    assert await wire.names(start_after="d/o023") == ["d/o024", "top"]
    assert await wire.names(continuation_token="d/o023", uuid="stale") == ["d/o024", "top"]
    folders = await wire.listed(flags="2048")
    assert folders["entries"] == [
        {"name": "d/", "flags": 256},
        {"name": "top", "size": "25", "flags": 64},
    ]
    first = await wire.listed(flags="2048", pagesize=1)
    rest = await wire.listed(
        flags="2048", pagesize=1, continuation_token=first["continuation_token"]
    )
    assert [entry["name"] for entry in rest["entries"]] == ["top"]
    accept = {"Accept": "application/msgpack"}
    value = {"pagesize": 3, "flags": "0"}
    packed = await wire.good("GET", PATH, json=action("list", value), headers=accept)
    assert packed.headers["Content-Type"] == "application/msgpack"
    page = msgpack.unpackb(packed.body)
    assert (
        page.pop("UUID")
        in [
            name[5:-1]
            for name in (await wire.good("GET", "/v1/cluster?what=status_all", json={})).json or []
        ]
        or page
    )
    assert page == {
        "ContinuationToken": "d/o002",
        "Entries": [
            {"n": "d/o000", "f": 64},
            {"n": "d/o001", "s": 1, "f": 64},
            {"n": "d/o002", "s": 2, "f": 64},
        ],
        "Flags": 0,
    }


async def check_entries(wire: Wire, cluster: Cluster) -> None:
    empty = await wire.listed()
    assert empty["entries"] is None
    accept = {"Accept": "application/msgpack"}
    packed = await wire.good("GET", PATH, json=action("list", {}), headers=accept)
    assert msgpack.unpackb(packed.body)["Entries"] is None
    await wire.put("o", b"x")
    every = "name,size,version,checksum,atime,cached,status,copies,ec,custom,location"
    (entry,) = (await wire.listed(props=every))["entries"]
    assert entry["checksum"] == xxhash.xxh64_hexdigest(b"x")
    assert (entry["copies"], entry["version"], entry["flags"]) == (1, "1", 64)
    assert entry["location"].startswith("t[") and entry["atime"].endswith(" UTC")
    (entry,) = (await wire.listed(flags="1"))["entries"]
    assert set(entry) == {"name", "size", "checksum", "atime", "flags"}
    (entry,) = (await wire.listed(flags="16", props=every))["entries"]
    assert set(entry) == {"name", "flags"}
    layout = "2006-01-02T15:04:05.999999999Z07:00"
    (entry,) = (await wire.listed(props="atime", time_format=layout))["entries"]
    assert entry["atime"].endswith("Z") and "T" in entry["atime"]
    for target in cluster.targets:
        assert await wire.names(target=target.id) == ["o"]
    for bad in (
        {"flags": 64},
        {"flags": "x"},
        {"unknown": ""},
        {"target": "nobody"},
        {"flags": str(1 << 9)},
        {"flags": str(1 << 12)},
        {"pagesize": -1},
        {"prefix": 5},
    ):
        answer = await wire.call("GET", PATH, json=action("list", bad))
        assert answer.status in (400, 404), bad
    unknown = await wire.call("GET", PATH, json=action("list", {"unknown": ""}))
    assert "found unknown field: unknown" in unknown.message


async def check_summaries(wire: Wire, cluster: Cluster) -> None:
    for size in (1, 5, 9):
        await wire.put(f"o{size}", b"x" * size)
    first = await wire.call("GET", PATH, json=action("summary-bck", {"uuid": "", "prefix": ""}))
    assert first.status == 202
    ask = action("summary-bck", {"uuid": first.text, "prefix": ""})
    async with asyncio.timeout(10):
        while (answer := await wire.call("GET", PATH, json=ask)).status != 200:
            assert answer.status in (202, 206)
    (told,) = answer.json
    assert told["ObjCount"] == {"obj_count_present": "3", "obj_count_remote": "0"}
    assert told["ObjSize"] == {"obj_min_size": 1, "obj_avg_size": 5, "obj_max_size": 9}
    assert told["TotalSize"]["size_all_present_objs"] == "15"
    assert told["is_present"] is False
    answer = await wire.call("HEAD", f"{PATH}?bsumm_remote=false")
    uuid = answer.headers["Ais-Xaction-Id"]
    async with asyncio.timeout(10):
        while answer.status == 202:
            answer = await wire.call("HEAD", f"{PATH}?bsumm_remote=false&uuid={uuid}")
    assert json.loads(answer.headers["Ais-Bucket-Summ"])["ObjCount"]["obj_count_present"] == "3"
    unknown = action("summary-bck", {"uuid": "unknown"})
    assert (await wire.call("GET", PATH, json=unknown)).status == 404


def fill(cluster: Cluster, contents: dict[str, bytes]) -> Any:
    """Write files behind a cloud bucket; blocks."""
    folder = cluster.remote_root / "aws" / "cloud"
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


async def check_remote_buckets(wire: Wire, cluster: Cluster) -> None:
    listing = "/v1/buckets?provider=aws"
    missing = await wire.call("GET", listing, json=action("list"))
    assert missing.told == (400, "ErrMissingBackend")
    folder = await asyncio.to_thread(fill, cluster, {"d/one": b"1", "two": b"22", "three": b"333"})
    found = (await wire.good("GET", listing, json=action("list"))).json
    assert [bucket["name"] for bucket in found] == ["cloud"]
    gone = await wire.call("HEAD", "/v1/buckets/nothing?provider=s3")
    assert gone.told == (404, "ErrRemoteBckNotFound")
    assert gone.message == 'aws bucket "s3://nothing" does not exist'
    cloud, cached = ("cloud", "provider=aws"), "1"
    names = ["d/one", "three", "two"]
    assert await wire.names(*cloud, flags=str(1 << 8)) == names
    present = "/v1/buckets?provider=aws&presence=2"
    assert (await wire.good("GET", present, json=action("list"))).json == []
    assert await wire.names(*cloud, pagesize=2) == names[:2]
    path = "/v1/objects/cloud/two?provider=aws"
    head = await wire.good("HEAD", path)
    assert (head.headers["Ais-Present"], head.headers["Content-Length"]) == ("false", "2")
    read = await wire.good("GET", path)
    assert read.body == b"22" and "source=aws" in read.headers.getall("Ais-Custom-Md")
    assert await wire.names(*cloud, flags=cached) == ["two"]
    assert await wire.names(*cloud, flags=str(1 << 9)) == ["d/one", "three"]
    await asyncio.to_thread((folder / "two").write_bytes, b"newer")
    assert (await wire.good("GET", path)).body == b"22"
    changed = await wire.follow("HEAD", f"{path}&latest-ver=true")
    assert changed.status == 409
    diff = (await wire.listed(*cloud, flags=str(1 << 12)))["entries"]
    assert {entry["name"]: entry.get("flags", 0) for entry in diff}["two"] == 64 | 1 << 10
    assert (await wire.good("GET", f"{path}&latest-ver=true")).body == b"newer"
    await asyncio.to_thread(os.unlink, folder / "two")
    assert (await wire.follow("GET", f"{path}&latest-ver=true")).status == 410
    await wire.good("PUT", "/v1/objects/cloud/new/one?provider=aws", data=b"through")
    assert await asyncio.to_thread((folder / "new" / "one").read_bytes) == b"through"
    await wire.good("DELETE", "/v1/objects/cloud/new/one?provider=aws")
    assert not await asyncio.to_thread((folder / "new").exists)
    bucket = "/v1/buckets/cloud?provider=aws"
    job = await wire.job("POST", bucket, "prefetch-listrange", {"template": ""})
    assert (await wire.ended(job))["err"] == ""
    assert await wire.names(*cloud, flags=cached) == ["d/one", "three"]
    job = await wire.job("DELETE", bucket, "evict-listrange", {"objnames": ["three"]})
    await wire.ended(job)
    assert await wire.names(*cloud, flags=cached) == ["d/one"]
    await wire.good("DELETE", f"{bucket}&keep_bck_md=true", json=action("evict-remote-bck"))
    assert await wire.names(*cloud, flags=cached) == []
    blob = action("blob-download", {"chunk-size": "1MiB"}, "three")
    job = (await wire.good("POST", "/v1/objects/cloud?provider=aws", json=blob)).text
    assert (await wire.ended(job))["nodes"] == 1
    assert await wire.names(*cloud, flags=cached) == ["three"]
    for action_name in ("destroy-bck", "nothing"):
        assert (await wire.call("DELETE", bucket, json=action(action_name))).status == 400
    for method, name in (
        ("POST", "prefetch-listrange"),
        ("DELETE", "evict-listrange"),
        ("DELETE", "evict-remote-bck"),
    ):
        answer = await wire.call(method, PATH, json=action(name, {"template": ""}))
        assert answer.told == (400, "ErrNotRemoteBck"), name


async def check_older_servers(wire: Wire, cluster: Cluster) -> None:
    for version in ((3, 18), (4, 0)):
        await check_older_server(wire, cluster, version)
        for name in ("older", "copy"):
            await wire.call("DELETE", f"/v1/buckets/{name}", json=action("destroy-bck"))


async def check_older_server(wire: Wire, cluster: Cluster, version: tuple[int, int]) -> None:
    cluster.version = version
    old = version < (4, 0)
    await wire.create("older")
    wrote = await wire.put("o", b"text", "older")
    assert ("Ais-Version" not in wrote.headers) is old
    head = await wire.good("HEAD", "/v1/objects/older/o?props=size")
    assert head.headers["Ais-Checksum-Type"] == ("xxhash" if old else "xxhash2")
    location = (await wire.call("GET", "/v1/objects/older/o")).location
    assert location.query["utm"].isdecimal() is old
    missing = await wire.call("HEAD", "/v1/buckets/none")
    assert missing.told == (404, "" if old else "ErrBckNotFound")
    upload = await wire.follow("POST", "/v1/objects/older/o", json=action("mpt-upload"))
    assert (upload.status == 200) is not old
    value = {"prefix": "", "latest-ver": False}
    path = "/v1/buckets/older?bck_to=ais%2F%40%23%2Fcopy%2F"
    copy = await wire.call("POST", path, json=action("copy-bck", value))
    assert (copy.status == 200) is not old
    gone = await wire.call("HEAD", "/v1/buckets/none?provider=ht")
    assert (gone.status, "not configured" in gone.message) == (400, True)


CHECKS = (
    check_life,
    check_access_mask,
    check_names_and_namespaces,
    check_pages,
    check_entries,
    check_summaries,
    check_remote_buckets,
    check_older_servers,
)


async def test_buckets(wire: Wire, cluster: Cluster) -> None:
    await run(CHECKS, wire, cluster)
