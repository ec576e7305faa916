"""A training behind the protocol that all kinds of runs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ..errors import ConflictError
from ..run import RunStatus
from .models import Training

if TYPE_CHECKING:
    from .api import Trainings


class TrainingRun:
    """Steer one training; implements ``neuro_client.run.Run``.

    Obtained from ``client.trainings.get_run``.
    """

    def __init__(self, trainings: Trainings, id: str) -> None:
        self._trainings = trainings
        self._id = id

    def __repr__(self) -> str:
        return f"<TrainingRun {self._id}>"

    @property
    def id(self) -> str:
        """Return the id of the workload."""
        return self._id

    async def status(self) -> RunStatus:
        """Ask for the present state; one that is being deleted is CANCELLED."""
        training = await self._trainings.get(self._id)
        return RunStatus.CANCELLED if training.is_deleted else training.phase.run_status

    async def wait(self, *, timeout: float | None = None, check: bool = True) -> Training:
        """Wait for the end, see ``Trainings.wait``; one that is suspended has not ended."""
        return await self._trainings.wait(self._id, timeout=timeout, check=check)

    def logs(
        self, *, follow: bool = True, tail: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield the lines of the log, see ``Trainings.logs``."""
        return self._trainings.logs(self._id, follow=follow, tail=tail)

    async def stop(self) -> None:
        """Suspend the training, which can be resumed; one that has ended stays as it is."""
        try:
            await self._trainings.suspend(self._id)
        except ConflictError:
            if not (await self._trainings.get(self._id)).phase.is_finished:
                raise
