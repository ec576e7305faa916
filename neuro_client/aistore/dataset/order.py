"""In which order samples come, and which of them a process gets; the same on every machine."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Share:
    """Say which share a worker of a process gets: every so-manyth, the same for all of them."""

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    num_workers: int = 1

    def __attrs_post_init__(self) -> None:
        if not (0 <= self.rank < self.world_size and 0 <= self.worker < self.num_workers):
            raise ValueError(
                f"rank {self.rank} of {self.world_size} and worker {self.worker} of "
                f"{self.num_workers}: they count from 0 up to the number of them"
            )

    def has(self, number: int) -> bool:
        """Tell whether what comes at this place belongs to the share."""
        place, rank = divmod(number, self.world_size)
        return rank == self.rank and place % self.num_workers == self.worker

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the share of a sequence."""
        return items[self.rank :: self.world_size][self.worker :: self.num_workers]


def shuffled(items: Sequence[T], name: Callable[[T], str], seed: int, epoch: int) -> list[T]:
    """Return items in an order that follows from their names, the seed and the epoch alone.

    It is no matter in which order they were listed, nor which version of Python sorts them.
    """
    key = f"{seed}:{epoch}:".encode()

    def rank(item: T) -> bytes:
        return blake2b(key + name(item).encode(), digest_size=16).digest()

    return sorted(items, key=rank)


async def mixed(
    items: AsyncIterator[T], size: Callable[[T], int], count: int, limit: int, seed: str
) -> AsyncGenerator[T]:
    """Yield items in another order: one by chance of those held, *count* and *limit* bytes at most.

    Of the generator only ``random()`` is used, whose results Python guarantees.
    """
    chance = random.Random(seed).random
    held: list[T] = []
    total = 0

    def drawn() -> T:
        nonlocal total
        place = int(chance() * len(held))
        held[place], held[-1] = held[-1], held[place]
        item = held.pop()
        total -= size(item)
        return item

    async for item in items:
        held.append(item)
        total += size(item)
        while held and (len(held) >= count or total > limit):
            yield drawn()
    while held:
        yield drawn()
