"""One protocol for whatever runs remotely, so that orchestration code can treat all alike."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable


class RunStatus(enum.StrEnum):
    """Name the state of a run in the words that all systems share."""

    PENDING = "pending"
    SUSPENDED = "suspended"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_finished(self) -> bool:
        """Tell whether the run has ended for good; UNKNOWN has not."""
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


@runtime_checkable
class Run(Protocol):
    """Steer one job, training, workspace task or experiment."""

    @property
    def id(self) -> str:
        """Return the id that the run has in its system."""
        ...

    async def status(self) -> RunStatus:
        """Ask for the present state."""
        ...

    async def wait(self, *, timeout: float | None = None, check: bool = True) -> Any:
        """Wait for the end and return the system's own final record.

        ``timeout`` is in seconds. ``TimeoutError`` leaves the run going; with ``check`` an end
        without success raises ``JobFailed`` or its subclass of the system.
        """
        ...

    def logs(
        self, *, follow: bool = True, tail: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield the lines written so far and, with ``follow``, all that come until the end."""
        ...

    async def stop(self) -> None:
        """End the run as its system does: a job is killed, a training suspended.

        Stopping what has ended already does nothing.
        """
        ...
