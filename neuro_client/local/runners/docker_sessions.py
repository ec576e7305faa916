"""Commands inside containers, and the streams of a container's own process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.execs import Exec
from aiodocker.stream import Stream
from aiohttp import ClientError
from yarl import URL

from .base import RunnerError, Streams
from .docker_engine import ENGINE_ERRORS, explained

Output = tuple[int, bytes]

_END_OF_FILE = b"\x04"
_PAUSE = 0.01
_END_TIME = 2.0
# The engine leaves a session at these keys; the usual ones are wanted by shells.
_DETACH_KEYS = "ctrl-^,ctrl-_,ctrl-^,ctrl-_"


class DockerSession:
    """Speak to a process of a container; see `Session`."""

    def __init__(
        self,
        stream: Stream,
        *,
        tty: bool,
        resize: Callable[[int, int], Awaitable[None]],
        code: Callable[[], Awaitable[int]],
    ) -> None:
        self._stream = stream
        self._tty = tty
        self._resize = resize
        self._code = code

    async def output(self) -> AsyncIterator[Output]:
        """Yield what the process writes; an engine that goes away ends it."""
        with contextlib.suppress(ClientError, ConnectionError):
            while (message := await self._stream.read_out()) is not None:
                yield message.stream, message.data

    async def write(self, data: bytes) -> None:
        """Give input; a process that takes none any more does not mind."""
        if self._transport() is not None:
            with contextlib.suppress(ClientError, ConnectionError, RuntimeError):
                await self._stream.write_in(data)

    async def close_input(self) -> None:
        """Give no more input."""
        transport = self._transport()
        if self._tty:
            await self.write(_END_OF_FILE)
        elif transport is not None and transport.can_write_eof():
            transport.write_eof()

    async def resize(self, height: int, width: int) -> None:
        """Set the size of the terminal; what has ended has none."""
        if self._tty:
            with contextlib.suppress(*ENGINE_ERRORS):
                await self._resize(height, width)

    async def exit_code(self) -> int:
        """Wait for the end."""
        return await self._code()

    def _transport(self) -> asyncio.WriteTransport | None:
        """Give the way to the process while it is open."""
        answer = self._stream._resp
        connection = None if answer is None else answer.connection
        transport = None if connection is None else connection.transport
        if transport is None or transport.is_closing():
            return None
        assert isinstance(transport, asyncio.WriteTransport)
        return transport


@asynccontextmanager
async def executed(
    docker: Docker, container: DockerContainer, argv: Sequence[str], streams: Streams
) -> AsyncIterator[DockerSession]:
    """Run a command in a container; leaving kills it where this host's processes can be."""
    with explained("cannot run the command"):
        command = await container.exec(
            argv,
            stdin=streams.stdin or streams.tty,
            stdout=streams.stdout or streams.tty,
            stderr=streams.stderr or streams.tty,
            tty=streams.tty,
        )
        stream = command.start(detach=False)
        await stream._init()

    async def resize(height: int, width: int) -> None:
        await command.resize(h=height, w=width)

    async def code() -> int:
        while (found := await _exit_code(command)) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_PAUSE)
        return found

    try:
        yield DockerSession(stream, tty=streams.tty, resize=resize, code=code)
    finally:
        try:
            await asyncio.shield(_ended(command, container.id))
        finally:
            await stream.close()


async def _exit_code(command: Exec) -> int | None:
    with explained("the end of the command was not seen"):
        found = await command.inspect()
    return None if found["Running"] or found["ExitCode"] is None else int(found["ExitCode"])


async def _ended(command: Exec, container: str) -> None:
    """Kill a command that goes on: the engine itself would let it."""
    with contextlib.suppress(TimeoutError, *ENGINE_ERRORS):
        async with asyncio.timeout(_END_TIME):
            while True:
                found = await command.inspect()
                if not found["Running"] and found["ExitCode"] is not None:
                    return
                if found["Pid"]:
                    await asyncio.to_thread(_kill_session, int(found["Pid"]), container)
                await asyncio.sleep(_PAUSE)


def _kill_session(leader: int, container: str) -> None:
    """Kill a process of a container and its session; nothing where it is not ours to see."""
    with contextlib.suppress(OSError):
        if container not in Path(f"/proc/{leader}/cgroup").read_text():
            return
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(pid) == leader:
                    os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def attached(
    docker: Docker,
    container: DockerContainer,
    streams: Streams,
    code: Callable[[], Awaitable[int]],
) -> AsyncIterator[DockerSession]:
    """Open the streams of a container's own process; leaving does not end it."""
    stream = container.attach(
        stdin=streams.tty and streams.stdin,
        stdout=streams.stdout or streams.tty,
        stderr=streams.stderr or streams.tty,
        detach_keys=_DETACH_KEYS,
    )

    async def resize(height: int, width: int) -> None:
        size = URL(f"containers/{container.id}/resize").with_query(h=height, w=width)
        async with docker._query(size, method="POST"):
            pass

    try:
        try:
            await stream._init()
        except DockerError as error:
            raise RunnerError(f"cannot attach to the job: {error.message}") from error
        yield DockerSession(stream, tty=streams.tty, resize=resize, code=code)
    finally:
        await stream.close()
