"""Golden requests against the local platform: it answers in the shape of the golden answers."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.factory import get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .golden import Sample, basic, encode_body, prepares, samples, shape_errors

pytestmark = [pytest.mark.contract, pytest.mark.slow]

PATIENCE = 10.0


def values_of(client: Client) -> dict[str, str]:
    """Return what the placeholders of the samples stand for at the local platform."""
    config = client.config
    registry = config.registry_url
    return {
        "api": str(config.api_url),
        "monitoring": str(config.monitoring_url),
        "storage": str(config.storage_url),
        "buckets": str(config.bucket_api_url),
        "disks": str(config.disk_api_url),
        "secrets": str(config.secrets_url),
        "images": str(registry).rstrip("/"),
        "registry": f"{registry.host}:{registry.port}" if registry.port else str(registry.host),
    }


@asynccontextmanager
async def nothing(_: Client) -> AsyncIterator[Mapping[str, str]]:
    """Prepare nothing."""
    yield {}


def target(golden: Mapping[str, Any]) -> URL:
    query = golden.get("query", [])
    if isinstance(query, str):
        return URL(f"{golden['path']}?{query}" if query else golden["path"], encoded=True)
    return URL(golden["path"]).with_query(query)


async def replay(
    sample: Sample, session: aiohttp.ClientSession, token: str, values: Mapping[str, str]
) -> list[str]:
    """Send the golden request and name what is wrong with the answer."""
    golden = sample.request(values)
    response = sample.response(values)
    body, kind = encode_body(golden)
    headers = dict(golden.get("headers", {}))
    if not golden.get("anonymous"):
        headers["Authorization"] = golden.get("authorization", f"Bearer {token}")
    if kind is not None:
        headers["Content-Type"] = kind
    if "messages" in response:
        return await converse(sample, session, target(golden), headers, response)
    if golden.get("websocket"):
        key = base64.b64encode(os.urandom(16)).decode()
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key}
        headers["Sec-WebSocket-Version"] = "13"
    async with session.request(
        golden["method"], target(golden), data=body, headers=headers
    ) as answer:
        content = await answer.read()
    if answer.status != response["status"]:
        return [f"status {answer.status} instead of {response['status']}: {content[:300]!r}"]
    errors = [
        f"no header {key}" for key in response.get("headers", {}) if key not in answer.headers
    ]
    expected, kind = encode_body(response)
    if kind is not None and not answer.headers.get("Content-Type", "").startswith(kind):
        return [*errors, f"content type {answer.headers.get('Content-Type')} instead of {kind}"]
    if kind is None:
        same = content == (expected or b"")
        return errors if same else [*errors, f"body {content[:300]!r} instead of {expected!r}"]
    if "ndjson" in response:
        lines = [json.loads(line) for line in content.splitlines()]
        return [*errors, *compare(sample, response["ndjson"], lines)]
    return [*errors, *compare(sample, response["json"], json.loads(content))]


async def converse(
    sample: Sample,
    session: aiohttp.ClientSession,
    url: URL,
    headers: Mapping[str, str],
    response: Mapping[str, Any],
) -> list[str]:
    """Open the golden WebSocket and compare the first message, or the close when none is due."""
    async with (
        asyncio.timeout(PATIENCE),
        session.ws_connect(url, headers=headers) as socket,
    ):
        message = await socket.receive()
        if not response["messages"]:
            kinds = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            return [] if message.type in kinds else [f"a message came: {message!r}"]
        golden = response["messages"][0]
        if "binary" in golden:
            binary = message.type is aiohttp.WSMsgType.BINARY
            return [] if binary else [f"{message!r} instead of a binary message"]
        if message.type is not aiohttp.WSMsgType.TEXT:
            return [f"{message!r} instead of a text message"]
        return compare(sample, json.loads(golden["text"]), json.loads(message.data))


def compare(sample: Sample, golden: Any, live: Any) -> list[str]:
    return shape_errors(
        golden,
        live,
        optional=sample.document.get("optional", ()),
        exact=sample.document.get("exact", ()),
    )


@pytest.mark.parametrize("service", sorted({sample.service for sample in samples()}))
async def test_the_local_platform_speaks_as_the_facts_say(service: str, tmp_path: Path) -> None:
    """Replay all samples of a service on one platform, each after its preparation."""
    errors: dict[str, list[str]] = {}
    async with (
        LocalPlatform(
            data=tmp_path / "platform",
            clusters=("alpha", "beta"),
            orgs=("acme",),
            username="ada",
            port=0,
        ) as platform,
        aiohttp.ClientSession() as session,
    ):
        await platform.add_user("bob")
        await login(platform, tmp_path / "config")
        async with get(path=tmp_path / "config") as client:
            await client.config.switch_org("acme")
            for sample in samples():
                if sample.service != service or "local" in sample.document:
                    continue
                prepare = prepares(service).get(sample.call, nothing)
                async with prepare(client) as values:
                    values = values_of(client) | dict(values)
                    values["basic"] = basic("ada", platform.token)
                    if found := await replay(sample, session, platform.token, values):
                        errors[sample.name] = found
    assert not errors, json.dumps(errors, indent=2)
