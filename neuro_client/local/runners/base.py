"""The protocol between the scheduler and whatever runs a job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import attrs
from yarl import URL


class RunnerError(Exception):
    """A run cannot be started; the text goes into the job's description."""


@attrs.frozen
class Mount:
    """A folder or file of this host shown to the job at ``target``."""

    source: Path
    target: str
    read_only: bool
    image: bool = False
    """Whether the source is a file that holds a file system, which is what is shown."""


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
    image: str = ""
    """The reference by which a container engine knows the image."""
    entrypoint: int = 0
    """How many leading words of ``argv`` take the place of the image's own entry point."""
    pull_token: Callable[[], Awaitable[str]] | None = None
    """Makes what the platform's registry wants to see; None for images of other registries."""


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


@attrs.frozen
class Streams:
    """Which streams of a process are wanted; with ``tty`` both outputs are one."""

    tty: bool = False
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False


class Session(Protocol):
    """Be the streams of one process of a run; valid inside the ``async with`` that opened it."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what the process writes, with 1 for stdout and 2 for stderr, until it ends.

        The process waits for who reads, or its output waits on the disk.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Give the process input, waiting for it to take what came before."""
        ...

    async def close_input(self) -> None:
        """Give no more input; a terminal is told so by its end-of-file character."""
        ...

    async def resize(self, height: int, width: int) -> None:
        """Set the size of the terminal; nothing without one."""
        ...

    async def exit_code(self) -> int:
        """Wait for the end and tell how a shell would put it."""
        ...


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

    def executed(
        self, job_id: str, run: int, argv: Sequence[str], streams: Streams
    ) -> AbstractAsyncContextManager[Session]:
        """Run a command inside a run, with its environment; leaving ends the command.

        Raises `RunnerError` if the run is over.
        """
        ...

    def attached(
        self, job_id: str, run: int, streams: Streams
    ) -> AbstractAsyncContextManager[Session]:
        """Open the streams of the run's own process, from now on; leaving does not end it."""
        ...

    async def host(self, job_id: str, run: int) -> str:
        """Tell the address at which the ports of a run answer; `RunnerError` if it is over."""
        ...

    def inside(self, url: URL) -> URL:
        """Give the address by which runs reach what answers at ``url`` of the platform."""
        ...

    def saved(
        self, job_id: str, run: int, image: str, token: str
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Make an image of a run and push it, yielding the records of the wire (jobs.md §10).

        ``token`` is what the registry is shown. Raises `RunnerError` where that is not possible.
        """
        ...

    async def forget(self, job_id: str) -> None:
        """Remove scratch folders of a finished job; its output stays."""
        ...
