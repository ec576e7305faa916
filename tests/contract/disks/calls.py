"""The calls behind the samples of disks, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from yarl import URL

from neuro_client import (
    AuthorizationError,
    Client,
    ConflictError,
    Disk,
    QuotaExceededError,
    ResourceNotFound,
)

from ..golden import Call

Values = Mapping[str, str]

ID = "disk-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11"
CREATED = datetime(2022, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)


def made(**facts: Any) -> Disk:
    """Return the record of a disk."""
    found = {
        "id": ID,
        "storage": 2**30,
        "owner": "ada",
        "status": Disk.Status.READY,
        "cluster_name": "alpha",
        "org_name": "acme",
        "created_at": CREATED,
        "name": "train-data",
        "timeout_unused": DAY,
        "used_bytes": 0,
    }
    return Disk(**{**found, **facts})


async def list_(client: Client, values: Values) -> None:
    async with client.disks.list() as disks:
        found = [disk async for disk in disks]
    assert found[:2] == [made(), made(name=None, org_name=None, timeout_unused=None)]
    assert found[3] == made(org_name=None, last_usage=CREATED)
    assert found[0].uri == URL(f"disk://alpha/acme/ada/{ID}")
    assert found[1].uri == URL(f"disk://alpha/ada/{ID}")


async def create(client: Client, values: Values) -> None:
    assert await client.disks.create(2**30, DAY, "new-data") == made(name="new-data")


async def create_plain(client: Client, values: Values) -> None:
    found = await client.disks.create(500, org_name=None)
    assert found == made(storage=500, name=None, org_name=None, timeout_unused=None)


async def create_taken(client: Client, values: Values) -> None:
    with pytest.raises(ConflictError, match="has a disk 'train-data' already"):
        await client.disks.create(500, name="train-data")


async def create_over_limit(client: Client, values: Values) -> None:
    with pytest.raises(QuotaExceededError, match=r"^'ada' has disks .* larger quota") as caught:
        await client.disks.create(500)
    assert (caught.value.status, caught.value.code, caught.value.needed) == (403, "over_limit", 500)


async def create_other_org(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError, match="disk://alpha/other/ada") as caught:
        await client.disks.create(500, org_name="other")
    assert not isinstance(caught.value, QuotaExceededError)


async def get(client: Client, values: Values) -> None:
    assert await client.disks.get("train-data") == made()


async def get_of_owner(client: Client, values: Values) -> None:
    assert await client.disks.get("train-data", owner="ada") == made()


async def get_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.disks.get("none")


async def get_not_permitted(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError, match=f"disk://alpha/bob/{ID}"):
        await client.disks.get("secret-data", owner="bob")


async def rm(client: Client, values: Values) -> None:
    await client.disks.rm("train-data")


async def rm_of_owner(client: Client, values: Values) -> None:
    await client.disks.rm("train-data", None, "ada")


async def rm_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.disks.rm("none")


async def rm_in_use(client: Client, values: Values) -> None:
    with pytest.raises(ConflictError, match=values["job"]):
        await client.disks.rm("train-data")


CALLS: Mapping[str, Call] = {
    "list": list_,
    "create": create,
    "create_plain": create_plain,
    "create_taken": create_taken,
    "create_over_limit": create_over_limit,
    "create_other_org": create_other_org,
    "get": get,
    "get_of_owner": get_of_owner,
    "get_unknown": get_unknown,
    "get_not_permitted": get_not_permitted,
    "rm": rm,
    "rm_of_owner": rm_of_owner,
    "rm_unknown": rm_unknown,
    "rm_in_use": rm_in_use,
}
