"""The inside of the fault proxy: one connection as two pipes, each with its back-pressure."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import attrs

Direction = Literal["up", "down"]

# What a pipe may hold: with a delay as much as is on the way, with a throttle hardly anything.
WINDOW = 64 * 2**20
THROTTLED_WINDOW = 2**16
_WRITE_BUFFER = 2**18
_SHORTEST_PAUSE = 0.005
_LINGER_NOT = struct.pack("ii", 1, 0)


class Trouble(Protocol):
    """Be what may happen to a pipe."""

    def room(self, pipe: Pipe) -> int | None:
        """Return how many more bytes may pass before it happens; None: it does not."""
        ...

    def meet(self, pipe: Pipe) -> None:
        """Let it happen."""
        ...


@attrs.define(eq=False)
class Conditions:
    """Hold what all connections of a proxy have in common."""

    delay: float = 0.0
    rate: float | None = None
    plan: Sequence[Trouble] = ()
    passed: dict[Direction, int] = attrs.field(factory=lambda: {"up": 0, "down": 0})


@attrs.define(eq=False)
class _Item:
    """Hold bytes that leave evenly between two moments, or what to do behind the bytes before."""

    begin: float
    end: float
    data: bytes = b""
    action: Callable[[], None] | None = None
    offset: int = 0


class Pipe:
    """Carry the bytes of one direction, in order, each when its time has come."""

    def __init__(self, link: Link, direction: Direction, conditions: Conditions) -> None:
        self.link = link
        self.direction = direction
        self.count = 0
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self._conditions = conditions
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._blocked = False
        self._stalled = False
        self._rest = b""
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._resume: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the source, as far as no trouble is planned for them."""
        while data and not self._ended:
            if self._stalled:
                self._rest += data
                return
            trouble, room = self._next_trouble(len(data))
            if trouble is None:
                self._pass(data)
                return
            self._pass(data[:room])
            data = data[room:]
            trouble.meet(self)

    def end(self, action: Callable[[], None]) -> None:
        """Read nothing more, and do ``action`` once all that was taken has been passed on."""
        if self._ended:
            return
        self._ended = True
        now = self._loop.time()
        begin = max(now + self._conditions.delay, self._queue[-1].end if self._queue else 0.0)
        self._queue.append(_Item(begin, begin, action=action))
        self._regulate()
        self._pump()

    def stall(self, seconds: float | None) -> None:
        """Hold all bytes from here on, for a time or until ``go_on``."""
        self._stalled = True
        if seconds is not None:
            self._resume = self._loop.call_later(seconds, self.go_on)
        self._regulate()

    def go_on(self) -> None:
        """End a stall."""
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self._stalled:
            self._stalled = False
            rest, self._rest = self._rest, b""
            self.feed(rest)
            self._regulate()

    def hurry(self) -> None:
        """Pass on at once what waits for its time."""
        for item in self._queue:
            item.begin = item.end = 0.0
        self._pump()

    def block(self, blocked: bool) -> None:
        """Note whether the target takes more."""
        self._blocked = blocked
        if not blocked:
            self._pump()
        self._regulate()

    @property
    def blocked(self) -> bool:
        """Tell whether the target takes nothing now."""
        return self._blocked

    @property
    def passing(self) -> bool:
        """Tell whether what is put in now will come out by itself."""
        return not (self._blocked or self._stalled or self._ended)

    def drop(self) -> None:
        """Forget everything; the connection is gone."""
        self._ended = True
        self._queue.clear()
        for timer in (self._timer, self._resume):
            if timer is not None:
                timer.cancel()
        self._timer = self._resume = None

    def _next_trouble(self, size: int) -> tuple[Trouble | None, int]:
        found: Trouble | None = None
        least = size
        for trouble in self._conditions.plan:
            room = trouble.room(self)
            if room is not None and room < least:
                found, least = trouble, room
        return found, least

    def _pass(self, data: bytes) -> None:
        if not data:
            return
        self.count += len(data)
        delay, rate = self._conditions.delay, self._conditions.rate
        if not delay and not rate and not self._queue and not self._blocked:
            self._write(data)
            return
        last = self._queue[-1].end if self._queue else 0.0
        begin = max(self._loop.time() + delay, last)
        end = begin + len(data) / rate if rate else begin
        self._queue.append(_Item(begin, end, data))
        self._queued += len(data)
        if len(self._queue) == 1:
            self._pump()
        self._regulate()

    def _pump(self) -> None:
        """Pass on what is due, and come back when the next is."""
        now = self._loop.time()
        while self._queue and not self._blocked and self._queue[0].begin <= now:
            item = self._queue[0]
            if item.end > now:
                upto = int(len(item.data) * (now - item.begin) / (item.end - item.begin))
                self._release(item, upto)
                break
            self._release(item, len(item.data))
            if not self._queue:  # dropped meanwhile
                break
            self._queue.popleft()
            if item.action is not None:
                item.action()
        self._set_timer(now)
        self._regulate()

    def _release(self, item: _Item, upto: int) -> None:
        data = item.data[item.offset : upto] if item.offset or upto < len(item.data) else item.data
        item.offset = upto
        self._queued -= len(data)
        if data:
            self._write(data)

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and not self._blocked:
            item = self._queue[0]
            due = item.begin if item.begin > now else min(item.end, now + _SHORTEST_PAUSE)
            self._timer = self._loop.call_at(due, self._pump)

    def _write(self, data: bytes) -> None:
        if self.target is not None and not self.target.is_closing():
            self._conditions.passed[self.direction] += len(data)
            self.target.write(data)

    def _regulate(self) -> None:
        """Read on only while there is room, so that a slow reader slows its writer."""
        if self.source is None or self.source.is_closing():
            return
        window = THROTTLED_WINDOW if self._conditions.rate else WINDOW
        if (
            self.target is None
            or self._blocked
            or self._stalled
            or self._ended
            or self._queued > window
        ):
            self.source.pause_reading()
        else:
            self.source.resume_reading()


