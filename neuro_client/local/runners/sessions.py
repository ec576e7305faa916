"""Processes inside the runs of the process runner, and the runs' own output and input."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from fcntl import ioctl
from functools import partial
from pathlib import Path

import psutil

from .base import RunnerError, Streams
from .records import RecordReader
from .terminal import EAGER, INPUT, SIZE, encode

_ENTERING = Path(__file__).with_name("entering.py")
_PIECE = 1 << 16
_FRAME = 2048  # with its head less than what a pipe takes in one piece
_AHEAD = 4
_FIRST_PAUSE, _LAST_PAUSE = 0.005, 0.25
_SILENCE = 0.2
_END_TIME = 5.0
_END_OF_FILE = b"\x04"

Output = tuple[int, bytes]


def inner_process(supervisor: int, command: int) -> int:
    """Find the process of a run that is inside its namespaces; blocking."""
    ours = os.stat("/proc/self/ns/mnt").st_ino
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(supervisor).children(recursive=True):
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{process.pid}/ns/mnt").st_ino != ours:
                    return int(process.pid)
    return command


@asynccontextmanager
async def executed(
    pid: int, cgroups: Sequence[str], argv: Sequence[str], streams: Streams
) -> AsyncIterator[ExecSession]:
    """Run a command where the process *pid* is; leaving kills it with all of its session."""
    words = [sys.executable, "-S", "-E", str(_ENTERING), str(pid)]
    words += ["tty" if streams.tty else "no", ":".join(("", *cgroups)), *argv]
    master, slave = os.openpty() if streams.tty else (-1, -1)

    def channel(wanted: bool) -> int:
        if streams.tty:
            return slave
        return asyncio.subprocess.PIPE if wanted else asyncio.subprocess.DEVNULL

    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=channel(streams.stdin),
                stdout=channel(streams.stdout),
                stderr=channel(streams.stderr),
                env={},
                cwd="/",
            )
        except OSError as error:
            raise RunnerError(f"cannot run the command: {error}") from error
        finally:
            if streams.tty:
                os.close(slave)
        try:
            yield ExecSession(process, master)
        finally:
            _kill_session(process)
            await asyncio.shield(_reaped(process))
    finally:
        if streams.tty:
            os.close(master)


def _kill_session(process: asyncio.subprocess.Process) -> None:
    """Kill a command with its group, which it leads once it has begun."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _reaped(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_TIME):
            # What is left in the pipes holds them open.
            for reader in (process.stdout, process.stderr):
                while reader is not None and await reader.read(_PIECE):
                    pass
            await process.wait()


class ExecSession:
    """Speak to a command; see `Session`."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self._master = master
        self._copied = 0
        if master >= 0:
            os.set_blocking(master, False)

    async def output(self) -> AsyncIterator[Output]:
        """Yield what the command writes until it ends."""
        queue: asyncio.Queue[Output | None] = asyncio.Queue(_AHEAD)
        work = asyncio.create_task(self._copy_all(queue))
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            work.cancel()
            await asyncio.wait((work,))

    async def _copy_all(self, queue: asyncio.Queue[Output | None]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._copy(number, read, queue))
                for number, read in self._sources()
            ]
            await self._process.wait()
            # What the command left running may hold the streams open for ever.
            while pending := [task for task in tasks if not task.done()]:
                before = self._copied
                await asyncio.wait(pending, timeout=_SILENCE)
                if self._copied == before and queue.empty():
                    for task in pending:
                        task.cancel()
        await queue.put(None)

    def _sources(self) -> list[tuple[int, Callable[[], Awaitable[bytes]]]]:
        if self._master >= 0:
            return [(1, partial(_read_terminal, self._master))]
        readers = ((1, self._process.stdout), (2, self._process.stderr))
        return [(n, partial(reader.read, _PIECE)) for n, reader in readers if reader is not None]

    async def _copy(
        self,
        number: int,
        read: Callable[[], Awaitable[bytes]],
        queue: asyncio.Queue[Output | None],
    ) -> None:
        while data := await read():
            self._copied += len(data)
            await queue.put((number, data))

    async def write(self, data: bytes) -> None:
        """Give input; a command that takes none any more does not mind."""
        if self._master >= 0:
            await _write_whole(self._master, data)
        elif self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    async def close_input(self) -> None:
        """Give no more input."""
        if self._master >= 0:
            await _write_whole(self._master, _END_OF_FILE)
        elif self._process.stdin is not None:
            self._process.stdin.close()

    async def resize(self, height: int, width: int) -> None:
        """Set the size of the terminal."""
        if self._master >= 0:
            with contextlib.suppress(OSError):
                ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def exit_code(self) -> int:
        """Wait for the end."""
        code = await self._process.wait()
        return 128 - code if code < 0 else code


@asynccontextmanager
async def attached(
    log: Path, pipe: Path | None, ended: Callable[[], int | None]
) -> AsyncIterator[AttachedSession]:
    """Follow the log of a run from its present end; *pipe* leads to its terminal.

    *ended* tells the exit code once there is one; blocking.
    """
    start = await asyncio.to_thread(_size, log)
    descriptor = -1
    if pipe is not None:
        with contextlib.suppress(OSError):  # the run is just ending
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield AttachedSession(RecordReader(log, position=start), descriptor, ended)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


class AttachedSession:
    """Speak to a run's own process; see `Session`."""

    def __init__(self, reader: RecordReader, pipe: int, ended: Callable[[], int | None]) -> None:
        self._reader = reader
        self._pipe = pipe
        self._ended = ended
        self._eager_until = 0.0

    async def output(self) -> AsyncIterator[Output]:
        """Yield the output until the run has ended and all is read."""
        pause = _FIRST_PAUSE
        while True:
            ended = await asyncio.to_thread(self._ended)
            found = await asyncio.to_thread(self._reader.read_streams)
            if found:
                for item in found:
                    yield item
                pause = _FIRST_PAUSE
            elif found is None and ended is not None:
                return
            else:
                await asyncio.sleep(pause)
                typing = time.monotonic() < self._eager_until
                pause = _FIRST_PAUSE if typing else min(pause * 1.5, _LAST_PAUSE)

    async def write(self, data: bytes) -> None:
        """Type; nothing where there is no terminal."""
        for start in range(0, len(data), _FRAME):
            await self._send(INPUT, data[start : start + _FRAME])

    async def close_input(self) -> None:
        """Type the end-of-file character."""
        await self.write(_END_OF_FILE)

    async def resize(self, height: int, width: int) -> None:
        """Set the size of the terminal."""
        if 0 < height < 1 << 16 and 0 < width < 1 << 16:
            await self._send(SIZE, struct.pack(">HH", height, width))

    async def _send(self, kind: int, payload: bytes) -> None:
        self._eager_until = time.monotonic() + EAGER
        if self._pipe >= 0:
            await _write_whole(self._pipe, encode(kind, payload))

    async def exit_code(self) -> int:
        """Wait for the end."""
        pause = _FIRST_PAUSE
        while (code := await asyncio.to_thread(self._ended)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LAST_PAUSE)
        return code


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


async def _read_terminal(descriptor: int) -> bytes:
    """Read what there is; a terminal that nobody holds any more reads as the end."""
    while True:
        try:
            return os.read(descriptor, _PIECE)
        except BlockingIOError:
            await _ready(descriptor, writing=False)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""


async def _write_whole(descriptor: int, data: bytes) -> None:
    """Write everything as fast as it is taken; the end of who takes it is no error."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await _ready(descriptor, writing=True)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            return


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (
        (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    )
    add(descriptor, tell)
    try:
        await ready
    finally:
        remove(descriptor)
