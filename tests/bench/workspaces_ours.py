"""This client submits a workspace; with an argument it writes a profile there."""

from __future__ import annotations

import asyncio
import cProfile
import json
import sys
from pathlib import Path

from neuro_client.workspaces import Configs, Workspaces

from .contenders.task import Order, Stopwatch, play

_MODEL = Path(__file__).with_name("workspaces_model.py")


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Submit the shards at ``local`` under the name ``remote``, and note the task at ``base``."""
    account = json.loads(await asyncio.to_thread(Path(order.config).read_text))
    async with Workspaces.connect(
        account["url"],
        api_key=account["api_key"],
        s3_url=account["s3_url"],
        s3_region=account["s3_region"],
        access_key_id=account["access_key_id"],
        secret_access_key=account["secret_access_key"],
        bucket=account["bucket"],
    ) as workspaces:
        await workspaces.storage.head("absent")
        profile = cProfile.Profile() if len(sys.argv) > 1 else None
        if profile is not None:
            profile.enable()
        with stopwatch:
            task = await workspaces.submit(
                order.remote,
                {"model_def.py": _MODEL},
                Configs(order.remote, num_rounds=1),
                shards=Path(order.local),
                gpu_models=["any"],
                max_price_per_gpu_hour_cents=100,
            )
        if profile is not None:
            profile.disable()
            profile.dump_stats(sys.argv[1])
    await asyncio.to_thread(Path(order.base).write_text, task.id)


if __name__ == "__main__":
    play(work)
