"""The published SDK of AIStore, run as it is by a Python of its own, with threads."""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .objects import LARGE, WORKERS, Job, content
from .task import Order, Stopwatch, play

# Not installed where this file is checked.
sdk: Any = importlib.import_module("aistore.sdk")


def _run(job: Job, bucket: Any) -> int:
    if job.work == "list":
        return len(bucket.list_all_objects(props="name,size"))
    if job.work == "put-large":
        bucket.object(LARGE).get_writer().put_file(job.local)
        return job.size
    if job.work == "get-large":
        with open(job.local, "wb") as file:
            for chunk in bucket.object(LARGE).get_reader(chunk_size=2**20):
                file.write(chunk)
        return job.local.stat().st_size
    data = content(job.size)

    def one(name: str) -> int:
        thing = bucket.object(name)
        if job.work == "put":
            thing.get_writer().put_content(data)
            return len(data)
        if job.work == "get":
            return len(thing.get_reader().read_all())
        return bool(thing.head())

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(one, job.names))


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    job = Job.of(order)
    client = sdk.Client(job.url.rstrip("/"), max_pool_size=WORKERS)
    bucket = client.bucket(job.bucket)
    with stopwatch:
        found = await asyncio.to_thread(_run, job, bucket)
    job.check(found)


if __name__ == "__main__":
    play(work)
