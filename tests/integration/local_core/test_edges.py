"""Corners of the core that plain use does not reach."""

from __future__ import annotations

import asyncio
import os
import re
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from neuro_client.local import LocalPlatform
from neuro_client.local.services.storage import bodies
from neuro_client.local.services.storage.files import Root

from .api import Api

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("name", ["user/../other", "user/..", "user/x/../../other", "user/./x"])
async def test_a_role_cannot_name_its_way_into_another_home(
    api: Api, other: Api, name: str
) -> None:
    await other.put("other/secret", b"secret")
    made = await api.call("POST", "/api/v1/users", json={"name": name})
    role = name.replace("/", ":")
    token = await api.call("POST", f"/api/v1/users/{role}/token", json={})
    if token.status == 200:
        async with Api.open(api.platform, token.json["access_token"]) as thief:
            assert (await thief.storage("GET", "other/secret")).status == 404
    assert made.status == 400


@pytest.mark.parametrize("name", ["user/a:b", "user//a", "user/", "user/\ud800", "user/a\0"])
async def test_role_names_that_no_path_can_hold(api: Api, name: str) -> None:
    answer = await api.call("POST", "/api/v1/users", json={"name": name})
    assert answer.status == 400, answer.text


@pytest.mark.parametrize(
    "uri", ["storage://[", "storage://default/\ud800", "storage://default:x/a"]
)
async def test_uris_that_cannot_be_read(api: Api, other: Api, uri: str) -> None:
    body = [{"uri": uri, "action": "read"}]
    answer = await api.call("POST", "/api/v1/users/other/permissions", json=body)
    assert answer.status == 400, answer.text


async def test_filters_that_cannot_be_read(api: Api) -> None:
    for path in ("permissions", "permissions/shared", "permissions/tree"):
        answer = await api.call("GET", f"/api/v1/users/user/{path}?uri=storage%3A%2F%2F%5B")
        assert answer.status == 400, answer.text


async def test_a_write_to_a_pipe_is_refused(api: Api, platform: LocalPlatform) -> None:
    pipe = platform.storage_root("default") / "user" / "pipe"
    os.mkfifo(pipe)
    headers = {"Content-Type": "application/octet-stream", "Content-Range": "bytes 0-3/*"}
    try:
        async with asyncio.timeout(2):
            answer = await api.storage("PATCH", "user/pipe", "WRITE", data=b"data", headers=headers)
        assert answer.status == 400
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        await asyncio.sleep(0.1)
        os.close(reader)


