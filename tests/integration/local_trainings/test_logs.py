"""The logs of trainings over the cluster's own API."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from .conftest import Api


async def test_the_cluster_answers_everybody(api: Api) -> None:
    async with api.session.get(f"{api.url}/cluster-api/status") as answer:
        assert answer.status == 200 and "OK" in await answer.text()
    async with api.session.get(f"{api.url}{api.log_path('x')}") as answer:
        assert answer.status == 401


async def test_a_finished_log_is_cut_to_measure(api: Api) -> None:
    done = await api.create("done", "for i in 1 2 3 4 5; do echo line $i; done; printf end")
    await api.done(done)
    whole = "".join(f"line {number}\n" for number in range(1, 6)) + "end"
    [pod] = await api.pods(done)
    stamped = await api.log("done", "timestamps=true")
    first, *_, last = stamped.split("\n")
    cases = {
        "": whole,
        "follow=true": whole,
        "tail=2": "line 5\nend",
        "tail=0": "",
        "tail=100&follow=true": whole,
        "limitBytes=8": "line 1\nl",
        f"pod={pod['name']}": whole,
        f"pod={pod['id']}&container=done": whole,
        "since=3600": whole,
        "sinceTime=2099-01-01T00:00:00Z": "",
        f"sinceTime={first.split()[0]}": whole,
        "previous=true": "",
    }
    for query, text in cases.items():
        assert await api.log("done", query) == text, query
    assert first.endswith("Z line 1") and last.endswith("Z end")
    path = api.log_path("done", "tail=1").replace("/logs", "/logs/download")
    assert await api.call("GET", path) == "end"
    for query in ("tail=x", "tail=-1", "follow=maybe", "sinceTime=soon", "since=x", "limitBytes=0"):
        assert (await api.call("GET", api.log_path("done", query), status=400))["code"] == 400
    for path in (
        api.log_path("nobody"),
        api.log_path("done", "pod=nobody"),
        api.log_path("done", "container=nobody"),
        api.log_path("done", project="nobody"),
        api.log_path("done").replace("/training/", "/workspace/"),
    ):
        assert (await api.call("GET", path, status=404))["code"] == 404


async def test_a_socket_follows_retries_to_the_end(api: Api, tmp_path: Any) -> None:
    mount = {"path": str(tmp_path), "mountPath": "/v", "readOnly": False}
    script = "echo try; test -e /v/done || { touch /v/done; exit 1; }; echo wait; cat /v/go"
    # The socket is open before the first line is there.
    fifo = tmp_path / "go"
    await asyncio.create_subprocess_exec("mkfifo", str(fifo))
    retried = await api.create("retried", script, storage={"hostPath": [mount]})
    url = f"{api.url}{api.log_path('retried', 'follow=true')}"
    got = b""
    async with api.session.ws_connect(url, headers=api.headers) as socket:
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            got += message.data
            if got.endswith(b"wait\n"):
                await asyncio.to_thread(fifo.write_text, "gone\n")
        assert socket.close_code == 1000
    assert got == b"try\ntry\nwait\ngone\n"
    assert await api.done(retried) == "Completed"
    assert len(await api.pods(retried)) == 2


async def test_a_follower_waits_for_the_start_and_ends_with_a_stop(api: Api) -> None:
    blocks = await api.create("blocks", "sleep 60", compute={"cpuCoreRequest": 2})
    await api.until(blocks, "Running")
    late = await api.create("late", "echo here; sleep 60", compute={"cpuCoreRequest": 2})
    url = f"{api.url}{api.log_path('late', 'follow=true&tail=5')}"
    async with api.session.ws_connect(url, headers=api.headers) as socket:
        await api.act(blocks, "suspend")
        assert (await socket.receive()).data == b"here\n"
        await api.act(late, "suspend")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert await api.log("late", "") == "here\n"


async def test_each_pod_has_a_log_of_its_own(api: Api) -> None:
    many = await api.create("many", "echo $JOB_COMPLETION_INDEX", completions=3, parallelism=3)
    await api.done(many)
    found = {await api.log("many", f"pod={pod['name']}") for pod in await api.pods(many)}
    assert found == {"0\n", "1\n", "2\n"}
    assert await api.log("many") == "0\n"
