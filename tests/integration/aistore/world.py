"""Many checks on one cluster: each finds it empty and as it was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from neuro_client.aistore import AIStore, Bucket
from neuro_client.local import LocalPlatform
from neuro_client.retry import RetryPolicy

FAST = RetryPolicy(attempts=6, base=0.001, cap=0.01)


@attrs.frozen
class World:
    """Hold a client, its cluster's controls, an empty bucket ``b1`` and an empty folder."""

    platform: LocalPlatform
    cluster: Any
    ais: AIStore
    bucket: Bucket
    folder: Path


Check = Callable[[World], Awaitable[None]]


async def run(checks: Sequence[Check], folder: Path) -> None:
    """Run the checks one after another; a failure tells which one it was."""
    async with LocalPlatform(data=folder / "platform", port=0) as platform:
        cluster = platform.aistore
        for check in checks:
            cluster.version = (5, 0)
            cluster.signing = cluster.require_tokens = False
            async with AIStore.connect(cluster.url.human_repr(), retry_config=FAST) as ais:
                for model in await ais.cluster().list_buckets():
                    await ais.bucket(model.name, namespace=model.namespace).delete()
                bucket = await ais.bucket("b1").create()
                own = folder / check.__name__
                own.mkdir()
                try:
                    await check(World(platform, cluster, ais, bucket, own))
                except BaseException as error:
                    error.add_note(f"in {check.__name__}")
                    raise
