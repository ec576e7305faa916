"""The storage operations, row by row of storage.md §4 to §7."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from neuro_client.local import LocalPlatform

from .api import Answer, Api

NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture
async def tree(api: Api) -> None:
    """Make ``file`` (ten bytes), ``full/child`` and the empty folder ``empty``."""
    await api.put("user/file", b"0123456789")
    await api.put("user/full/child", b"child")
    assert (await api.storage("PUT", "user/empty", "MKDIRS")).status == 201


def refusal(answer: Answer) -> tuple[int, str]:
    """Return status and errno of a refusal, which says what happened too."""
    body = answer.json
    assert body["error"]
    return answer.status, body["errno"]


async def test_create_makes_parents_and_replaces(api: Api) -> None:
    answer = await api.storage("PUT", "user/a/b/c", data=b"first, and longer")
    assert answer.status == 201
    assert answer.headers["Content-Type"].startswith("text/plain")
    await api.put("user/a/b/c", b"second")
    assert await api.get("user/a/b/c") == b"second"
    await api.put("user/a/b/c", b"")
    assert await api.get("user/a/b/c") == b""


async def test_create_of_a_chunked_body(api: Api) -> None:
    async def body() -> object:
        for _ in range(3):
            yield b"x" * 700_000

    answer = await api.storage("PUT", "user/chunked", data=body())
    assert answer.status == 201
    assert await api.get("user/chunked") == b"x" * 2_100_000
    assert await api.names("user") == {"chunked"}


@pytest.mark.usefixtures("tree")
async def test_create_refusals(api: Api) -> None:
    big = b"x" * (2**20 + 1)
    for data in (b"small", big):
        assert refusal(await api.storage("PUT", "user/empty", data=data)) == (400, "EISDIR")
        assert refusal(await api.storage("PUT", "user/full", data=data)) == (400, "EISDIR")
        assert refusal(await api.storage("PUT", "user/file/x", data=data)) == (400, "EEXIST")
        name = "user/" + "n" * 256
        assert refusal(await api.storage("PUT", name, data=data)) == (400, "ENAMETOOLONG")
    assert await api.names("user") == {"file", "full", "empty"}


@pytest.mark.usefixtures("tree")
async def test_make_dirs(api: Api) -> None:
    for path in ("user/new/deep/er", "user/full", "user/new"):
        assert (await api.storage("PUT", path, "MKDIRS")).status == 201
    assert refusal(await api.storage("PUT", "user/file", "MKDIRS")) == (400, "EEXIST")
    assert refusal(await api.storage("PUT", "user/file/x", "MKDIRS")) == (400, "ENOTDIR")
    assert await api.names("user/new") == {"deep"}


@pytest.mark.usefixtures("tree")
async def test_open_of_a_range(api: Api) -> None:
    for header, body, content_range in [
        ("bytes=2-", b"23456789", "bytes 2-9/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=0-0", b"0", "bytes 0-0/10"),
    ]:
        answer = await api.storage("GET", "user/file", headers={"Range": header})
        assert (answer.status, answer.body) == (206, body)
        assert answer.headers["Content-Range"] == content_range
        assert answer.headers["X-File-Length"] == "10"


@pytest.mark.usefixtures("tree")
async def test_open_of_a_bad_range(api: Api) -> None:
    for header in [
        "bytes=10-",
        "bytes=11-12",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes=4-2",
    ]:
        answer = await api.storage("GET", "user/file", headers={"Range": header})
        assert (answer.status, answer.body) == (416, b"")
        assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.usefixtures("tree")
async def test_open_and_head_tell_the_facts(api: Api) -> None:
    opened = await api.storage("GET", "user/file")
    head = await api.storage("HEAD", "user/file")
    assert (opened.status, opened.body) == (200, b"0123456789")
    assert (head.status, head.body) == (200, b"")
    for answer in (opened, head):
        assert answer.headers["Content-Length"] == "10"
        assert answer.headers["X-File-Type"] == "FILE"
        assert answer.headers["X-File-Permission"] == "read"
        assert answer.headers["X-File-Length"] == "10"
        assert answer.headers["Accept-Range"] == "bytes"
        assert answer.headers["Last-Modified"].endswith("GMT")
        assert answer.headers["X-Service-Version"].startswith("platform-storage")
    folder = await api.storage("HEAD", "user/full")
    assert folder.status == 200
    assert folder.headers["X-File-Type"] == "DIRECTORY"
    assert folder.headers["Content-Length"] == "0"
    assert "X-File-Length" not in folder.headers
    assert (await api.storage("HEAD", "user/missing")).status == 404


@pytest.mark.usefixtures("tree")
async def test_open_refusals(api: Api, platform: LocalPlatform) -> None:
    missing = await api.storage("GET", "user/missing")
    assert missing.status == 404
    assert missing.headers["Content-Type"].startswith("text/plain")
    assert refusal(await api.storage("GET", "user/full")) == (400, "EISDIR")
    home = platform.storage_root("default") / "user"
    (home / "link").symlink_to("file")
    os.mkfifo(home / "pipe")
    for name in ("link", "pipe"):
        assert (await api.storage("GET", f"user/{name}")).status == 400


async def test_list_status_in_both_forms(api: Api, platform: LocalPlatform) -> None:
    home = platform.storage_root("default") / "user"
    await api.put("user/file", b"12345")
    (home / "folder").mkdir()
    (home / "link").symlink_to("/etc/passwd")
    os.mkfifo(home / "pipe")
    for path in home.iterdir():
        os.utime(path, (1_600_000_000.9, 1_600_000_000.9), follow_symlinks=False)

    def status(name: str, kind: str, length: int) -> dict[str, object]:
        return {
            "path": name,
            "length": length,
            "modificationTime": 1_600_000_000,
            "permission": "manage",
            "type": kind,
        }

    expected = [
        status("file", "FILE", 5),
        status("folder", "DIRECTORY", 0),
        status("link", "SYMLINK", 1),
        status("pipe", "FILE", 0),
    ]
    plain = await api.storage("GET", "user", "LISTSTATUS")
    found = plain.json["FileStatuses"]["FileStatus"]
    assert sorted(found, key=lambda item: str(item["path"])) == expected
    lines = (await api.storage("GET", "user", "LISTSTATUS", headers=NDJSON)).lines
    assert [line["FileStatus"] for line in lines] == found
    one = (await api.storage("GET", "user/file", "GETFILESTATUS")).json["FileStatus"]
    assert one == {**expected[0], "path": "/user/file"}
    link = (await api.storage("GET", "user/link", "GETFILESTATUS")).json["FileStatus"]
    assert link == {**expected[2], "path": "/user/link"}


@pytest.mark.usefixtures("tree")
async def test_list_status_of_nothing_and_of_what_is_no_folder(api: Api) -> None:
    assert await api.names("user/empty") == set()
    empty = await api.storage("GET", "user/empty", "LISTSTATUS", headers=NDJSON)
    assert (empty.status, empty.body) == (200, b"")
    missing = await api.storage("GET", "user/missing", "LISTSTATUS")
    assert missing.status == 404
    assert missing.headers["Content-Type"].startswith("text/plain")
    lines = await api.storage("GET", "user/missing", "LISTSTATUS", headers=NDJSON)
    assert refusal(lines) == (404, "ENOENT")
    for headers in ({}, NDJSON):
        answer = await api.storage("GET", "user/file", "LISTSTATUS", headers=headers)
        assert refusal(answer) == (400, "ENOTDIR")
    assert (await api.storage("GET", "user/missing", "GETFILESTATUS")).status == 404


async def test_a_long_listing_is_streamed_whole(api: Api, platform: LocalPlatform) -> None:
    home = platform.storage_root("default") / "user"
    names = {f"n{number}" for number in range(2500)}
    for name in names:
        (home / name).touch()
    answer = await api.storage("GET", "user", "LISTSTATUS", headers=NDJSON)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert {line["FileStatus"]["path"] for line in answer.lines} == names
    removed = (await api.storage("DELETE", "user", "DELETE", headers=NDJSON)).lines
    assert {line["path"] for line in removed} == {"/user", *(f"/user/{name}" for name in names)}


async def test_disk_usage(api: Api) -> None:
    usage = (await api.storage("GET", "user", "GETDISKUSAGE")).json
    assert set(usage) == {"total", "used", "free"}
    assert usage["total"] >= usage["used"] > 0
    assert (await api.storage("GET", "user/missing", "GETDISKUSAGE")).status == 404


async def rename(api: Api, source: str, destination: str) -> Answer:
    return await api.storage("POST", source, "RENAME", query={"destination": destination})


@pytest.mark.usefixtures("tree")
async def test_rename(api: Api) -> None:
    await api.put("user/second", b"second")
    answer = await rename(api, "user/second", "/user/file")
    assert (answer.status, answer.body) == (204, b"")
    assert await api.get("user/file") == b"second"
    assert (await rename(api, "user/full", "empty")).status == 204
    assert await api.names("user") == {"file", "empty"}
    assert (await rename(api, "user/empty/child", "../moved")).status == 204
    assert await api.get("user/moved") == b"child"


@pytest.mark.usefixtures("tree")
async def test_rename_refusals(api: Api) -> None:
    assert (await rename(api, "user/missing", "x")).status == 404
    assert (await rename(api, "user/file", "/user/missing/x")).status == 404
    assert refusal(await rename(api, "user/file", "empty")) == (400, "EISDIR")
    assert refusal(await rename(api, "user/empty", "file")) == (400, "ENOTDIR")
    assert refusal(await rename(api, "user/empty", "full")) == (400, "ENOTEMPTY")
    assert refusal(await rename(api, "user/full", "full/inside")) == (400, "EINVAL")
    assert refusal(await rename(api, "user/file", "n" * 256)) == (400, "ENAMETOOLONG")
    answer = await api.storage("POST", "user/file", "RENAME")
    assert answer.status == 400
    assert "errno" not in answer.json


@pytest.mark.usefixtures("tree")
async def test_delete(api: Api) -> None:
    answer = await api.storage("DELETE", "user/full", query={"recursive": "False"})
    assert refusal(answer) == (400, "EISDIR")
    assert (await api.storage("DELETE", "user/full", query={"recursive": "2"})).status == 400
    assert await api.names("user/full") == {"child"}
    answer = await api.storage("DELETE", "user/full")
    assert (answer.status, answer.body) == (204, b"")
    answer = await api.storage("DELETE", "user/file", "DELETE", query={"recursive": "0"})
    assert answer.status == 204
    assert (await api.storage("DELETE", "user/file")).status == 404
    assert await api.names("user") == {"empty"}


async def test_delete_tells_what_it_removes(api: Api, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    await api.put("user/top/a")
    await api.put("user/top/sub/b")
    home = api.platform.storage_root("default") / "user"
    (home / "top" / "link").symlink_to(outside)
    lines = (await api.storage("DELETE", "user/top", headers=NDJSON)).lines
    places = {line["path"]: index for index, line in enumerate(lines)}
    folders = {line["path"] for line in lines if line["is_dir"]}
    assert set(places) == {
        f"/user/{name}" for name in ("top", "top/a", "top/sub", "top/sub/b", "top/link")
    }
    assert folders == {"/user/top", "/user/top/sub"}
    assert places["/user/top"] == len(lines) - 1
    assert places["/user/top/sub/b"] < places["/user/top/sub"]
    assert (outside / "kept").exists()


@pytest.mark.usefixtures("tree")
async def test_choice_of_the_operation(api: Api) -> None:
    for method, query, status in [
        ("GET", "op=liststatus", 400),  # the path is a file: the operation was understood
        ("GET", "GETFILESTATUS", 200),
        ("GET", "getfilestatus", 200),
        ("GET", "", 200),
        ("GET", "op=GETFILESTATUS&LISTSTATUS", 400),
        ("GET", "op=OPEN&op=OPEN", 400),
        ("GET", "op=NOSUCH", 400),
        ("GET", "op=CREATE", 400),
        ("PUT", "op=OPEN", 400),
        ("PATCH", "op=CREATE", 400),
        ("POST", "op=DELETE", 400),
        ("DELETE", "op=RENAME", 400),
        ("HEAD", "", 200),
    ]:
        answer = await api.call(method, f"/api/v1/storage/default/user/file?{query}")
        assert answer.status == status
        assert await api.get("user/file") == b"0123456789"


async def test_names(api: Api) -> None:
    for name in [
        "with space",
        "100%",
        "%41",
        "#hash",
        "question?mark&x=1",
        "new\nline",
        'quote"\\back',
        "ünï-日本-🙂",
        "+plus;semi",
        ".hidden",
        "n" * 255,
    ]:
        await api.put(f"user/{name}", name.encode())
        assert await api.get(f"user/{name}") == name.encode()
        assert await api.names("user") == {name}
        status = (await api.storage("GET", f"user/{name}", "GETFILESTATUS")).json["FileStatus"]
        assert status["path"] == f"/user/{name}"
        lines = (await api.storage("GET", "user", "LISTSTATUS", headers=NDJSON)).lines
        assert [line["FileStatus"]["path"] for line in lines] == [name]
        assert (await rename(api, f"user/{name}", "/user/plain")).status == 204
        assert (await rename(api, "user/plain", f"/user/{name}")).status == 204
        assert (await api.storage("DELETE", f"user/{name}")).status == 204


async def test_a_name_that_is_no_text(api: Api, platform: LocalPlatform) -> None:
    await api.put(b"user/\xff\xfe", b"bytes")
    assert await api.get(b"user/\xff\xfe") == b"bytes"
    assert os.listdir(os.fsencode(platform.storage_root("default") / "user")) == [b"\xff\xfe"]
    answer = await api.storage("GET", "user", "LISTSTATUS")
    names = [item["path"] for item in json.loads(answer.body)["FileStatuses"]["FileStatus"]]
    assert [os.fsencode(name) for name in names] == [b"\xff\xfe"]
    assert (await api.storage("GET", "user/nul\0")).status in (400, 404)


async def test_a_full_disk_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    await api.put("user/old", b"old")
    monkeypatch.setattr(os, "pwrite", full)
    for data in (b"small", b"x" * 3_000_000):
        assert refusal(await api.storage("PUT", "user/old", data=data)) == (400, "ENOSPC")
    monkeypatch.undo()
    assert await api.get("user/old") == b"old"
    assert await api.names("user") == {"old"}


async def test_roots_and_clusters(api: Api) -> None:
    assert (await api.call("GET", "/api/v1/storage/default")).status == 404
    assert (await api.call("GET", "/api/v1/storage/nosuch/user?op=LISTSTATUS")).status == 404
    assert await api.names("") == {"user", "acme"}
    await api.put("user/here")
    answer = await api.storage("PUT", "acme/user/there", cluster="second", data=b"2")
    assert answer.status == 201
    assert (await api.storage("GET", "user/here", cluster="second")).status == 404
    assert (await api.storage("GET", "acme/user/there")).status == 404
    assert (await api.storage("GET", "acme/user/there", cluster="second")).body == b"2"
