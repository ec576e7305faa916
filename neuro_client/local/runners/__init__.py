"""Runners: what executes the jobs of the local platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from .base import Exit, Mount, Runner, RunnerError, RunSpec, Session, Streams, Usage
from .process import ProcessRunner

if TYPE_CHECKING:
    from .docker import DockerRunner

__all__ = [
    "Exit",
    "Mount",
    "ProcessRunner",
    "RunSpec",
    "Runner",
    "RunnerError",
    "Session",
    "Streams",
    "Usage",
    "opened",
]


@asynccontextmanager
async def opened(kind: str, folder: Path, platform: URL) -> AsyncIterator[Runner]:
    """Give the runner of a kind, ``process`` or ``docker``; ``platform`` is what jobs reach.

    Raises:
        ConnectionError: the runner's engine does not answer.
        ValueError: there is no such runner, or it needs a package that is missing.
    """
    if kind == "process":
        yield await ProcessRunner.create(folder)
    elif kind == "docker":
        async with (await asyncio.to_thread(_docker)).opened(folder, platform) as runner:
            yield runner
    else:
        raise ValueError(f"There is no runner {kind!r}; use process or docker")


def _docker() -> type[DockerRunner]:
    """Load the runner with the library it needs, which reads files."""
    try:
        from .docker import DockerRunner
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The docker runner needs the package {error.name}; install it with "
            "`pip install 'neuro_client[images]'`"
        ) from error
    return DockerRunner
