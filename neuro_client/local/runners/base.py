"""The protocol between the scheduler and whatever runs a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import attrs


class RunnerError(Exception):
    """A run cannot be started; the text goes into the job's description."""


@attrs.frozen
class Mount:
    """A folder or file of this host shown to the job at ``target``."""

    source: Path
    target: str
    read_only: bool


@attrs.frozen
class RunSpec:
    """One run of a job; a restarted job has several, numbered from 0."""

    job_id: str
    run: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cpu: float
    """CPU units."""
    memory: int
    """Bytes."""
    working_dir: str | None = None
    mounts: tuple[Mount, ...] = ()
    shm: bool = False
    tty: bool = False
    grace: float = 5.0
    """Seconds between the polite and the final signal of a stop."""


@attrs.frozen
class Exit:
    """How a run ended."""

    code: int | None
    """As a shell tells it (128 + signal); None when nobody saw the end."""
    oom: bool = False
    failure: str = ""
    """Why the command could not be executed, or how it was lost."""
    finished_at: float | None = None
    """Epoch seconds."""


@attrs.frozen
class Usage:
    """What the processes of a run use."""

    cpu_seconds: float
    """CPU time so far; the rate is the caller's to compute."""
    memory: int
    """Resident bytes."""


class Runner(Protocol):
    """Start runs, find them again, end them, and say where their output is.

    A run is named by job id and run number. Implementations keep what they need to find a run again
    outside their process, so that `wait` works after a restart of the platform.
    """

    def describe(self) -> list[str]:
        """Say what this runner cannot do on this machine, one sentence each."""
        ...

    def check(self, spec: RunSpec) -> None:
        """Raise `RunnerError` if this machine can never run ``spec``; blocking."""
        ...

    async def start(self, spec: RunSpec) -> float:
        """Start a run and tell when its command began, in epoch seconds.

        Raises `RunnerError` and leaves nothing behind if that fails.
        """
        ...

    async def wait(self, job_id: str, run: int) -> Exit:
        """Wait for the end of a started run, also of one started by an earlier platform."""
        ...

    async def find(self, job_id: str, run: int) -> float | None:
        """Tell when an earlier platform started the run (epoch seconds); None if it did not."""
        ...

    async def stop(self, job_id: str, run: int) -> None:
        """Ask the run to end, and end it after its grace; returns at once."""
        ...

    async def kill(self, job_id: str, run: int) -> bool:
        """End the run at once with SIGKILL; False when it is not running."""
        ...

    async def stats(self, job_id: str, run: int) -> Usage | None:
        """Measure the run; None when it is not running."""
        ...

    def log_path(self, job_id: str, run: int) -> Path:
        """Give the file of stamped output (format: supervisor.py)."""
        ...

    async def forget(self, job_id: str) -> None:
        """Remove scratch folders of a finished job; its output stays."""
        ...
