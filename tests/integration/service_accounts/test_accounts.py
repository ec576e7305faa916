"""Service accounts on the local platform: their tokens, what those may do, and their end."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from neuro_client import (
    Action,
    AuthenticationError,
    AuthError,
    Client,
    ConflictError,
    Factory,
    IllegalArgumentError,
    Permission,
    RemoteImage,
    ResourceNotFound,
    ServiceAccount,
    get,
    login_with_token,
)
from neuro_client.local import LocalPlatform
from neuro_client.threads import run_blocking

from ..users.people import as_user


async def listed(client: Client) -> list[ServiceAccount]:
    async with client.service_accounts.list() as accounts:
        return [account async for account in accounts]


async def test_an_account_from_its_making_to_its_end(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    named, _ = await client.service_accounts.create("builder.ci-1")
    plain, _ = await client.service_accounts.create()
    assert (named.name, named.owner, named.default_cluster) == ("builder.ci-1", "user", "default")
    assert named.role == "user/service-accounts/builder.ci-1"
    assert plain.name is None
    assert len(plain.role.rpartition("/")[2]) == 16
    assert await listed(client) == [named, plain]
    assert await client.users.get_subroles("user") == sorted([named.role, plain.role])
    for key in (named.id, "builder.ci-1"):
        assert await client.service_accounts.get(key) == named
    with pytest.raises(ConflictError, match="unique"):
        await client.service_accounts.create("builder.ci-1")
    async with as_user(local_platform, "bob", tmp_path / "bob") as bob:
        assert await listed(bob) == []
        for call in (bob.service_accounts.get, bob.service_accounts.rm):
            with pytest.raises(ResourceNotFound):
                await call(named.id)
        assert (await bob.service_accounts.create("builder.ci-1"))[0].owner == "bob"
    await client.users.remove(named.role)
    assert (await client.service_accounts.get(named.id)).role_deleted
    for key in ("builder.ci-1", plain.id):
        await client.service_accounts.rm(key)
        with pytest.raises(ResourceNotFound):
            await client.service_accounts.rm(key)
    assert await listed(client) == []
    assert await client.users.get_subroles("user") == []


async def test_its_token_is_a_login_until_the_account_goes(
    client: Client, local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, token = await client.service_accounts.create("builder")
    passed = json.loads(base64.b64decode(token))
    assert passed.keys() == {"token", "cluster", "url"}
    assert passed["url"] == str(local_platform.api_url)
    # Whole or unwrapped, as the login of a job, and in the environment of a program.
    await login_with_token(token, url=local_platform.api_url, path=tmp_path / "whole")
    await login_with_token(passed["token"], url=URL(passed["url"]), path=tmp_path / "bare")
    factory = await run_blocking(Factory, tmp_path / "passed")
    await factory.login_with_passed_config(token)
    monkeypatch.setenv("NEURO_PASSED_CONFIG", token)
    for name in ("whole", "bare", "passed", "environment"):
        async with get(path=tmp_path / name) as found:
            assert (found.username, found.cluster_name) == (account.role, "default")
    async with get(path=tmp_path / "whole") as robot:
        await check_rights(client, robot, account)
        await client.service_accounts.rm("builder")
        with pytest.raises(AuthenticationError):
            await listed(robot)
        with pytest.raises(AuthenticationError):
            await robot.jobs.start(image=RemoteImage("x"), preset_name="cpu-small")
    with pytest.raises(AuthError):
        await login_with_token(token, url=local_platform.api_url, path=tmp_path / "late")
    # The next account of the name has nothing of this one.
    again, _ = await client.service_accounts.create("builder")
    assert again.role == account.role
    given = await client.users.get_acl(again.role, "storage")
    assert URL("storage://default/user/data") not in [item.uri for item in given]
    async with get(path=tmp_path / "whole") as robot:
        with pytest.raises(AuthenticationError):
            await listed(robot)


async def check_rights(client: Client, robot: Client, account: ServiceAccount) -> None:
    """See that an account may do what its role is given, and what is its own."""
    data = URL("storage://default/user/data")
    await client.storage.create(data / "file", b"mine")
    with pytest.raises(ResourceNotFound):  # the storage does not even tell that it is there
        await robot.storage.stat(data / "file")
    await client.users.share(account.role, Permission(data, Action.READ))
    assert (await robot.storage.stat(data / "file")).size == 4
    with pytest.raises(ResourceNotFound):
        await robot.storage.create(data / "file", b"theirs")
    await robot.storage.create(URL("storage:own/file"), b"own")
    assert (await client.storage.stat(URL(f"storage://default/{account.role}/own/file"))).size == 3
    await robot.secrets.add("own", b"value")
    disk = await robot.disks.create(2**20, name="own-disk")
    volume = robot.parse.volumes(["disk:own-disk:/mnt/own"]).disk_volumes
    job = await robot.jobs.start(
        image=RemoteImage("ubuntu"),
        preset_name="cpu-small",
        command="sh -c 'test $OWN = value && echo x > /mnt/own/x'",
        disk_volumes=volume,
        secret_env={"OWN": URL("secret:own")},
    )
    assert (await robot.jobs.wait(job.id)).owner == account.role
    await client.disks.rm(disk.id)


async def test_what_makes_no_sense(client: Client, local_platform: LocalPlatform) -> None:
    names = ("", "Upper", "a b", "-a", "a-", "a..b", ".a", "a/b", "ä")
    with local_platform.intercept() as seen:
        for name in names:
            with pytest.raises(IllegalArgumentError, match="name of a service account"):
                await client.service_accounts.create(name)
    assert seen.calls == []
    headers = {"Authorization": f"Bearer {local_platform.token}"}
    url = client.config.service_accounts_url
    good = {"name": "x", "default_cluster": "default"}
    bodies = [{**good, "name": name} for name in names]
    bodies += [{"name": "x"}, {**good, "default_cluster": "nowhere"}, {**good, "default_org": "x"}]
    async with aiohttp.ClientSession(headers=headers) as session:
        for body in bodies:
            async with session.post(url, json=body) as answer:
                assert answer.status == 400, body
                assert (await answer.json()).keys() == {"error"}
        await client.service_accounts.create("one")
        lines = {"Accept": "application/x-ndjson"}
        async with session.get(url, headers=lines) as answer:
            assert answer.content_type == "application/x-ndjson"
            assert "token" not in json.loads(await answer.text())
    assert len(await listed(client)) == 1


async def test_the_token_is_not_kept(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    _, token = await client.service_accounts.create("builder")
    inner = json.loads(base64.b64decode(token))["token"]

    def leaks() -> list[Path]:
        files = [path for path in local_platform.data.rglob("*") if path.is_file()]
        words = (token.encode(), inner.encode())
        return [path for path in files if any(word in path.read_bytes() for word in words)]

    assert await asyncio.to_thread(leaks) == []
