"""Jobs: groups, copies, renames, batches, promotion (aistore.md §11, §12, §16, §22)."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from email import message_from_bytes
from typing import Any

import pytest

from neuro_client.local.services.aistore.cluster import Cluster
from neuro_client.local.services.aistore.errors import AISError
from neuro_client.local.services.aistore.templates import parse

from .conftest import run
from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough

PATH = f"/v1/buckets/{BUCKET}"
TO = {"name": "dst", "provider": "ais"}


def test_templates() -> None:
    for text, names in (
        ("o{01..03}", ["o01", "o02", "o03"]),
        ("p{0..002}", ["p0", "p1", "p2"]),
        ("p@2", ["p0", "p1", "p2"]),
        ("o@11", [f"o{number:02}" for number in range(12)]),
        ("p@002", ["p000", "p001", "p002"]),
        ("o{0..10..5}", ["o0", "o5", "o10"]),
        ("o{1..2}{0..1}", ["o10", "o11", "o20", "o21"]),
    ):
        assert list(parse(text, strict=True).names()) == names, text
    for text in ("{a,b}", "o{a..c}", "o{3..1}", "o{1..2"):
        assert parse(text, strict=False).prefix == text
        with pytest.raises(AISError):
            parse(text, strict=True)
    assert (parse("*", strict=True).prefix, parse("o1", strict=True).prefix) == ("", "o1")
    with pytest.raises(AISError):
        parse("{0..99999}{0..999}", strict=False)


async def filled(wire: Wire, count: int = 12) -> None:
    """Write small objects."""
    for number in range(count):
        await wire.put(f"o{number:02}", b"x" * number)


async def check_groups(wire: Wire, cluster: Cluster) -> None:
    await filled(wire)
    value: dict[str, Any] = {"template": "o{01..03}", "tobck": TO, "prepend": "c/"}
    job = await wire.job("POST", PATH, "copy-listrange", value)
    found = await wire.ended(job)
    assert (found["kind"], found["aborted"], found["nodes"]) == ("copy-listrange", False, 2)
    assert found["src-bck"]["name"] == BUCKET and found["dst-bck"]["name"] == "dst"
    assert await wire.names("dst") == ["c/o01", "c/o02", "c/o03"]
    status = await wire.call("GET", "/v1/cluster?what=status", json={"id": job})
    assert status.told == (404, "ErrXactNonIC")
    missing = {"objnames": ["o01", "none", "o02"]}
    job = await wire.job("DELETE", PATH, "delete-listrange", missing)
    found = await wire.ended(job)
    assert found["err"].endswith(f"ais://{BUCKET}/none does not exist") and not found["aborted"]
    status = (await wire.good("GET", "/v1/cluster?what=status", json={"ID": job})).json
    assert status["end_time"] > 10**18 and status["err"] == found["err"]
    assert len(await wire.names()) == 10
    for name, error in (("copy-listrange", True), ("delete-listrange", False)):
        job = await wire.job(
            "POST" if error else "DELETE",
            PATH,
            name,
            {"template": "o{03..20}", **({"tobck": TO} if error else {})},
        )
        assert (await wire.ended(job))["err"] == ""
    assert await wire.names() == ["o00"]
    for name, method, status_code in (
        ("delete-listrange", "DELETE", 400),
        ("copy-listrange", "POST", 200),
    ):
        for text in ("{a,b}", "o{a..c}", "o{3..1}"):
            more = {"tobck": TO} if method == "POST" else {}
            answer = await wire.call(method, PATH, json=action(name, {"template": text, **more}))
            assert answer.status == status_code, (name, text)
    unknown = action("delete-listrange", {"template": "", "unknown": 1})
    assert (await wire.call("DELETE", PATH, json=unknown)).status == 400


async def check_archiving(wire: Wire, cluster: Cluster) -> None:
    await filled(wire, 4)
    value = {"template": "o{00..02}", "archname": "a.tgz", "tobck": TO, "isbn": True}
    await wire.ended(await wire.job("PUT", PATH, "archive", value))
    packed = await wire.get("a.tgz", "dst")
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == [f"{BUCKET}/o00", f"{BUCKET}/o01", f"{BUCKET}/o02"]
    value = {"objnames": ["o03"], "archname": "a.tgz", "tobck": TO, "aate": True}
    await wire.ended(await wire.job("PUT", PATH, "archive", value))
    member = await wire.good("GET", "/v1/objects/dst/a.tgz?archpath=o03")
    assert member.body == b"xxx"
    for bad in (
        {"archname": "a.rar"},
        {"archname": "a.tar", "mime": "tar"},
        {"archname": "a.tar", "mime": ".zip"},
    ):
        answer = await wire.call("PUT", PATH, json=action("archive", {"template": "", **bad}))
        assert answer.told == (400, "errUnknownFileExt"), bad
    value = {"objnames": ["none"], "archname": "b.tar"}
    found = await wire.ended(await wire.job("PUT", PATH, "archive", value))
    assert found["aborted"] and "does not exist" in found["err"]
    assert "b.tar" not in await wire.names()


async def check_copies_and_renames(wire: Wire, cluster: Cluster) -> None:
    await filled(wire, 4)
    await wire.put("a.jpg", b"picture")
    to = f"{PATH}?bck_to=ais%2F%40%23%2Fdst%2F"
    dry = await wire.job("POST", to, "copy-bck", {"prefix": "o*", "dry_run": True})
    assert (await wire.ended(dry))["objects"] == 4
    assert (await wire.call("HEAD", "/v1/buckets/dst")).status == 404
    job = await wire.job("POST", to, "copy-bck", {"prefix": "o*", "prepend": "p-"})
    await wire.ended(job)
    assert await wire.names("dst") == ["p-o00", "p-o01", "p-o02", "p-o03"]
    assert await wire.get("p-o03", "dst") == b"xxx"
    self_copy = f"{PATH}?bck_to=ais%2F%40%23%2F{BUCKET}%2F"
    assert (await wire.call("POST", self_copy, json=action("copy-bck", {}))).status == 400
    for taken in ("dst", BUCKET):
        path = f"{PATH}?bck_to=ais%2F%40%23%2F{taken}%2F"
        assert (await wire.call("POST", path, json=action("move-bck"))).status == 400
    with cluster.jobs.hold():
        moving = f"{PATH}?bck_to=ais%2F%40%23%2Fmoved%2F"
        job = await wire.job("POST", moving, "move-bck")
        status = (await wire.good("GET", "/v1/cluster?what=status", json={"id": job})).json
        assert (status["kind"], status["end_time"]) == ("move-bck", 0)
        path = "/v1/buckets/dst?bck_to=ais%2F%40%23%2Fthird%2F"
        busy = await wire.call("POST", path, json=action("copy-bck", {}))
        assert busy.told == (409, "ErrLimitedCoexistence")
        running = (await wire.good("GET", "/v1/cluster?what=running_all", json={})).json
        assert f"move-bck[{job}]" in running
        other = (await wire.good("POST", path, json=action("copy-bck", {"force": True}))).text
        stop = {"ID": other, "Kind": "copy-bck"}
        await wire.good("PUT", "/v1/cluster", json=action("stop", stop))
        found = await wire.ended(other)
        assert found["aborted"] and found["abort-err"]
    await wire.ended(job)
    assert (await wire.call("HEAD", PATH)).status == 404
    assert len(await wire.names("moved")) == 5
    assert await wire.get("o03", "moved") == b"xxx"


async def check_questions_and_orders(wire: Wire, cluster: Cluster) -> None:
    ask = "/v1/cluster?what="
    nothing = await wire.good("GET", f"{ask}status_all", json={"kind": "copy-bucket"})
    assert (nothing.body, nothing.headers["Content-Type"]) == (
        b"null",
        "text/plain; charset=utf-8",
    )
    for what in ("status", "qryxstats"):
        assert (await wire.call("GET", f"{ask}{what}", json={"id": "nobody"})).status == 404
    assert (await wire.call("GET", f"{ask}nothing", json={})).status == 400
    start = {"ID": "", "Kind": "cleanup", "DaemonID": "", "Bck": None, "Buckets": None}
    job = await wire.job("PUT", "/v1/cluster", "start", start)
    await wire.ended(job)
    kinds = (await wire.good("GET", f"{ask}status_all", json={"Kind": "cleanup-store"})).json
    assert [status["uuid"] for status in kinds] == [job]
    target = cluster.targets[0].id
    for value, expected in (
        ({"Kind": "rebalance"}, 200),
        ({"Kind": "resilver"}, 501),
        ({"Kind": "resilver", "DaemonID": target}, 200),
        ({"Kind": "nothing"}, 400),
        ({"Kind": "lru", "Unknown": 1}, 400),
    ):
        answer = await wire.call("PUT", "/v1/cluster?frc=true", json=action("start", value))
        assert answer.status == expected, value
    stop = action("stop", {"ID": "nobody"})
    assert (await wire.call("PUT", "/v1/cluster", json=stop)).status == 200
    await wire.listed()
    cluster.jobs.idle_time = 60.0
    uuid = (await wire.listed())["uuid"]
    running = (await wire.good("GET", f"{ask}running_all", json={"show_active": True})).json
    assert f"list[{uuid}]" in running


async def check_batches(wire: Wire, cluster: Cluster) -> None:
    await filled(wire, 4)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("b.txt")
        entry.size = 6
        tar.addfile(entry, io.BytesIO(b"inside"))
    await wire.put("sh.tar", packed.getvalue())
    wanted: list[dict[str, Any]] = [
        {"objname": "o03"},
        {"objname": "sh.tar", "archpath": "b.txt"},
        {"objname": "none"},
        {"objname": "o03", "start": 1, "length": 1, "opaque": "aWQ0"},
    ]
    path = f"/v1/ml/moss/{BUCKET}?provider=ais"
    body = {"in": wanted, "coer": True, "strm": True}
    first = await wire.call("GET", path, json=body)
    assert first.status == 307
    assert first.location.path.startswith(f"/v1/ml/moss/{BUCKET}/gbt-")
    answer = await wire.call("GET", first.location, json=body)
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert members(answer.body) == [
        (f"{BUCKET}/o03", b"xxx"),
        (f"{BUCKET}/sh.tar/b.txt", b"inside"),
        (f"__404__/{BUCKET}/none", b""),
        (f"{BUCKET}/o03", b"x"),
    ]
    short = await wire.good("GET", path, json={"in": wanted, "strm": True, "onob": True})
    assert members(short.body) == [("o03", b"xxx"), ("sh.tar/b.txt", b"inside")]
    whole = await wire.good("GET", path, json={"in": wanted, "coer": True, "mime": ".tgz"})
    text = f"Content-Type: {whole.headers['Content-Type']}\r\n\r\n".encode() + whole.body
    parts: Any = message_from_bytes(text).get_payload()
    told = json.loads(parts[0].get_payload(decode=True))
    assert told["uuid"].startswith("gbt-")
    assert [entry["size"] for entry in told["out"]] == [3, 6, 0, 1]
    assert told["out"][2]["err_msg"].endswith("none does not exist")
    assert told["out"][3]["opaque"] == "aWQ0"
    strict = await wire.follow("GET", path, json={"in": wanted})
    assert strict.told == (404, "ErrNotFound")
    for refused in ([], [{"objname": ""}], ["o"]):
        assert (await wire.call("GET", path, json={"in": refused})).status == 400


def members(packed: bytes) -> list[tuple[str, bytes]]:
    """Read a tar."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for entry in tar:
            file = tar.extractfile(entry)
            assert file is not None
            found.append((entry.name, file.read()))
    return found


