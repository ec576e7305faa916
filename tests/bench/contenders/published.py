"""The published client, neuro-sdk 22.7.1, run as it is by a Python of its own."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .task import Order, Stopwatch, play

# Not installed where this file is checked.
neuro_sdk: Any = importlib.import_module("neuro_sdk")
URL: Any = importlib.import_module("yarl").URL


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    async with neuro_sdk.get(path=Path(order.config)) as client:
        storage = client.storage
        local, remote = URL(Path(order.local).as_uri()), URL(f"storage:{order.remote}")
        with stopwatch:
            if order.work == "up-tree":
                await storage.upload_dir(local, remote)
            elif order.work == "sync-tree":
                await storage.upload_dir(local, remote, update=True)
            elif order.work == "down-tree":
                await storage.download_dir(remote, local)
            elif order.work == "up-file":
                await storage.upload_file(local, remote)
            elif order.work == "down-file":
                await storage.download_file(remote, local)


if __name__ == "__main__":
    play(work)
