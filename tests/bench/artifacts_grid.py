"""The published client on the same work; runs in its environment, as its command line does."""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from .contenders.task import Order, Stopwatch, play


def account_of(order: Order) -> dict[str, str]:
    """Read what a client needs."""
    found: dict[str, str] = json.loads(Path(order.config).read_text())
    return found


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Download the run ``remote`` to ``local``; ``config`` is the file of an account."""
    account = account_of(order)
    os.environ.update(
        GRID_URL=account["url"],
        GRID_USER_ID=account["user_id"],
        GRID_API_KEY=account["api_key"],
        GRID_CLUSTER_ID=account["cluster_id"],
        GRID_SKIP_VERSION_CHECK="1",
    )
    from grid.cli.__main__ import main

    sys.argv = ["grid", "artifacts", "--download_dir", order.local, order.remote]
    with contextlib.redirect_stdout(sys.stderr), stopwatch:
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    play(work)
