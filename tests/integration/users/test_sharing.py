"""Rights that one user gives another, and takes back: storage, jobs, blobs, roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client import (
    Action,
    AuthorizationError,
    Client,
    IllegalArgumentError,
    Permission,
    Quota,
    RemoteImage,
    ResourceNotFound,
    Share,
    get,
)
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from .people import as_user

REFUSED = (AuthorizationError, ResourceNotFound)


@pytest.fixture
async def bob(local_platform: LocalPlatform, tmp_path: Path) -> AsyncIterator[Client]:
    async with as_user(local_platform, "bob", tmp_path / "bob") as client:
        yield client


async def refused(*calls: Callable[[], Awaitable[Any]]) -> None:
    for call in calls:
        with pytest.raises(REFUSED):
            await call()


async def content(client: Client, uri: URL) -> bytes:
    async with client.storage.open(uri) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_storage(client: Client, bob: Client) -> None:
    folder = URL("storage://default/user/shared")
    file = folder / "deep" / "note"
    await client.storage.create(file, b"mine")

    def read() -> Awaitable[bytes]:
        return content(bob, file)

    def write() -> Awaitable[None]:
        return bob.storage.create(file, b"bob's")

    await refused(read, write)
    reading = Permission(folder, Action.READ)
    assert await client.users.share("bob", reading) == reading
    assert await read() == b"mine"
    await refused(write)
    assert await client.users.get_shares("user") == [Share("bob", reading)]
    assert reading in await bob.users.get_acl("bob")
    assert await bob.users.get_acl("bob", uri=folder) == [reading]
    # A second right on the same URI takes the place of the first.
    await client.users.share("bob", Permission(folder, Action.WRITE))
    await write()
    assert await content(client, file) == b"bob's"
    # Who may not manage it cannot pass it on.
    await refused(lambda: bob.users.share("bob", Permission(folder, Action.MANAGE)))
    with pytest.raises(IllegalArgumentError, match="Nothing was shared"):
        await client.users.revoke("bob", file)
    await client.users.revoke("bob", folder)
    await refused(read, write)
    assert await client.users.get_shares("user") == []
    # Sharing several times at once is sharing once.
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(client.users.share("bob", reading))
    assert await client.users.get_shares("user") == [Share("bob", reading)]


@pytest.mark.slow
async def test_jobs(client: Client, bob: Client) -> None:
    job = await client.jobs.start(
        image=RemoteImage("ubuntu"), preset_name="cpu-small", command="sleep 60"
    )

    def look() -> Awaitable[Any]:
        return bob.jobs.status(job.id)

    def kill() -> Awaitable[None]:
        return bob.jobs.kill(job.id)

    async def seen() -> list[str]:
        async with bob.jobs.list() as jobs:
            return [found.id async for found in jobs]

    await refused(look, kill)
    assert await seen() == []
    await client.users.share("bob", Permission(job.uri, Action.READ))
    assert (await bob.jobs.status(job.id)).owner == "user"
    assert await seen() == [job.id]
    await refused(kill)
    await client.users.revoke("bob", job.uri)
    await refused(look, kill)
    await client.users.share("bob", Permission(job.uri, Action.WRITE))
    await kill()
    assert (await client.jobs.wait(job.id, check=False)).status.is_finished


async def test_blobs(client: Client, bob: Client) -> None:
    bucket = await client.buckets.create("shared")
    await client.buckets.put_blob("shared", "key", b"mine")

    async def read() -> bytes:
        async with bob.buckets.fetch_blob("shared", "key", bucket_owner="user") as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def find() -> Any:
        return await bob.buckets.get(bucket.id)

    await refused(read, find)
    await client.users.share("bob", Permission(bucket.uri, Action.READ))
    assert await read() == b"mine"
    assert await find() == bucket
    await refused(lambda: bob.buckets.put_blob("shared", "key", b"x", bucket_owner="user"))
    await client.users.revoke("bob", bucket.uri)
    await refused(find, lambda: bob.buckets.request_tmp_credentials(bucket.id))


async def test_roles(client: Client, bob: Client, local_platform: LocalPlatform) -> None:
    folder = URL("storage://default/user/shared")
    await client.users.add("user/readers")
    await client.users.add("user/readers/deep")
    assert await client.users.get_subroles("user") == ["user/readers", "user/readers/deep"]
    assert await client.users.get_subroles("user/readers") == ["user/readers/deep"]
    with pytest.raises(IllegalArgumentError, match="already"):
        await client.users.add("user/readers")
    await client.users.share("user/readers", Permission(folder, Action.READ))
    acl = await client.users.get_acl("user/readers", "storage")
    assert Permission(folder, Action.READ) in acl
    assert {item.uri.scheme for item in acl} == {"storage"}
    await refused(
        lambda: bob.users.add("user/more"),
        lambda: bob.users.remove("user/readers"),
        lambda: bob.users.get_acl("user"),
        lambda: bob.users.get_shares("user"),
        lambda: bob.users.get_subroles("user"),
        lambda: client.users.get_acl("nobody"),
        lambda: client.users.share("nobody", Permission(folder, Action.READ)),
    )
    await client.users.remove("user/readers")
    assert await client.users.get_subroles("user") == ["user/readers/deep"]
    with pytest.raises(ResourceNotFound):
        await client.users.remove("user/readers")
    # What was given to a role is not there again with the next one of its name.
    await client.users.add("user/readers")
    assert Permission(folder, Action.READ) not in await client.users.get_acl("user/readers")


async def check_not_sent(client: Client, local_platform: LocalPlatform) -> None:
    """See that what makes no sense is refused before anything is sent."""
    uri = URL("storage://default/user/x")
    with local_platform.intercept() as seen:
        for call in (
            client.users.get_acl("user:role"),
            client.users.get_shares("user:role"),
            client.users.get_subroles("user:role"),
            client.users.share("user:role", Permission(uri, Action.READ)),
            client.users.revoke("user:role", uri),
            client.users.add("user:role"),
            client.users.remove("user:role"),
            client.users.get_acl("user", "storage", uri=uri),
            client.users.get_shares("user", "storage", uri=uri),
            client.users.get_acl(""),
        ):
            with pytest.raises(ValueError, match=r"colon|not both|names nothing"):
                await call
    assert seen.calls == []


async def test_quotas_and_what_makes_no_sense(tmp_path: Path) -> None:
    config = tmp_path / "config"
    async with LocalPlatform(tmp_path / "data", port=0, orgs=("team",)) as platform:
        await login(platform, config)
        async with get(path=config) as client:
            await check_not_sent(client, platform)
            assert await client.users.get_quota() == Quota(None, None)
            assert await client.users.get_org_quota() is None
            await platform.set_quota("user", total_running_jobs=3, credits=Decimal("10.5"))
            await platform.set_quota(None, org="team", credits=7)
            await platform.set_quota("user", org="team", total_running_jobs=1)
            assert await client.users.get_quota() == Quota(Decimal("10.5"), 3)
            await client.config.switch_org("team")
            assert await client.users.get_quota() == Quota(None, 1)
            assert await client.users.get_org_quota() == Quota(Decimal(7), None)
            # A platform may write no limit as an empty text, or leave it out.
            for balance, expected in (({"credits": ""}, None), (None, None)):
                answer = {"balance": balance, "quota": None, "unknown": [1]}
                with platform.intercept() as seen:
                    seen.answer("GET /users/user", json=answer)
                    assert await client.users.get_quota() == Quota(expected, None)
