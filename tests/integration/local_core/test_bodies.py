"""Contents under trouble: WRITE at offsets, bodies that break off, links that lead outside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neuro_client.local import LocalPlatform

from .api import Answer, Api

MIB = 2**20
PATH = "/api/v1/storage/default/user/file"


async def write(api: Api, data: bytes, content_range: str, **headers: str) -> Answer:
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Range": content_range,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await api.storage("PATCH", "user/file", "WRITE", data=data, headers=headers)


async def test_write_changes_just_its_range(api: Api) -> None:
    await api.put("user/file", b"0123456789")
    assert (await write(api, b"AB", "bytes 3-4/*")).status == 200
    assert await api.get("user/file") == b"012AB56789"
    assert (await write(api, b"CDEFGH", "bytes 0-1/10")).status == 200
    assert await api.get("user/file") == b"CD2AB56789"
    assert (await write(api, b"x", "bytes 12-12/*")).status == 200
    assert await api.get("user/file") == b"CD2AB56789\0\0x"


async def test_write_needs_a_range(api: Api) -> None:
    for content_range in ["", "bytes 0-", "bytes=0-1/*", "0-1/*", "bytes 0-1"]:
        await api.put("user/file", b"old")
        answer = await write(api, b"xx", content_range)
        assert answer.status == 400
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert await api.get("user/file") == b"old"


@pytest.mark.thorough
async def test_write_refuses_headers(api: Api) -> None:
    for name in ["If_Match", "If_None_Match", "If_Range", "If_Unmodified_Since", "Content_Type"]:
        await api.put("user/file", b"old")
        answer = await write(api, b"xx", "bytes 0-1/*", **{name: "text/plain"})
        assert answer.status == 400
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert await api.get("user/file") == b"old"


async def test_write_needs_a_file(api: Api) -> None:
    assert (await write(api, b"xx", "bytes 0-1/*")).status == 404
    assert await api.names("user") == set()
    await api.storage("PUT", "user/file", "MKDIRS")
    answer = await write(api, b"xx", "bytes 0-1/*")
    assert (answer.status, answer.json["errno"]) == (400, "EISDIR")


async def test_parallel_writes_into_one_file(api: Api) -> None:
    part = MIB + 4321
    await api.put("user/file")
    parts = [os.urandom(part) for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(write(api, data, f"bytes {n * part}-{(n + 1) * part - 1}/*"))
            for n, data in enumerate(parts)
        ]
    assert {task.result().status for task in tasks} == {200}
    assert await api.get("user/file") == b"".join(parts)


@pytest.mark.thorough
async def test_a_download_of_many_pieces(api: Api) -> None:
    data = os.urandom(5 * MIB + 17)
    await api.put("user/file", data)
    assert await api.get("user/file") == data
    answer = await api.storage("GET", "user/file", headers={"Range": f"bytes=7-{4 * MIB}"})
    assert answer.body == data[7 : 4 * MIB + 1]


@asynccontextmanager
async def raw_request(
    platform: LocalPlatform, method: str, headers: dict[str, str]
) -> AsyncIterator[asyncio.StreamWriter]:
    """Send the head of a request; the connection is reset at the end of the block."""
    assert platform.url.host is not None
    _, writer = await asyncio.open_connection(platform.url.host, platform.url.port)
    try:
        head = {"Host": "localhost", "Authorization": f"Bearer {platform.token}", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"{method} {PATH} HTTP/1.1\r\n{lines}\r\n".encode())
        yield writer
        await writer.drain()
        await asyncio.sleep(0.05)
    finally:
        writer.transport.abort()


async def drafts(platform: LocalPlatform) -> list[str]:
    """Return what unfinished uploads have left, once the platform has noticed their end."""
    folder = platform.data / "storage" / ".incoming"
    for _ in range(100):
        if not os.listdir(folder):
            break
        await asyncio.sleep(0.02)
    return os.listdir(folder)


@pytest.mark.parametrize("sent", [0, 1000, 2 * MIB + 5])
async def test_a_create_that_breaks_off_changes_nothing(
    api: Api, platform: LocalPlatform, sent: int
) -> None:
    await api.put("user/file", b"old")
    for size in ({"Content-Length": str(sent + 10)}, {"Content-Length": str(3 * MIB)}):
        async with raw_request(platform, "PUT", size) as writer:
            writer.write(b"x" * sent)
            assert await api.names("user") == {"file"}
    assert await drafts(platform) == []
    assert await api.get("user/file") == b"old"


async def test_a_chunked_create_that_breaks_off_changes_nothing(
    api: Api, platform: LocalPlatform
) -> None:
    await api.put("user/file", b"old")
    async with raw_request(platform, "PUT", {"Transfer-Encoding": "chunked"}) as writer:
        writer.write(b"5\r\nhello\r\n")
    assert await drafts(platform) == []
    assert await api.get("user/file") == b"old"


async def test_a_write_that_breaks_off_keeps_what_arrived(
    api: Api, platform: LocalPlatform
) -> None:
    for sent in (5000, MIB + 5000):
        await api.put("user/file", b"o" * 2 * MIB)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes 10-{2 * MIB - 1}/*",
            "Content-Length": str(2 * MIB - 10),
        }
        async with raw_request(platform, "PATCH", headers) as writer:
            writer.write(b"x" * sent)
        expected = b"o" * 10 + b"x" * sent + b"o" * (2 * MIB - sent - 10)
        for _ in range(100):
            if (found := await api.get("user/file")) == expected:
                break
            await asyncio.sleep(0.02)
        assert found == expected


@pytest.fixture
async def outside(api: Api, platform: LocalPlatform, tmp_path: Path) -> Path:
    """Make a folder outside the storage, and ``dirlink`` and ``filelink`` that lead there."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    home = platform.storage_root("default") / "user"
    (home / "dirlink").symlink_to(folder)
    (home / "filelink").symlink_to(folder / "secret")
    (home / "inside").mkdir()
    await api.put("user/plain", b"plain")
    return folder


