"""A run or an experiment behind the protocol that all kinds of runs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ..run import RunStatus
from .models import Experiment, GridRun

if TYPE_CHECKING:
    from .runs import Runs


class ExperimentRun:
    """Steer one run or experiment by its name; implements ``neuro_client.run.Run``.

    Obtained from ``client.artifacts.get_run``.
    """

    def __init__(self, artifacts: Runs, name: str) -> None:
        self._artifacts = artifacts
        self._name = name

    def __repr__(self) -> str:
        return f"<ExperimentRun {self._name}>"

    @property
    def id(self) -> str:
        """Return the name or id that it was asked for by."""
        return self._name

    async def status(self) -> RunStatus:
        """Ask for the present state."""
        return (await self._artifacts.get(self._name)).phase.run_status

    async def wait(
        self, *, timeout: float | None = None, check: bool = True
    ) -> GridRun | Experiment:
        """Wait for the end, see ``Artifacts.wait``."""
        return await self._artifacts.wait(self._name, timeout=timeout, check=check)

    def logs(
        self, *, follow: bool = True, tail: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield the lines of the log, see ``Artifacts.logs``; of a run, that of its first one."""
        return self._artifacts.logs(self._name, follow=follow, tail=tail)

    async def stop(self) -> None:
        """Ask for the end; what has ended stays as it is."""
        await self._artifacts.stop(self._name)
