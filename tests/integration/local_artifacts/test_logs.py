"""The older interface: queries, and logs that are followed over a WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from .conftest import Api, archive

LIVE = "subscription ($e: ID!) { getLiveExperimentLogs(experimentId: $e) { message timestamp } }"
BUILD = "subscription ($e: ID!) { getLiveBuildLogs(experimentId: $e) { message } }"
SCRIPT = """
import os, time
print("begun", flush=True)
while not os.path.exists("/tmp/go"): time.sleep(0.01)
"""


class Conversation:
    """Speak one of the two protocols of subscriptions."""

    def __init__(self, api: Api, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.api = api
        self.socket = socket
        self.new = socket.protocol == "graphql-transport-ws"

    async def begin(self) -> None:
        user, key = self.api.user
        payload = {"X-Grid-User": user, "X-Grid-Key": key}
        await self.socket.send_json({"type": "connection_init", "payload": payload})
        assert (await self.socket.receive_json(timeout=20))["type"] == "connection_ack"

    async def ask(self, query: str, **variables: Any) -> None:
        kind = "subscribe" if self.new else "start"
        payload = {"query": query, "variables": variables}
        await self.socket.send_json({"type": kind, "id": "1", "payload": payload})

    async def next(self) -> Any:
        """Give the data of the next result, None at the end."""
        message = await self.socket.receive_json(timeout=20)
        if message["type"] == "complete":
            return None
        assert message["type"] == ("next" if self.new else "data"), message
        assert message["id"] == "1"
        return message["payload"]["data"]


@pytest.mark.thorough
async def test_logs_are_followed(api: Api) -> None:
    local = api.platform.artifacts
    run = await local.add_run("played", {})
    [played] = run.experiments
    url = f"{api.ready['url']}/subscriptions"
    for protocol in ("graphql-transport-ws", "graphql-ws"):
        protocols = (protocol, "graphql-ws")
        async with api.session.ws_connect(url, protocols=protocols) as socket:
            talk = Conversation(api, socket)
            await talk.begin()
            await played.log(protocol)
            await talk.ask(LIVE, e=played.id)
            lines = (await talk.next())["getLiveExperimentLogs"]
            assert lines[-1]["message"] == f"{protocol}\n" and lines[-1]["timestamp"]
            await played.log("later")
            assert (await talk.next())["getLiveExperimentLogs"][0]["message"] == "later\n"
            stop = "complete" if talk.new else "stop"
            await socket.send_json({"type": stop, "id": "1"})
            await socket.send_json({"type": "ping"})
            assert (await socket.receive_json(timeout=20))["type"] == "pong"
            await talk.ask("{ getUser { username } }")
            assert (await talk.next())["getUser"]["username"] == "user"
            assert await talk.next() is None
    async with api.session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
        talk = Conversation(api, socket)
        await talk.begin()
        await talk.ask(LIVE, e=played.id)
        messages = [line["message"] for line in (await talk.next())["getLiveExperimentLogs"]]
        assert messages == ["graphql-transport-ws\n", "later\n", "graphql-ws\n", "later\n"]
        await played.end()
        assert await talk.next() is None
        await talk.ask("subscription { nothing }")
        assert (await socket.receive_json(timeout=20))["type"] == "error"
    await check_refusals(api, url)
    await check_a_real_one(api, url)


async def check_refusals(api: Api, url: str) -> None:
    """See who is hung up on."""
    wrong: list[tuple[str, int]] = [
        ('{"type": "connection_init", "payload": {"X-Grid-User": "a"}}', 4401),
        ('{"type": "connection_init"}', 4401),
        ('{"type": "subscribe", "id": "1", "payload": {}}', 4401),
        ("no json", 4400),
        ("[]", 4400),
    ]
    for text, code in wrong:
        async with api.session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
            await socket.send_str(text)
            await socket.receive(timeout=20)
            assert socket.close_code == code, text
    headers = {"X-Grid-User": api.user[0], "X-Grid-Key": "wrong"}
    await api.call(
        "POST", f"{api.ready['url']}/graphql", status=401, json={"query": "{x}"}, headers=headers
    )
    answer = await api.query("{ nothing }")
    assert "nothing" in answer["errors"][0]["message"]
    answer = await api.query('query { getExperimentDetails(experimentId: "x") { name } }')
    assert "there is no experiment x" in answer["errors"][0]["message"]


async def check_a_real_one(api: Api, url: str) -> None:
    """Follow a script from before its start to its end."""
    made = await api.create("real", "train.py --lr 1")
    [experiment] = made["status"]["experimentIds"]
    names = "query ($n: String!) { getExperimentId(experimentName: $n) { success experimentId } }"
    answer = await api.query(names, n="real-exp0")
    assert answer["data"]["getExperimentId"] == {"success": True, "experimentId": experiment}
    answer = await api.query(names, n="other-exp0")
    assert answer["data"]["getExperimentId"]["success"] is False
    async with api.session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
        talk = Conversation(api, socket)
        await talk.begin()
        await talk.ask(LIVE, e=experiment)
        source = archive({"train.py": SCRIPT + "print('ended', end='')"})
        await api.call("PUT", made["status"]["uploadUrl"], data=source)
        assert (await talk.next())["getLiveExperimentLogs"][0]["message"] == "begun\n"
        details = (
            "query ($e: ID!) { getExperimentDetails(experimentId: $e)"
            " { status parameters { name value } run { name } } }"
        )
        answer = await api.query(details, e=experiment)
        assert answer["data"]["getExperimentDetails"] == {
            "status": "running",
            "parameters": [{"name": "lr", "value": "1"}],
            "run": {"name": "real"},
        }
        roots = api.platform.artifacts.control.places.roots(experiment)
        await asyncio.to_thread((roots["tmp"] / "go").touch)
        assert (await talk.next())["getLiveExperimentLogs"][0]["message"] == "ended\n"
        assert await talk.next() is None
        await talk.ask(BUILD, e=experiment)
        lines = (await talk.next())["getLiveBuildLogs"]
        assert [line["message"] for line in lines][-1] == "The image is ready\n"
        assert await talk.next() is None
    query = (
        "query ($e: ID!, $s: DateTime) {"
        " getExperimentLogs(experimentId: $e, start: $s) { lines { message } }"
        " getBuildLogs(experimentId: $e) { message } }"
    )
    found = (await api.query(query, e=experiment))["data"]
    assert [line["message"] for line in found["getExperimentLogs"]["lines"]] == [
        *("begun\n", "ended\n"),
    ]
    assert found["getBuildLogs"][-1]["message"] == "The image is ready\n"
    found = (await api.query(query, e=experiment, s="2100-01-01T00:00:00Z"))["data"]
    assert found["getExperimentLogs"]["lines"] == []


@pytest.mark.thorough
async def test_a_client_that_leaves_takes_its_readers_along(api: Api) -> None:
    run = await api.platform.artifacts.add_run("played", {})
    url = f"{api.ready['url']}/subscriptions"
    for _ in range(20):
        async with api.session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
            talk = Conversation(api, socket)
            await talk.begin()
            await talk.ask(LIVE, e=run.experiments[0].id)
            assert socket._response is not None
            socket._response.close()  # without a word
    await run.experiments[0].log("nobody listens")
