"""The life of a platform: start, restart, death, one instance per folder, the command."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from neuro_client.local import AlreadyRunningError, LocalPlatform
from neuro_client.testing.leaks import open_descriptors

from .api import Api

COMMAND = [sys.executable, "-m", "neuro_client.local"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_ready_tells_where_and_who(platform: LocalPlatform) -> None:
    path = platform.data / "ready.json"
    told = json.loads(path.read_text())
    assert told == json.loads(json.dumps(dict(platform.ready)))
    assert told["api_url"] == str(platform.api_url) == str(platform.url / "api/v1")
    assert (told["cluster"], told["username"]) == ("default", "user")
    assert (told["token"], told["pid"]) == (platform.token, os.getpid())
    assert (mode(platform.data), mode(path)) == (0o700, 0o600)
    assert platform.url.host == "127.0.0.1"


async def test_restart_continues(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with LocalPlatform(data, port=0) as platform:
        first = platform.token
        second = await platform.add_user("other")
        async with Api.open(platform, first) as api:
            await api.put("user/file", b"kept")
            body = [{"uri": "storage://default/user/file", "action": "read"}]
            await api.call("POST", "/api/v1/users/other/permissions", json=body)
    async with LocalPlatform(data, port=0, clusters=("default", "new")) as platform:
        assert platform.token == first
        async with Api.open(platform, first) as api:
            assert await api.get("user/file") == b"kept"
            assert await api.names("") == {"user"}
            assert (await api.storage("PUT", "user/x", cluster="new", data=b"x")).status == 201
        async with Api.open(platform, second) as other:
            assert await other.get("user/file") == b"kept"


async def test_the_port_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with LocalPlatform(data) as platform:
        port = platform.url.port
    for _ in range(2):
        async with LocalPlatform(data) as platform:
            assert platform.url.port == port


async def test_a_port_asked_for_must_be_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with LocalPlatform(tmp_path / "data", port=port):
                pass
    async with LocalPlatform(tmp_path / "data", port=port) as platform:
        assert platform.url.port == port


async def test_one_platform_per_folder(platform: LocalPlatform, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunningError) as failure:
        async with LocalPlatform(platform.data, port=0):
            pass
    assert str(os.getpid()) in str(failure.value)
    assert str(platform.api_url) in str(failure.value)
    async with LocalPlatform(tmp_path / "other", port=0) as second:
        async with Api.open(second, platform.token) as api:
            assert (await api.call("GET", "/api/v1/secured-ping")).status == 401
        async with Api.open(second, second.token) as api:
            assert (await api.call("GET", "/api/v1/secured-ping")).status == 200


def test_other_machines_are_kept_out(tmp_path: Path) -> None:
    for options in ({"host": "0.0.0.0"}, {"host": "0.0.0.0", "allow_remote": True}):
        with pytest.raises(ValueError, match="--allow-remote"):
            LocalPlatform(tmp_path / "data", port=0, **options)
    assert not (tmp_path / "data").exists()


async def _awaits_of_a_start(data: Path, stop_at: int | None) -> int:
    """Start a platform, cancelled at the n-th wait of the loop; return the number of waits."""
    platform = LocalPlatform(data, port=0)
    task = asyncio.create_task(platform.__aenter__())
    waits = 0
    try:
        while not task.done():
            if waits == stop_at:
                task.cancel()
            waits += 1
            await asyncio.sleep(0.0005)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        if not task.cancelled() and task.exception() is None:
            await platform.__aexit__()
    return waits


@pytest.mark.thorough
async def test_a_start_can_be_cancelled_anywhere(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await _awaits_of_a_start(data, None)
    waits = await _awaits_of_a_start(data, None)
    before = set(await asyncio.to_thread(open_descriptors))
    threads = threading.active_count()
    for number in range(waits + 2):
        await _awaits_of_a_start(data, number)
        # What a thread still did for the cancelled start ends at once.
        for _ in range(50):
            left = {
                target
                for descriptor, target in (await asyncio.to_thread(open_descriptors)).items()
                if descriptor not in before and not target.startswith(("/dev/", "anon_inode:"))
            }
            if not left:
                break
            await asyncio.sleep(0.01)
        assert not left, f"cancelled at {number}"
    async with LocalPlatform(data, port=0):
        pass
    # Workers of the loop's pool stay; database threads must not.
    names = [thread.name for thread in threading.enumerate()]
    workers = sum(name.startswith("asyncio_") for name in names)
    assert threading.active_count() - workers <= threads


@pytest.mark.parametrize("step", ["_lock", "_bind"])
async def test_a_cancelled_start_gives_back_what_a_thread_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    original = getattr(LocalPlatform, step)
    reached = threading.Event()

    def slowed(*arguments: Any) -> Any:
        taken = original(*arguments)
        reached.set()
        time.sleep(0.1)
        return taken

    monkeypatch.setattr(LocalPlatform, step, slowed)
    task = asyncio.create_task(LocalPlatform(tmp_path / "data", port=0).__aenter__())
    assert await asyncio.to_thread(reached.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    async with LocalPlatform(tmp_path / "data", port=0):
        pass


def test_down_spares_a_process_that_does_not_serve_the_data(tmp_path: Path) -> None:
    # As after a crash, when its number was given to somebody else while a new start holds the lock.
    with (tmp_path / "lock").open("wb") as lock, subprocess.Popen(["sleep", "30"]) as bystander:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (tmp_path / "ready.json").write_text(json.dumps({"pid": bystander.pid}))
            assert run("status", "--data", str(tmp_path)).returncode != 0
            assert run("down", "--data", str(tmp_path)).returncode != 0
            assert bystander.poll() is None
        finally:
            bystander.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def wait_ready(path: Path, pid: int) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            ready: dict[str, Any] = json.loads(path.read_text())
            if ready["pid"] == pid:
                return ready
        time.sleep(0.02)
    raise AssertionError("The platform did not become ready")


@contextlib.contextmanager
def process(data: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a platform as a process, killed at the end if it still runs."""
    child = subprocess.Popen(
        [*COMMAND, "up", "--port", "0", "--data", str(data), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path / "data") as child:
        wait_ready(tmp_path / "data" / "ready.json", child.pid)
        child.send_signal(number)
        assert child.wait(10) == 0


@pytest.mark.thorough
@pytest.mark.slow
async def test_a_killed_platform_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    token = ""
    for turn in range(3):
        with process(data) as child:
            ready = await asyncio.to_thread(wait_ready, data / "ready.json", child.pid)
            assert ready["token"] == (token or ready["token"])
            token = ready["token"]
            async with LocalApi(ready) as api:
                for earlier in range(turn):
                    assert await api.get(f"user/{earlier}") == b"%d" % earlier
                assert await api.put(f"user/{turn}", b"%d" % turn) == 201
    assert set(os.listdir(data / "storage" / "default" / "user")) == {"0", "1", "2"}


class LocalApi:
    """Read and write files of a platform in another process."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self._root = f"{ready['api_url']}/storage/default"
        self._headers = {"Authorization": f"Bearer {ready['token']}"}

    async def __aenter__(self) -> LocalApi:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> bytes:
        async with self._session.get(f"{self._root}/{path}") as response:
            assert response.status == 200
            return await response.read()

    async def put(self, path: str, data: bytes) -> int:
        async with self._session.put(f"{self._root}/{path}", data=data) as response:
            return response.status


def ended_soon(pid: int) -> bool:
    """Tell whether a process is gone within a second; a dead one may wait for its reaper."""
    try:
        process = psutil.Process(pid)
        for _ in range(100):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.01)
    except psutil.NoSuchProcess:
        return True
    return False


@pytest.mark.thorough
@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    data, ready_file = tmp_path / "data", tmp_path / "ready.json"
    where = ("--data", str(data))
    assert run("status", *where).returncode != 0
    assert run("down", *where).returncode != 0
    started = run(
        "up", *where, "--port", "0", "--detach", "--cluster", "one", "--cluster", "two",
        "--org", "acme", "--ready-file", str(ready_file),
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    try:
        ready = json.loads(ready_file.read_text())
        assert ready == json.loads((data / "ready.json").read_text())
        assert (ready["cluster"], mode(ready_file)) == ("one", 0o600)
        assert {path.name for path in (data / "storage").iterdir()} >= {"one", "two"}
        assert os.getsid(ready["pid"]) == ready["pid"]
        shown = run("status", *where)
        assert shown.returncode == 0
        assert ready["api_url"] in shown.stdout
        secrets = [ready["token"], ready["trainings"]["client_secret"]]
        assert not [one for one in secrets if one in started.stdout + shown.stdout]
        again = run("up", *where, "--port", "0", "--detach")
        assert again.returncode != 0
        assert str(ready["pid"]) in again.stderr
        assert ready["api_url"] in again.stderr
    finally:
        ended = run("down", *where)
    assert ended.returncode == 0, ended.stderr
    assert run("status", *where).returncode != 0
    assert ended_soon(ready["pid"])


@pytest.mark.slow
def test_a_detached_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = run("up", "--data", str(tmp_path / "data"), "--port", port, "--detach")
    assert failed.returncode != 0
    assert "in use" in failed.stderr