async def check_downloads(wire: Wire, cluster: Cluster) -> None:
    await filled(wire, 4)
    web = f"{str(wire.url).rstrip('/')}/v1/objects/{BUCKET}"
    for given, names in (
        ({"type": "single", "link": f"{web}/o01", "object_name": "a"}, ["a"]),
        ({"type": "multi", "objects": [f"{web}/o02"], "subdir": "d"}, ["d/o02"]),
        ({"type": "range", "template": f"{web}/o{{02..03}}"}, ["o02", "o03"]),
    ):
        await wire.create("dst")
        body = {"bucket": TO, "description": "web", **given}
        job = (await wire.good("POST", "/v1/download", json=body)).json["id"]
        assert job.startswith("dnl-")
        assert (await wire.ended(job))["err"] == ""
        assert await wire.names("dst") == names
        await wire.good("DELETE", "/v1/buckets/dst", json=action("destroy-bck"))
    body = {"type": "multi", "objects": {"x": f"{web}/none", "y": f"{web}/o01"}}
    mine = {"name": BUCKET, "provider": "ais"}
    job = (await wire.good("POST", "/v1/download", json={"bucket": mine, **body})).json["id"]
    await wire.ended(job)
    told = (await wire.good("GET", "/v1/download", json={"id": job})).json
    assert (told["total_cnt"], told["finished_cnt"], told["error_cnt"]) == (2, 1, 1)
    listed = (await wire.good("GET", "/v1/download", json={"regex": "web"})).json
    assert len(listed) == 3
    await wire.good("DELETE", "/v1/download/remove", json={"id": job})
    assert (await wire.call("GET", "/v1/download", json={"id": job})).status == 404
    for bad in ({"type": "other"}, {"type": "range", "template": "x"}, {"type": "multi"}):
        answer = await wire.call("POST", "/v1/download", json={"bucket": mine, **bad})
        assert answer.status == 400, bad


