"""Logs: archive and live, times, separators, several readers (jobs.md §6)."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import aiohttp
import pytest

from .conftest import Api, eventually, sh

pytestmark = pytest.mark.thorough

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


async def restarts(api: Api, job_id: str) -> int:
    """Give how often a job was restarted."""
    return int((await api.get(job_id))["history"]["restarts"])


async def read(api: Api, path: str) -> list[bytes]:
    """Give the messages of a log socket."""
    found = []
    async with api.socket(path) as socket:
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            found.append(message.data)
        assert socket.close_code == 1000
    return found


async def test_live_log_of_a_pending_job_over_two_readers(api: Api) -> None:
    blocker = await api.start("sleep 0.3", preset="half")
    job = await api.start(sh("for i in 1 2 3; do echo line $i; sleep 0.1; done"), preset="half")
    assert (await api.get(job["id"]))["status"] == "pending"
    both = await asyncio.gather(*(read(api, f"{job['id']}/log_ws") for _ in range(2)))
    assert [b"".join(messages) for messages in both] == [b"line 1\nline 2\nline 3\n"] * 2
    assert len(both[0]) > 1
    await api.done(blocker["id"])


async def test_bytes_are_exact(api: Api) -> None:
    script = (
        "import sys\nw = sys.stdout.buffer\n"
        'w.write(b"x" * 3000000 + b"\\xff\\x00\\r\\n\\n tail")\nw.flush()'
    )
    job = await api.done((await api.start(f"python -S -c '{script}'"))["id"])
    text = b"".join(await read(api, f"{job['id']}/log_ws"))
    assert text == b"x" * 3000000 + b"\xff\x00\r\n\n tail"


async def test_timestamps_and_since(api: Api) -> None:
    job, log = await api.run(sh("echo one; sleep 0.3; printf two; sleep 0.4; echo half"))
    assert log == "one\ntwohalf\n"
    log = await api.log(job["id"], "timestamps=true")
    first, second = log.splitlines()
    assert re.fullmatch(STAMP + " one", first)
    assert re.fullmatch(STAMP + " twohalf", second)
    since = quote(second.split()[0].replace("Z", "+00:00"))
    assert await api.log(job["id"], f"since={since}") == "twohalf\n"
    for query in ("timestamps=yes", "since=yesterday", "archive_delay=x", "debug=2"):
        await api.call("GET", f"{api.mon}/{job['id']}/log?{query}", status=400)


async def test_separator_between_archive_and_live(api: Api) -> None:
    script = "echo run; test -e /v/1 || { touch /v/1; exit 1; }; sleep 0.6; echo end"
    volume = {
        "src_storage_uri": "storage://default/user/once",
        "dst_path": "/v",
        "read_only": False,
    }
    job = await api.start(sh(script), restart_policy="on-failure", volumes=[volume])
    await eventually(lambda: restarts(api, job["id"]))
    await api.until(job["id"], "running")
    live = await asyncio.gather(
        read(api, f"{job['id']}/log_ws?separator=here"),
        read(api, f"{job['id']}/log_ws?separator="),
        read(api, f"{job['id']}/log_ws"),
    )
    assert live[0][:2] == [b"run\n", b"here\n"]
    assert b"".join(live[0]) == b"run\nhere\nrun\nend\n"
    assert b"".join(live[1]) == b"run\nrun\nend\n"
    assert re.fullmatch(rb"=== Live logs ===[0-9a-f]{60}\n", live[2][1])
    assert await api.log(job["id"], "separator=here") == "run\nrun\nend\n"
    assert "~~~ " in await api.log(job["id"], "debug=1")


async def test_a_slow_reader_slows_nobody_else(api: Api) -> None:
    job = await api.start("python -S -c 'for i in range(400000): print(i)'", preset="half")
    async with api.socket(f"{job['id']}/log_ws") as slow:
        assert (await slow.receive()).type is aiohttp.WSMsgType.BINARY
        fast = b"".join(await read(api, f"{job['id']}/log_ws"))
        assert fast.count(b"\n") == 400000
        rest = [message.data async for message in slow]
    assert rest[-1].endswith(b"399999\n")


async def test_logs_can_be_removed(api: Api) -> None:
    job, log = await api.run("echo something")
    assert log
    await api.call("DELETE", f"{api.mon}/{job['id']}/log", status=204)
    assert await api.log(job["id"]) == ""


async def test_errors_of_the_handshake(api: Api) -> None:
    job, _ = await api.run("true")
    stranger = Api(api.session, api.platform, await api.platform.add_user("grace"))
    nobody = Api(api.session, api.platform, "wrong")
    cases = [(api, "job-unknown", 400), (stranger, job["id"], 403), (nobody, job["id"], 401)]
    for who, key, status in cases:
        for verb in ("log_ws", "top"):
            try:
                async with who.socket(f"{key}/{verb}"):
                    raise AssertionError("the handshake should fail")
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == status
                assert error.headers is not None
                assert error.headers["X-Error"]


async def test_the_client_may_leave(api: Api) -> None:
    job = await api.start("sleep 30")
    await api.until(job["id"], "running")
    async with api.socket(f"{job['id']}/log_ws") as socket:
        await socket.close()
    async with api.socket(f"{job['id']}/top") as socket:
        assert (await socket.receive_json())["memory_bytes"] > 0