async def test_a_delete_that_fails_at_once_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.put("user/file")

    def fail(path: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", fail)
    for accept in ("application/x-ndjson", "*/*"):
        answer = await api.storage("DELETE", "user/file", "DELETE", headers={"Accept": accept})
        assert (answer.status, answer.json["errno"]) == (400, "EPERM")
    monkeypatch.undo()
    assert await api.get("user/file") == b"data"


async def test_a_delete_that_fails_midway_tells_what_it_removed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        await api.put(f"user/dir/{name}")
    unlink = os.unlink
    calls: list[str] = []

    def fail(path: str, **options: Any) -> None:
        if "/dir/" in str(path):
            calls.append(str(path))
            if len(calls) == 2:
                raise PermissionError(1, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", fail)
    answer = await api.storage(
        "DELETE", "user/dir", "DELETE", headers={"Accept": "application/x-ndjson"}
    )
    assert answer.status == 200, answer.text
    first, last = answer.text.split("\r\n")
    assert '"is_dir": false' in first
    assert '"errno": "EPERM"' in last


async def test_an_encoded_cluster_name_is_the_same_cluster(api: Api) -> None:
    await api.put("user/file", b"x")
    answer = await api.call("GET", "/api/v1/storage/d%65fault/user/file")
    assert (answer.status, answer.body) == (200, b"x")


async def test_deep_folders(api: Api) -> None:
    deep = "user/" + "/".join("a" * 1100)
    assert (await api.storage("PUT", deep, "MKDIRS")).status == 201
    await api.put(f"{deep}/file")
    answer = await api.storage("DELETE", "user/a", "DELETE")
    assert answer.status == 204, answer.text
    assert await api.names("user") == set()


async def test_a_cut_longer_than_its_answer_ends_with_it(api: Api, platform: LocalPlatform) -> None:
    await api.put("user/file", bytes(1000))
    platform.fault("GET /small", cut_after=50)
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.url.port)
    try:
        for name, length in (("small", 9), ("file", 1000)):
            head = f"GET /api/v1/storage/default/user/{name} HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(f"{head}Authorization: Bearer {platform.token}\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 " + (b"404" if name == "small" else b"200"))
            found = re.search(rb"Content-Length: (\d+)", answer)
            assert found is not None
            body = await asyncio.wait_for(reader.readexactly(int(found[1])), 5)
            assert name == "small" or len(body) == length
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_write_after_a_failed_piece_writes_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.put("user/file", b"")
    size = 4 * bodies.PIECE
    pwrite = os.pwrite

    def full(handle: int, data: Any, offset: int) -> int:
        if offset < bodies.PIECE:
            raise OSError(28, "No space left on device")
        return pwrite(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Range": f"bytes 0-{size - 1}/*",
    }
    answer = await api.storage("PATCH", "user/file", "WRITE", data=bytes(size), headers=headers)
    assert answer.status == 400
    assert answer.json["errno"] == "ENOSPC"
    monkeypatch.undo()
    assert await api.get("user/file") == b""


def open_below(folder: Path) -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return [target for target in found if target.startswith(str(folder))]


class Slow:
    """Be a root whose files open slowly."""

    def __init__(self, root: Root, method: str) -> None:
        self._root, self._method = root, method

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._root, name)
        if name != self._method:
            return found

        def late(*arguments: Any, **options: Any) -> Any:
            result = found(*arguments, **options)
            time.sleep(0.1)
            return result

        return late


@pytest.mark.parametrize("method", ["open_draft", "open_for_write", "open_for_read"])
async def test_cancelled_while_opening_nothing_stays_open(tmp_path: Path, method: str) -> None:
    folder, drafts = tmp_path / "root", tmp_path / "drafts"

    def prepare() -> Root:
        folder.mkdir()
        drafts.mkdir()
        (folder / "file").write_bytes(bytes(10))
        return Root(folder, drafts)

    root: Any = Slow(await asyncio.to_thread(prepare), method)

    class Request:
        method = "GET"
        content_length = None
        headers: ClassVar = {"Range": "bytes=0-1"}
        content: Any = None

    request: Any = Request()
    steps: dict[str, Callable[[], Any]] = {
        "open_draft": lambda: bodies.receive_file(request, root, ["new"]),
        "open_for_write": lambda: bodies.receive_range(request, root, ["file"], 0, 1),
        "open_for_read": lambda: bodies.send_file(request, root, ["file"]),
    }
    task = asyncio.ensure_future(steps[method]())
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.15)
    assert await asyncio.to_thread(open_below, tmp_path) == []
    assert await asyncio.to_thread(os.listdir, drafts) == []


@pytest.mark.parametrize("name", ["", "a/b", "../out", ".hidden", "acme", "a:b"])
def test_the_first_user_is_named_as_others_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        LocalPlatform(tmp_path / "data", orgs=("acme",), username=name)


async def test_a_token_revoked_while_it_is_looked_up_stays_revoked(
    platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await platform.add_user("other")
    tokens = platform.tokens
    fetch = platform.state.fetch_one

    async def late(*arguments: Any) -> Any:
        row = await fetch(*arguments)
        monkeypatch.undo()
        await tokens.revoke_all("other")
        return row

    monkeypatch.setattr(platform.state, "fetch_one", late)
    await tokens.caller(token)
    assert await tokens.caller(token) is None


async def test_large_bodies_take_little_memory(api: Api) -> None:
    piece = bytes(2**20)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield piece

    tracemalloc.start()
    try:
        answer = await api.storage("PUT", "user/large", "CREATE", data=body())
        assert answer.status == 201
        received = 0
        url = api.platform.url.with_path("/api/v1/storage/default/user/large")
        async with api.session.get(url) as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)
        assert received == 100 * 2**20
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    finally:
        tracemalloc.stop()
