"""The published client submits the same workspace; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import json
from pathlib import Path

from resontech import FederationConfig, ResonTech, ResonTechConfig

from . import workspaces_model
from .contenders.task import Order, Stopwatch, play


def _account(path):
    return json.loads(Path(path).read_text())


def _note(path, task):
    Path(path).write_text(task)


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Submit the shards at ``local`` under the name ``remote``, as its documentation says."""
    account = _account(order.config)
    config = ResonTechConfig(
        base_url=account["url"],
        platform_api_key=account["api_key"],
        s3_endpoint=account["s3_url"],
        s3_region=account["s3_region"],
        s3_access_key_id=account["access_key_id"],
        s3_secret_access_key=account["secret_access_key"],
        s3_bucket_alias=account["bucket"],
    )
    with ResonTech(config) as sdk:
        sdk.storage.head("absent")
        with stopwatch:
            job = sdk.rt_submit(
                model=workspaces_model.Model,
                name=order.remote,
                shards_dir=order.local,
                federation=FederationConfig(num_rounds=1),
                gpu_models=["any"],
                max_price_per_gpu_hour=1.0,
            )
    _note(order.base, job.id)


if __name__ == "__main__":
    play(work)
