"""Attach and exec: the streams of a process as frames of a WebSocket (jobs.md §8)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from contextlib import AbstractAsyncContextManager, aclosing

import attrs
from aiohttp import WSCloseCode, WSMsgType, web

from ...errors import refuse
from ...runners import RunnerError, Session, Streams
from ...scheduler import Job
from ..base import Platform
from ..jobs.listing import boolean
from .control import monitored
from .sockets import HEARTBEAT

PROTOCOL = "v2.channels.neu.ro"
_STDIN, _STDOUT, _EXIT, _RESIZE = 0, 1, 3, 4
_MAX_MESSAGE = 2**24
_MAX_SIDE = 2**16


class StreamHandlers:
    """Answer the requests that open streams."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Open the streams of the job's own process."""
        job = await monitored(self._platform, request, "write")
        wanted = _wanted(request)
        run = self._running(job)
        tty = job.spec.container.get("tty", False)
        # Only a job with a terminal has an input.
        streams = attrs.evolve(wanted, stdin=tty and (wanted.stdin or wanted.tty), tty=tty)
        session = self._platform.jobs.runner.attached(job.id, run, streams)
        return await self._serve(request, session, wanted, code=0 if tty else None)

    async def exec(self, request: web.Request) -> web.StreamResponse:
        """Run a command in the job."""
        job = await monitored(self._platform, request, "write")
        wanted = _wanted(request)
        try:
            argv = shlex.split(request.query.get("cmd", ""))
        except ValueError as error:
            raise refuse(400, f"The command cannot be split: {error}") from None
        if not argv:
            raise refuse(400, "Command is required")
        run = self._running(job)
        session = self._platform.jobs.runner.executed(job.id, run, argv, wanted)
        return await self._serve(request, session, wanted, code=None)

    def _running(self, job: Job) -> int:
        run: int | None = self._platform.jobs.current_run(job.id)
        if run is None or job.status != "running":
            raise refuse(404, f"job {job.id} is not running")
        return run

    async def _serve(
        self,
        request: web.Request,
        opening: AbstractAsyncContextManager[Session],
        wanted: Streams,
        code: int | None,
    ) -> web.StreamResponse:
        try:
            async with opening as session:
                conversation = _Conversation(session, wanted, code)
                return await conversation.hold(request)
        except RunnerError as error:
            raise refuse(404, str(error)) from None


class _Conversation:
    """Carry frames between a client and a process until one of them leaves."""

    def __init__(self, session: Session, wanted: Streams, code: int | None) -> None:
        self._session = session
        self._wanted = wanted
        self._code = code

    async def hold(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, protocols=(PROTOCOL,), max_msg_size=_MAX_MESSAGE
        )
        await socket.prepare(request)
        try:
            async with asyncio.TaskGroup() as group:
                receiver = group.create_task(self._receive(socket))
                sender = group.create_task(self._send(socket))
                await asyncio.wait((receiver, sender), return_when=asyncio.FIRST_COMPLETED)
                receiver.cancel()
                sender.cancel()
        finally:
            await socket.close(code=WSCloseCode.OK)
        return socket

    async def _send(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            if self._wanted.stdout or self._wanted.tty:
                await socket.send_bytes(bytes((_STDOUT,)))
            async with aclosing(self._session.output()) as output:  # type: ignore[type-var]
                async for number, data in output:
                    if self._is_wanted(number):
                        await socket.send_bytes(bytes((number,)) + data)
            code = await self._session.exit_code() if self._code is None else self._code
            text = json.dumps({"exit_code": code})
            await socket.send_bytes(bytes((_EXIT,)) + text.encode())

    def _is_wanted(self, number: int) -> bool:
        if self._wanted.tty:
            return True
        return self._wanted.stdout if number == 1 else self._wanted.stderr

    async def _receive(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            kind, payload = message.data[0], message.data[1:]
            if kind == _STDIN and (self._wanted.stdin or self._wanted.tty):
                # An empty frame is the end of the input; other services pass over it.
                await (self._session.write(payload) if payload else self._session.close_input())
            elif kind == _RESIZE:
                size = _size(payload)
                if size is not None:
                    await self._session.resize(*size)


def _size(payload: bytes) -> tuple[int, int] | None:
    """Read height and width; what makes no sense is passed over."""
    try:
        fields = {str(key).lower(): value for key, value in json.loads(payload).items()}
        height, width = int(fields["height"]), int(fields["width"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (height, width) if 0 < height < _MAX_SIDE and 0 < width < _MAX_SIDE else None


def _wanted(request: web.Request) -> Streams:
    """Read the flags; raises 400."""

    def flag(name: str, default: bool) -> bool:
        found = boolean(request, name)
        return default if found is None else found

    streams = Streams(
        flag("tty", False), flag("stdin", False), flag("stdout", True), flag("stderr", True)
    )
    if not (streams.stdin or streams.stdout or streams.stderr):
        raise refuse(400, "Required at least one of stdin, stdout or stderr")
    if streams.tty and streams.stdout and streams.stderr:
        raise refuse(400, "Stdout and stderr cannot be multiplexed in tty mode")
    return streams
