"""What the samples of disks need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from neuro_client.client import Client

from ..golden import Prepare
from ..rest import rest

ORG = "acme"


def making(*disks: Mapping[str, Any]) -> Prepare:
    """Make disks, and remove all there are afterwards."""

    @asynccontextmanager
    async def prepare(client: Client) -> AsyncIterator[Mapping[str, str]]:
        async with rest(client, client.config.disk_api_url) as service:
            for disk in disks:
                await service.call("POST", body={"storage": 2**30, **disk})
            yield {}
            found: Sequence[Any] = await service.call("GET")
            for disk in found:
                await service.call("DELETE", f"/{disk['id']}")

    return prepare


ONE = making({"name": "train-data", "org_name": ORG, "life_span": 86400})
NONE = making()

PREPARE: Mapping[str, Prepare] = {
    "list": making(
        {"name": "train-data", "org_name": ORG, "life_span": 86400},
        {"name": None, "org_name": None, "life_span": None},
        {"org_name": ORG},
    ),
    "create": NONE,
    "create_plain": NONE,
    "create_taken": ONE,
    "create_other_org": NONE,
    "get": ONE,
    "get_of_owner": ONE,
    "rm": ONE,
    "rm_of_owner": ONE,
}