@pytest.mark.usefixtures("outside")
async def test_links_are_not_followed_out(api: Api, outside: Path) -> None:
    for method, path, op in [
        ("GET", "dirlink/secret", "OPEN"),
        ("GET", "filelink", "OPEN"),
        ("GET", "dirlink", "LISTSTATUS"),
        ("GET", "dirlink/secret", "GETFILESTATUS"),
        ("GET", "dirlink", "GETDISKUSAGE"),
        ("HEAD", "dirlink/secret", None),
        ("PUT", "dirlink/secret", "CREATE"),
        ("PUT", "dirlink/new", "CREATE"),
        ("PUT", "dirlink/new/deeper", "CREATE"),
        ("PUT", "dirlink/new", "MKDIRS"),
        ("PUT", "dirlink/new/deeper", "MKDIRS"),
        ("DELETE", "dirlink/secret", "DELETE"),
        ("POST", "dirlink/secret", "RENAME"),
        ("PATCH", "filelink", "WRITE"),
        ("PATCH", "dirlink/secret", "WRITE"),
    ]:
        headers = {"Content-Type": "application/octet-stream", "Content-Range": "bytes 0-0/*"}
        query = {"destination": "/user/stolen"} if op == "RENAME" else {}
        answer = await api.storage(
            method,
            f"user/{path}",
            op,
            query=query,
            headers=headers if method == "PATCH" else {},
            data=None if method in ("GET", "HEAD") else b"x",
        )
        assert answer.status in (400, 404)
        assert b"secret" not in answer.body
        assert str(outside) not in answer.text
        assert os.listdir(outside) == ["secret"]
        assert (outside / "secret").read_text() == "secret"


async def test_renames_do_not_follow_links_out(api: Api, outside: Path) -> None:
    answer = await api.storage(
        "POST", "user/plain", "RENAME", query={"destination": "/user/dirlink/x"}
    )
    assert answer.status in (400, 404)
    assert os.listdir(outside) == ["secret"]
    assert await api.get("user/plain") == b"plain"


async def test_paths_do_not_climb_out(api: Api) -> None:
    for path in [
        "/../../../../etc/passwd",
        "/user/../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/%2fetc/passwd",
    ]:
        answer = await api.call("GET", f"/api/v1/storage/default{path}")
        assert answer.status == 404
        answer = await api.call("PUT", f"/api/v1/storage/default{path}", data=b"x")
        assert answer.status == 404


async def test_paths_are_normalized(api: Api) -> None:
    await api.put("user/a/file", b"found")
    for path in ("user/./a//file", "user/x/../a/file", "../user/a/file", "user/a/%66ile"):
        answer = await api.call("GET", f"/api/v1/storage/default/{path}")
        assert (answer.status, answer.body) == (200, b"found")