async def check_promotion(wire: Wire, cluster: Cluster) -> None:
    folder = cluster.promote_root / "folder"
    await asyncio.to_thread(plant, folder)
    path = f"/v1/objects/{BUCKET}"

    async def promote(source: str, **more: Any) -> Any:
        value = {"src": source, **more}
        return await wire.call("POST", path, json=action("promote", value, source))

    assert (await promote(str(folder / "f1"), obj="one")).body == b""
    assert await wire.get("one") == b"1"
    job = (await promote(str(folder), obj="pr", rcr=True, dls=True)).text
    await wire.ended(job)
    assert await wire.names() == ["one", "prf1", "prsub/f2"]
    assert await asyncio.to_thread(lambda: [p.name for p in folder.rglob("f*")]) == []
    for source in ("relative", f"{folder}/../x", "/etc/passwd", str(folder / "link" / "passwd")):
        assert (await promote(source)).told == (400, "errInvalidPromoteSource"), source
    assert (await promote(str(folder / "none"))).status == 404
    named = action("promote", {"src": str(folder)}, "/other")
    assert (await wire.call("POST", path, json=named)).status == 400


def plant(folder: Any) -> None:
    """Write files; blocks."""
    (folder / "sub").mkdir(parents=True)
    (folder / "f1").write_bytes(b"1")
    (folder / "sub" / "f2").write_bytes(b"2")
    (folder / "link").symlink_to("/etc")


CHECKS = (
    check_groups,
    check_archiving,
    check_copies_and_renames,
    check_questions_and_orders,
    check_batches,
    check_downloads,
    check_promotion,
)


async def test_jobs(wire: Wire, cluster: Cluster) -> None:
    await run(CHECKS, wire, cluster)
