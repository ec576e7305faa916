"""Questions that share a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from neuro_client.artifacts.batches import Batches


async def test_what_waits_shares_the_next_request() -> None:
    sent: list[list[int]] = []

    async def send(questions: Sequence[int]) -> list[int]:
        sent.append(list(questions))
        await asyncio.sleep(0)
        return [number * 2 for number in questions]

    batches: Batches[int, int] = Batches(send, 3)
    async with batches.running():
        found = await asyncio.gather(*(batches.ask(number) for number in range(7)))
    assert found == [0, 2, 4, 6, 8, 10, 12]
    assert sent == [[0, 1, 2], [3, 4, 5], [6]]


async def test_a_failure_is_that_of_its_batch_only() -> None:
    async def send(questions: Sequence[str]) -> list[str]:
        if "bad" in questions:
            raise OSError("no")
        return list(questions)

    batches: Batches[str, str] = Batches(send, 2)
    async with batches.running():
        found = await asyncio.gather(
            *(batches.ask(text) for text in ("a", "bad", "c")), return_exceptions=True
        )
    assert [type(one) for one in found] == [OSError, OSError, str]


async def test_a_cancelled_question_is_not_asked() -> None:
    sent: list[list[int]] = []

    async def send(questions: Sequence[int]) -> list[int]:
        sent.append(list(questions))
        return list(questions)

    batches: Batches[int, int] = Batches(send, 3)
    task = asyncio.create_task(batches.ask(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with batches.running():
        assert await batches.ask(2) == 2
    assert sent == [[2]]
