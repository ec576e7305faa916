"""The calls behind the samples of service accounts, and what their answers must become."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import pytest

from neuro_client import Client, ConflictError, ResourceNotFound, ServiceAccount

from ..golden import Call

Values = Mapping[str, str]

NAMED = ServiceAccount(
    "service-account-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11",
    "builder",
    "ada",
    "alpha",
    "ada/service-accounts/builder",
    datetime(2022, 7, 1, 12, 0, 0, 123456, tzinfo=UTC),
)
UNNAMED = attrs.evolve(NAMED, name=None, role="ada/service-accounts/0123456789abcdef")


async def list_(client: Client, values: Values) -> None:
    async with client.service_accounts.list() as accounts:
        found = [account async for account in accounts]
    assert found == [NAMED, UNNAMED]
    assert not found[0].role_deleted


async def create(client: Client, values: Values) -> None:
    account, token = await client.service_accounts.create("builder")
    assert account == NAMED
    assert json.loads(base64.b64decode(token))["token"] == "a.b.c"
    assert token not in repr(account)


async def create_unnamed(client: Client, values: Values) -> None:
    account, _ = await client.service_accounts.create(default_cluster="beta")
    assert account == attrs.evolve(UNNAMED, default_cluster="beta")


async def create_taken(client: Client, values: Values) -> None:
    with pytest.raises(ConflictError, match="'builder' already"):
        await client.service_accounts.create("builder")


async def get(client: Client, values: Values) -> None:
    assert await client.service_accounts.get("builder") == NAMED


async def get_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.service_accounts.get("none")


async def rm(client: Client, values: Values) -> None:
    await client.service_accounts.rm("builder")


async def rm_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.service_accounts.rm("none")


CALLS: Mapping[str, Call] = {
    "list": list_,
    "list_lines": list_,
    "create": create,
    "create_unnamed": create_unnamed,
    "create_taken": create_taken,
    "get": get,
    "get_unknown": get_unknown,
    "rm": rm,
    "rm_unknown": rm_unknown,
}