class Link:
    """Join the connection of a client with one to the target."""

    def __init__(self, conditions: Conditions, closed: Callable[[Link], None]) -> None:
        self.up = Pipe(self, "up", conditions)
        self.down = Pipe(self, "down", conditions)
        self.client = Side(self, self.up, self.down)
        self.server = Side(self, self.down, self.up)
        self.gone = False
        self._closed = closed
        self._finished = 0

    def close(self) -> None:
        """Close both connections in order."""
        self.gone = True
        for side in (self.client, self.server):
            if side.transport is not None:
                side.transport.close()
        self.check()

    def reset(self) -> None:
        """Break both connections off: each peer is told so at once."""
        self.gone = True
        for side in (self.client, self.server):
            if side.transport is not None:
                _break_off(side.transport)
        self.check()

    def finished(self, target: asyncio.Transport | None) -> None:
        """Pass on that a peer sends nothing more; with the second one the link is through."""
        self._finished += 1
        if self._finished == 2:
            self.close()
        elif target is not None and not target.is_closing():
            target.write_eof()

    def check(self) -> None:
        """Forget everything once the link was ended, and report it once both sides are gone."""
        if not self.gone:
            return
        self.up.drop()
        self.down.drop()
        if self.client.transport is None and self.server.transport is None:
            self._closed(self)


class Side(asyncio.Protocol):
    """Be one of the two connections of a link: bytes come in through it and leave by it."""

    def __init__(self, link: Link, inward: Pipe, outward: Pipe) -> None:
        self.transport: asyncio.Transport | None = None
        self._link = link
        self._inward = inward
        self._outward = outward

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect the pipes; bytes flow once both sides are there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._inward.source = self._outward.target = transport
        if self._link.gone:
            _break_off(transport)
            return
        self._inward.block(self._inward.blocked)
        self._outward.block(False)

    def data_received(self, data: bytes) -> None:
        """Put bytes into the pipe."""
        self._inward.feed(data)

    def eof_received(self) -> bool:
        """Pass a half-close on behind the bytes; this side still takes answers."""
        self._inward.end(lambda: self._link.finished(self._inward.target))
        return True

    def pause_writing(self) -> None:
        """Hold the bytes that come for this side."""
        self._outward.block(True)

    def resume_writing(self) -> None:
        """Go on with the bytes for this side."""
        self._outward.block(False)

    def connection_lost(self, error: Exception | None) -> None:
        """Break the other side off too, behind the bytes that are on their way to it."""
        self.transport = None
        link = self._link
        if not link.gone:
            self._outward.drop()
            if self._inward.passing:
                self._inward.end(link.reset)
            else:
                link.reset()
        link.check()


def _break_off(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
