"""Send many hostile requests at once, and judge what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..luck import FULL, luck
from .target import OTHERS_SECRET, OUTSIDE_SECRET, Answer, Target

_AT_ONCE = 16
# Also what stands in every Unix's best-known file.
SECRETS = (OTHERS_SECRET, OUTSIDE_SECRET, b"root:x:0:", b"root:*:0:")


async def attack(
    target: Target, requests: Mapping[str, bytes], *, finish: bool = False, silent: bool = False
) -> Mapping[str, Sequence[Answer]]:
    """Send every request on a connection of its own, and return the answers by name.

    Each must be answered within the target's patience, by no failure and with nobody's secret;
    with ``silent`` the platform may hang up without a word, as it may on half a request.
    """
    found: dict[str, Sequence[Answer]] = {}
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, request: bytes) -> None:
        async with limit:
            try:
                found[name] = await target.send(request, finish=finish)
            except TimeoutError:
                raise AssertionError(f"{name}: no answer to {request[:300]!r}") from None

    async with asyncio.TaskGroup() as group:
        for name, request in requests.items():
            group.create_task(one(name, request))
    for name, answers in found.items():
        assert answers or silent, f"{name}: hung up on {requests[name][:300]!r}"
        for answer in answers:
            judge(name, answer)
    return found


def judge(name: str, answer: Answer) -> None:
    """Fail if an answer is a failure of the platform or tells a secret."""
    assert answer.status < 500, f"{name}: {answer.raw[:1000]!r}"
    for secret in SECRETS:
        assert secret not in answer.raw, f"{name}: {answer.raw[:1000]!r}"


def some(name: str, requests: Mapping[str, bytes], most: int) -> Mapping[str, bytes]:
    """Return at most so many of the requests, by chance; all of them in a full run."""
    chance = luck(f"attack {name}")
    if FULL or len(requests) <= most:
        return requests
    return {key: requests[key] for key in chance.sample(sorted(requests), most)}
