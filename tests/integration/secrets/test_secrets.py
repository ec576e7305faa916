"""Secrets on the local platform: keys, values, organisations, rights, and where values are not."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from neuro_client import (
    Action,
    AuthorizationError,
    Client,
    IllegalArgumentError,
    Permission,
    ResourceNotFound,
    Secret,
    get,
)
from neuro_client.local import LocalPlatform
from neuro_client.local.services.secrets.control import SecretControl
from neuro_client.testing.login import login

from ..users.people import as_user

VALUE = b"a-value-that-nobody-may-see"


async def kept(client: Client, cluster: str | None = None, **options: Any) -> list[Secret]:
    async with client.secrets.list(cluster, **options) as secrets:
        return [secret async for secret in secrets]


async def test_a_secret_from_its_making_to_its_end(tmp_path: Path) -> None:
    platform = LocalPlatform(
        tmp_path / "data", port=0, clusters=("default", "other"), orgs=("team",)
    )
    async with platform:
        await login(platform, tmp_path / "config")
        async with get(path=tmp_path / "config") as client:
            await client.secrets.add("token", VALUE)
            await client.secrets.add("token", b"\0\xff" * 5)
            await client.secrets.add("token", VALUE, org_name="team")
            await client.secrets.add("token", VALUE, "other")
            mine = Secret("token", "user", "default", None)
            inside = Secret("token", "user", "default", "team")
            assert await kept(client) == [mine, inside]
            assert await kept(client, org_name=None) == [mine]
            assert await kept(client, org_name="team") == [inside]
            assert await kept(client, "other") == [Secret("token", "user", "other", None)]
            assert await platform.secrets.value(mine.uri) == b"\0\xff" * 5
            await client.config.switch_org("team")
            await client.secrets.rm("token")
            assert await kept(client) == [mine]
            await client.secrets.rm("token", org_name=None)
            with pytest.raises(ResourceNotFound, match="'token' not found"):
                await client.secrets.rm("token", org_name=None)
            assert await kept(client) == []
            await client.secrets.rm("token", "other", org_name=None)


async def test_what_makes_no_sense(client: Client, local_platform: LocalPlatform) -> None:
    await check_refused(client, local_platform)
    await check_not_sent(client, local_platform)


async def check_not_sent(client: Client, local_platform: LocalPlatform) -> None:
    keys = ("", ".", "..", "..x", "a/b", "a b", "ä", "a" * 254, "---neuro---", "---NEURO---")
    with local_platform.intercept() as seen:
        for key in keys:
            for call in (client.secrets.add(key, b"x"), client.secrets.rm(key)):
                with pytest.raises(IllegalArgumentError, match="the key of a secret"):
                    await call
        for value in (b"", b"x" * (2**20 // 4 * 3 + 1)):
            with pytest.raises(IllegalArgumentError, match="the value of a secret"):
                await client.secrets.add("key", value)
        with pytest.raises(TypeError, match="bytes, not str"):
            await client.secrets.add("key", "text")  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="no cluster 'nowhere'"):
            await client.secrets.add("key", b"x", "nowhere")
    assert seen.calls == []
    largest = b"x" * (2**20 // 4 * 3)
    for key in ("A_b-1.c", ".hidden", "a" * 253):
        await client.secrets.add(key, largest)
    assert len(await kept(client)) == 3


async def check_refused(client: Client, local_platform: LocalPlatform) -> None:
    good = {"key": "key", "value": "AA=="}
    text = base64.b64encode(VALUE).decode()
    headers = {"Authorization": f"Bearer {local_platform.token}"}
    cases: list[tuple[Any, int]] = [
        ({}, 400),
        ([], 400),
        ({"key": "key"}, 400),
        ({"value": "AA=="}, 400),
        ({**good, "key": ".."}, 400),
        ({**good, "key": "---Neuro---"}, 400),
        ({**good, "value": ""}, 400),
        ({**good, "value": text[:-1] + "!"}, 400),
        ({**good, "value": "A" * (2**20 + 4)}, 400),
        ({**good, "value": [text]}, 400),
        ({**good, "project_name": "x"}, 400),
        ({**good, "org_name": "nope"}, 403),
        ({**good, "org_name": "../other"}, 403),
    ]
    url = client.config.secrets_url
    async with aiohttp.ClientSession(headers=headers) as session:
        for body, status in cases:
            content = io.BytesIO(json.dumps(body).encode())
            async with session.post(url, data=content) as answer:
                said = await answer.text()
                assert answer.status == status, (body, said)
                assert text[:10] not in said
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/key")):
            async with session.request(method, f"{url}{path}?owner=x", json=good) as answer:
                assert answer.status == 400
                assert "owner" in await answer.text()
        # The dialect has no way to read a value back.
        async with session.get(url / "key") as answer:
            assert answer.status == 405
    assert await kept(client) == []


async def test_another_users_secrets(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    for key in ("shown", "hidden"):
        await client.secrets.add(key, VALUE)
    shown = (await kept(client))[1]
    async with as_user(local_platform, "bob", tmp_path / "bob") as bob:
        assert await kept(bob) == []
        with pytest.raises(ResourceNotFound):
            await bob.secrets.rm("shown")
        await client.users.share("bob", Permission(shown.uri, Action.READ))
        assert await kept(bob) == [shown]
        # One's own of the same key is another one.
        await bob.secrets.add("shown", b"other")
        await bob.secrets.rm("shown")
        assert await local_platform.secrets.value(shown.uri) == VALUE
        await client.users.revoke("bob", shown.uri)
        assert await kept(bob) == []
        with pytest.raises(AuthorizationError):
            await bob.users.share("bob", Permission(shown.uri, Action.READ))


@pytest.mark.thorough
async def test_values_are_nowhere_on_the_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with LocalPlatform(data, port=0) as platform:
        await login(platform, tmp_path / "config")
        async with get(path=tmp_path / "config") as client:
            await client.secrets.add("token", VALUE)
        secret = (await platform.secrets.all("default"))[0]
        await asyncio.to_thread(check_hidden, data)
        # A row that was moved to another place in the database does not open there.
        await platform.state.execute("UPDATE secrets SET owner='bob'")
        with pytest.raises(Exception, match="under another key"):
            await platform.secrets.value(secret.uri.with_path("/bob/token"))
        await platform.state.execute("UPDATE secrets SET owner='user'")
    async with LocalPlatform(data, port=0) as platform:
        assert await platform.secrets.value(secret.uri) == VALUE
        elsewhere = SecretControl(platform, bytes(32))
        with pytest.raises(Exception, match="under another key") as caught:
            await elsewhere.value(secret.uri)
        assert VALUE.decode() not in str(caught.value)
    await asyncio.to_thread(check_hidden, data)


def check_hidden(folder: Path) -> None:
    """Look for the value in every file, as it is and as it is sent."""
    assert (folder / "secrets.key").stat().st_mode & 0o777 == 0o600
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for shape in (VALUE, base64.b64encode(VALUE).rstrip(b"=")):
                assert shape not in content, path
