"""What a transfer may leave behind, and how long one waits until it is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from neuro_client.transfer.journal import folder as journals

PATIENCE = 10.0


async def until(holds: Callable[[], object], otherwise: str, within: float = PATIENCE) -> None:
    """Wait until something holds that gives no event."""
    try:
        async with asyncio.timeout(within):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(otherwise) from None


def parts_below(folder: Path) -> list[str]:
    """Return the hidden unfinished files below a folder."""
    return [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.startswith(".") and name.endswith(".part")
    ]


def kept_journals() -> list[str]:
    """Return the content of the journals of unfinished transfers."""
    return [path.read_text("utf-8") for path in journals().glob("*")]
