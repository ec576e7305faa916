"""This client on a listing of workloads."""

from __future__ import annotations

from neuro_client.trainings import Pace, Trainings

from .contenders.task import Order, Stopwatch, play
from .trainings_server import workload_id


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """List or watch the workloads of the server at ``base``; ``remote`` is their number."""
    count = int(order.remote)
    async with Trainings.connect(
        order.base, client_id="bench", client_secret=order.token, pace=Pace(slowest=0.05)
    ) as trainings:
        if order.work == "list":
            with stopwatch:
                seen = 0
                async with trainings.list() as listing:
                    async for _ in listing:
                        seen += 1
            expected = count
        else:
            ids = [workload_id(number) for number in range(count)]
            with stopwatch:
                seen = 0
                async with trainings.watch(ids) as changes:
                    async for _ in changes:
                        seen += 1
            expected = 2 * count
    if seen != expected:
        raise RuntimeError(f"{seen} instead of {expected}")


if __name__ == "__main__":
    play(work)
