"""A task behind the protocol that all kinds of runs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ..errors import ConflictError
from ..run import RunStatus
from .models import Task

if TYPE_CHECKING:
    from .api import Workspaces


class TaskRun:
    """Steer one task; implements ``neuro_client.run.Run``.

    Obtained from ``client.workspaces.get_run``.
    """

    def __init__(self, workspaces: Workspaces, id: str) -> None:
        self._workspaces = workspaces
        self._id = id

    def __repr__(self) -> str:
        return f"<TaskRun {self._id}>"

    @property
    def id(self) -> str:
        """Return the id of the task."""
        return self._id

    async def status(self) -> RunStatus:
        """Ask for the present state."""
        return (await self._workspaces.get(self._id)).state.run_status

    async def wait(self, *, timeout: float | None = None, check: bool = True) -> Task:
        """Wait for the end, see ``Workspaces.wait``."""
        return await self._workspaces.wait(self._id, timeout=timeout, check=check)

    def logs(
        self, *, follow: bool = True, tail: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield the lines of the log, see ``Workspaces.logs``."""
        return self._workspaces.logs(self._id, follow=follow, tail=tail)

    async def stop(self) -> None:
        """Cancel the task; one that has ended stays as it is."""
        try:
            await self._workspaces.cancel(self._id)
        except ConflictError:
            if not (await self._workspaces.get(self._id)).state.is_finished:
                raise
