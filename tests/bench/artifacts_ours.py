"""This client downloads the artifacts of a run; with the name of a file it writes a profile."""

from __future__ import annotations

import cProfile
import json
import sys
from pathlib import Path

from neuro_client.artifacts import Artifacts

from .contenders.task import Order, Stopwatch, play


def account_of(order: Order) -> dict[str, str]:
    """Read what a client needs."""
    found: dict[str, str] = json.loads(Path(order.config).read_text())
    return found


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Download the run ``remote`` to ``local``; ``config`` is the file of an account."""
    account = account_of(order)
    profile = cProfile.Profile() if len(sys.argv) > 1 else None
    async with Artifacts.connect(
        account["url"],
        user_id=account["user_id"],
        api_key=account["api_key"],
        cluster_id=account["cluster_id"],
    ) as artifacts:
        with stopwatch:
            if profile is not None:
                profile.enable()
            await artifacts.download(order.remote, order.local)
            if profile is not None:
                profile.disable()
                profile.dump_stats(sys.argv[1])


if __name__ == "__main__":
    play(work)
