"""This client on a bucket. With a file name as argument, the loop's profile is put there."""

from __future__ import annotations

import cProfile
import sys
from pathlib import Path

from yarl import URL

import neuro_client

from .task import Order, Stopwatch, play


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work in the bucket of ``base``."""
    async with neuro_client.get(path=Path(order.config)) as client:
        buckets = client.buckets
        await buckets.blob_is_dir(URL(order.base))  # opens it: the peers are given its keys
        local, remote = URL(Path(order.local).as_uri()), URL(f"{order.base}/{order.remote}")
        profile = cProfile.Profile() if len(sys.argv) > 1 else None
        if profile is not None:
            profile.enable()
        with stopwatch:
            if order.work == "up-blobs":
                await buckets.upload_dir(local, remote)
            elif order.work == "sync-blobs":
                await buckets.upload_dir(local, remote, update=True)
            elif order.work == "down-blobs":
                await buckets.download_dir(remote, local)
            elif order.work == "up-blob":
                await buckets.upload_file(local, remote)
            elif order.work == "down-blob":
                await buckets.download_file(remote, local)
        if profile is not None:
            profile.disable()
            profile.dump_stats(sys.argv[1])


if __name__ == "__main__":
    play(work)
