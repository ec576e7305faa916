"""``cat``: write an object to stdout."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import NeuroError, ResourceNotFound
from ..retry import RetryPolicy, is_transient
from ..threads import run_blocking
from ..transfer import Side
from ..transfer.flow import retrying

_RETRY = RetryPolicy()


@contextmanager
def as_typed(text: str) -> Iterator[None]:
    """Report a missing blob by what the user typed, not by its name at the provider."""
    try:
        yield
    except ResourceNotFound as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text) from error


async def write_out(side: Side, text: str) -> None:
    """Write an object to stdout; after a cut go on where it broke, in the same version."""
    entry = await retrying(_RETRY, lambda: side.store.head(side.key))
    if entry.is_dir:
        raise IsADirectoryError(errno.EISDIR, "It is a folder", text)
    position = attempt = 0
    while True:
        try:
            async with side.store.get(
                side.key, start=position, end=entry.size, version=entry.version
            ) as chunks:
                async for chunk in chunks:
                    await run_blocking(_write_all, chunk)
                    position += len(chunk)
                    attempt = 0
            return
        except NeuroError as error:
            attempt += 1
            pause = _RETRY.delay(attempt, error) if is_transient(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)


def _write_all(chunk: Any) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
