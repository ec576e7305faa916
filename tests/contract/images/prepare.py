"""What the samples of images need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from neuro_client.client import Client

from ...integration.local_registry.wire import Wire
from ..golden import Prepare


@asynccontextmanager
async def pushed(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Put the images of the samples into the registry."""
    config = client.config
    async with Wire.open(config.registry_url, await config.token()) as wire:
        for tag in ("v1", "v2"):
            digest = await wire.push_image("ada/tool", tag, b"layer")
        await wire.push_image("acme/ada/tool", "v1", b"layer")
    yield {"digest": digest}


PREPARE: Mapping[str, Prepare] = dict.fromkeys(
    ("list", "tags", "tags_of_org", "digest", "rm"), pushed
)
