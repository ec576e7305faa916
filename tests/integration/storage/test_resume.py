"""Transfers that broke off go on; a server that is overloaded is called less."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from neuro_client.errors import ServerNotAvailable
from neuro_client.retry import RetryPolicy
from neuro_client.storage import Storage
from neuro_client.transfer import TransferOptions
from neuro_client.transfer.journal import folder
from tests.unit.transfer.kit import Diary, content, grown, plant

from .server import StorageServer

pytestmark = pytest.mark.thorough

QUICK = RetryPolicy(attempts=3, base=0.001, cap=0.01)
SMALL = TransferOptions(part_size=1000, retry=QUICK)


def outage(server: StorageServer, op: str, after: int) -> None:
    """Answer 503 to an operation from its n-th call on."""

    async def hook(request: web.Request, called: str) -> web.StreamResponse | None:
        return web.Response(status=503) if called == op and server.calls[op] > after else None

    server.hook = hook


async def test_an_upload_goes_on_after_an_outage(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(20_500)}) / "f"
    plant(server.root / "ada", {"f": b"old"})
    outage(server, "WRITE", 10)
    with pytest.raises(ServerNotAvailable):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert (server.root / "ada/f").read_bytes() == b"old"
    server.hook = None
    server.calls.clear()
    diary = Diary()
    result = await storage.upload_file(path, URL("storage:f"), options=SMALL, progress=diary)
    assert (result.files, result.bytes) == (1, 20_500)
    assert grown(server.root / "ada") == {"f": content(20_500)}
    assert server.calls["WRITE"] == 21 - 10
    assert not server.calls["CREATE"]
    diary.check()
    assert not os.listdir(folder())


async def test_a_download_goes_on_after_an_outage(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    plant(server.root / "ada", {"f": content(20_500)})
    target = plant(tmp_path / "here", {"f": b"old"}) / "f"
    outage(server, "OPEN", 3)
    with pytest.raises(ServerNotAvailable):
        await storage.download_file(URL("storage:f"), target, options=SMALL)
    assert target.read_bytes() == b"old"
    starts: list[int] = []

    async def hook(request: web.Request, op: str) -> None:
        if op == "OPEN":
            starts.append(int(request.headers["Range"].removeprefix("bytes=").partition("-")[0]))

    server.hook = hook
    await storage.download_file(URL("storage:f"), target, options=SMALL)
    assert grown(tmp_path / "here") == {"f": content(20_500)}
    assert min(starts) >= 2000


async def test_a_file_that_changed_meanwhile_is_sent_anew(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(9000)}) / "f"
    outage(server, "WRITE", 5)
    with pytest.raises(ServerNotAvailable):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
    path.write_bytes(bytes(9000))
    server.hook = None
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert grown(server.root / "ada") == {"f": bytes(9000)}


async def test_a_remote_file_that_changed_meanwhile_is_fetched_anew(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    plant(server.root / "ada", {"f": content(9000)})
    target = tmp_path / "here" / "f"
    target.parent.mkdir()
    outage(server, "OPEN", 3)
    with pytest.raises(ServerNotAvailable):
        await storage.download_file(URL("storage:f"), target, options=SMALL)
    server.hook = None
    (server.root / "ada/f").write_bytes(bytes(8999))
    await storage.download_file(URL("storage:f"), target, options=SMALL)
    assert grown(target.parent) == {"f": bytes(8999)}


async def test_a_hidden_file_that_lost_its_end_is_filled_again(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(9000)}) / "f"
    outage(server, "WRITE", 6)
    with pytest.raises(ServerNotAvailable):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
    (draft,) = (server.root / "ada").iterdir()
    os.truncate(draft, 2500)
    server.hook = None
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert grown(server.root / "ada") == {"f": content(9000)}


@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_server_is_called_less(
    storage: Storage, server: StorageServer, tmp_path: Path, status: int
) -> None:
    tree: dict[str, bytes | None] = {f"f{n:03}": content(300 + n) for n in range(200)}
    source = plant(tmp_path / "src", tree)
    running = most = refused = 0

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        nonlocal running, most, refused
        if op != "CREATE":
            return None
        if running >= 4:
            refused += 1
            return web.Response(status=status, headers={"Retry-After": "0"})
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(0.002)
        finally:
            running -= 1
        return None

    server.hook = hook
    patient = TransferOptions(retry=RetryPolicy(attempts=10, base=0.001, cap=0.01))
    result = await storage.upload_dir(source, URL("storage:d"), options=patient)
    assert result.files == 200
    assert grown(server.root / "ada/d") == tree
    # Sixteen callers that only pause are refused three times out of four, some 600 times.
    assert refused < 120


async def test_retry_after_holds_everybody_back(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    tree: dict[str, bytes | None] = {f"f{n:03}": b"x" for n in range(100)}
    source = plant(tmp_path / "src", tree)
    loop = asyncio.get_running_loop()
    told: list[float] = []
    early: list[float] = []

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        if op != "CREATE":
            return None
        if server.calls[op] == 20:
            told.append(loop.time())
            return web.Response(status=429, headers={"Retry-After": "1"})
        if told and loop.time() - told[0] < 1.0:
            early.append(loop.time() - told[0])
        return None

    server.hook = hook
    await storage.upload_dir(source, URL("storage:d"), options=SMALL)
    assert grown(server.root / "ada/d") == tree
    assert told
    assert len(early) < 16  # only what was on its way already


async def test_where_hidden_names_are_refused_nothing_is_remembered(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(5500)}) / "f"

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        return web.Response(status=403) if ".part" in request.path else None

    server.hook = hook
    for _ in range(2):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
        assert grown(server.root / "ada") == {"f": content(5500)}
        assert not os.listdir(folder())


async def test_a_hidden_file_out_of_reach_is_begun_anew(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(9000)}) / "f"
    outage(server, "WRITE", 5)
    with pytest.raises(ServerNotAvailable):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
    (draft,) = (server.root / "ada").iterdir()

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        return web.Response(status=403) if draft.name in request.path else None

    server.hook = hook
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert (server.root / "ada/f").read_bytes() == content(9000)
    assert not os.listdir(folder())


async def test_a_lost_answer_to_the_first_step_leaves_no_hidden_file(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(5500)}) / "f"
    served: list[str] = []

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        if op == "CREATE" and not served:
            served.append(request.path)
            (server.root / request.match_info["path"].strip("/")).touch()
            return web.Response(status=502)
        return None

    server.hook = hook
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert grown(server.root / "ada") == {"f": content(5500)}
    assert not os.listdir(folder())
