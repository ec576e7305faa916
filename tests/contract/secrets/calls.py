"""The calls behind the samples of secrets, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from yarl import URL

from neuro_client import AuthorizationError, Client, ResourceNotFound, Secret

from ..golden import Call

Values = Mapping[str, str]

INSIDE = Secret("token", "ada", "alpha", "acme")
OUTSIDE = Secret("token", "ada", "alpha", None)


async def list_(client: Client, values: Values) -> None:
    async with client.secrets.list() as secrets:
        assert [secret async for secret in secrets] == [INSIDE, OUTSIDE]
    assert INSIDE.uri == URL("secret://alpha/acme/ada/token")
    assert OUTSIDE.uri == URL("secret://alpha/ada/token")


async def list_lines(client: Client, values: Values) -> None:
    async with client.secrets.list("alpha", org_name=None) as secrets:
        assert [secret async for secret in secrets] == [OUTSIDE]


async def add(client: Client, values: Values) -> None:
    await client.secrets.add("token", b"secret\xff")


async def add_outside(client: Client, values: Values) -> None:
    await client.secrets.add(".A_b-1", b"\0", org_name=None)


async def add_other_org(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError, match="secret://alpha/other/ada") as caught:
        await client.secrets.add("token", b"\0", org_name="other")
    assert "AA==" not in f"{caught.value} {caught.value!r} {caught.value.body}"


async def rm(client: Client, values: Values) -> None:
    await client.secrets.rm("token")


async def rm_outside(client: Client, values: Values) -> None:
    await client.secrets.rm("token", org_name=None)


async def rm_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.secrets.rm("none")


CALLS: Mapping[str, Call] = {
    "list": list_,
    "list_lines": list_lines,
    "add": add,
    "add_outside": add_outside,
    "add_other_org": add_other_org,
    "rm": rm,
    "rm_outside": rm_outside,
    "rm_unknown": rm_unknown,
}
