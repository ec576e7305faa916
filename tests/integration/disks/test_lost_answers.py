"""Disks, secrets, rights and accounts when answers are lost and services are down."""

from __future__ import annotations

import pytest
from yarl import URL

from neuro_client import (
    Action,
    Client,
    Permission,
    ServerNotAvailable,
    Share,
    TransportError,
)
from neuro_client.local import LocalPlatform


async def test_what_can_be_said_twice_is(client: Client, local_platform: LocalPlatform) -> None:
    """A lost answer is asked for again where that changes nothing."""
    await local_platform.add_user("bob")
    lost = [
        local_platform.fault("POST /api/v1/secrets", cut_after=0),
        local_platform.fault("POST /permissions", cut_after=0),
        local_platform.fault("GET /api/v1/disk", cut_after=1),
        local_platform.fault("GET /api/v1/secrets", status=503),
        local_platform.fault("GET /api/v1/service_accounts", refuse=True),
    ]
    await client.secrets.add("key", b"value")
    wanted = Permission(URL("storage://default/user/x"), Action.READ)
    await client.users.share("bob", wanted)
    assert await client.users.get_shares("user") == [Share("bob", wanted)]
    disk = await client.disks.create(1)
    assert await client.disks.get(disk.id) == disk
    async with client.secrets.list() as secrets:
        assert [secret.key async for secret in secrets] == ["key"]
    async with client.service_accounts.list() as accounts:
        assert [account async for account in accounts] == []
    assert [fault.hits for fault in lost] == [1] * len(lost)


async def test_what_would_happen_twice_is_said_once(
    client: Client, local_platform: LocalPlatform
) -> None:
    with local_platform.intercept() as seen:
        local_platform.fault("POST /api/v1/disk", cut_after=0)
        with pytest.raises(TransportError):
            await client.disks.create(1, name="only-one")
        local_platform.fault("POST /api/v1/service_accounts", cut_after=0)
        with pytest.raises(TransportError):
            await client.service_accounts.create("only-one")
        local_platform.fault("POST /api/v1/service_accounts", status=503)
        with pytest.raises(ServerNotAvailable):
            await client.service_accounts.create("never")
        assert len(seen.calls) == 3
    async with client.disks.list() as disks:
        assert [disk.name async for disk in disks] == ["only-one"]
    async with client.service_accounts.list() as accounts:
        assert [account.name async for account in accounts] == ["only-one"]
