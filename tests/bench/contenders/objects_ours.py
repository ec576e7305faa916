"""This client with objects of AIStore; with a file name as argument, a profile is put there."""

from __future__ import annotations

import asyncio
import cProfile
import sys

from neuro_client.aistore import AIStore, Bucket

from .objects import LARGE, WORKERS, Job, content
from .task import Order, Stopwatch, play


async def _each(job: Job, bucket: Bucket) -> int:
    names = iter(job.names)
    data = content(job.size)
    found = 0

    async def work() -> None:
        nonlocal found
        for name in names:
            thing = bucket.object(name)
            if job.work == "put":
                await thing.put_content(data)
                found += len(data)
            elif job.work == "get":
                got = await thing.get().read_all()
                found += len(got)
            else:
                await thing.head()
                found += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
    return found


async def _run(job: Job, bucket: Bucket) -> int:
    if job.work == "list":
        return len(await bucket.list_all_objects(props="name,size"))
    if job.work == "put-large":
        await bucket.object(LARGE).put_file(job.local)
        return job.size
    if job.work == "get-large":
        with open(job.local, "wb") as file:  # noqa: ASYNC230 - takes no time
            await bucket.object(LARGE).get(writer=file)
        return job.local.stat().st_size
    return await _each(job, bucket)


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    job = Job.of(order)
    async with AIStore.connect(job.url, timeout=60) as ais:
        bucket = ais.bucket(job.bucket)
        profile = cProfile.Profile() if len(sys.argv) > 1 else None
        if profile is not None:
            profile.enable()
        with stopwatch:
            found = await _run(job, bucket)
        if profile is not None:
            profile.disable()
            profile.dump_stats(sys.argv[1])
        job.check(found)


if __name__ == "__main__":
    play(work)
