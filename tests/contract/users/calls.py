"""The calls behind the samples of users, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from yarl import URL

from neuro_client import Action, AuthorizationError, Client, ClientError, Permission, Share

from ..golden import Call

Values = Mapping[str, str]

DATA = URL("storage://alpha/acme/ada/data")


async def get_acl(client: Client, values: Values) -> None:
    assert await client.users.get_acl("ada") == [
        Permission(URL("storage://alpha/acme/ada"), Action.MANAGE),
        Permission(URL("cluster://alpha/access"), Action.READ),
    ]


async def get_acl_scheme(client: Client, values: Values) -> None:
    [found] = await client.users.get_acl("ada", "job")
    assert found == Permission(URL("job://alpha/acme/ada"), Action.MANAGE)


async def get_acl_uri(client: Client, values: Values) -> None:
    found = await client.users.get_acl("ada/readers", uri=DATA)
    assert found == [Permission(DATA, Action.READ)]


async def get_shares(client: Client, values: Values) -> None:
    expected = [Share("bob", Permission(DATA, Action.WRITE))]
    assert await client.users.get_shares("ada") == expected


async def get_shares_uri(client: Client, values: Values) -> None:
    expected = [Share("bob", Permission(DATA, Action.WRITE))]
    assert await client.users.get_shares("ada", uri=DATA) == expected


async def get_subroles(client: Client, values: Values) -> None:
    assert await client.users.get_subroles("ada") == ["ada/readers"]


async def share(client: Client, values: Values) -> None:
    wanted = Permission(DATA, Action.WRITE)
    assert await client.users.share("bob", wanted) == wanted


async def share_raised(client: Client, values: Values) -> None:
    given = await client.users.share("ada/readers", Permission(DATA, Action.READ))
    assert given == Permission(DATA, Action.MANAGE)


async def share_unexpected_status(client: Client, values: Values) -> None:
    with pytest.raises(ClientError):
        await client.users.share("bob", Permission(DATA, Action.WRITE))


async def share_not_permitted(client: Client, values: Values) -> None:
    foreign = URL("storage://alpha/acme/eve")
    with pytest.raises(AuthorizationError, match="storage://alpha/acme/eve"):
        await client.users.share("bob", Permission(foreign, Action.READ))


async def revoke(client: Client, values: Values) -> None:
    await client.users.revoke("bob", DATA)


async def add(client: Client, values: Values) -> None:
    await client.users.add("ada/writers")


async def remove(client: Client, values: Values) -> None:
    await client.users.remove("ada/readers")


CALLS: Mapping[str, Call] = {
    "get_acl": get_acl,
    "get_acl_scheme": get_acl_scheme,
    "get_acl_uri": get_acl_uri,
    "get_shares": get_shares,
    "get_shares_uri": get_shares_uri,
    "get_subroles": get_subroles,
    "share": share,
    "share_raised": share_raised,
    "share_unexpected_status": share_unexpected_status,
    "share_not_permitted": share_not_permitted,
    "revoke": revoke,
    "add": add,
    "remove": remove,
}
