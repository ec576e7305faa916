"""This client. With a file name as argument, a profile of the event loop's thread is put there."""

from __future__ import annotations

import cProfile
import sys
from pathlib import Path

from yarl import URL

import neuro_client

from .task import Order, Stopwatch, play


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    async with neuro_client.get(path=Path(order.config)) as client:
        storage = client.storage
        local, remote = URL(Path(order.local).as_uri()), URL(f"storage:{order.remote}")
        profile = cProfile.Profile() if len(sys.argv) > 1 else None
        if profile is not None:
            profile.enable()
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
        if profile is not None:
            profile.disable()
            profile.dump_stats(sys.argv[1])


if __name__ == "__main__":
    play(work)
