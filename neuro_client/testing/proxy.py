"""A TCP proxy that makes trouble on request, between any client and any server.

It knows bytes and connections only, so it stands in front of HTTP, WebSockets and object stores
alike. For programs in other processes: ``python -m neuro_client.testing.proxy URL --delay 0.01``.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Literal, Self
from weakref import WeakKeyDictionary, WeakSet

import attrs
from yarl import URL

from ..concurrency import finish
from .pipes import Conditions, Direction, Link, Pipe

_HOST = "127.0.0.1"
_BACKLOG = 1024


@attrs.define(eq=False)
class StreamFault:
    """Hold one planned trouble; ``hits`` counts the connections it has met."""

    kind: Literal["cut", "reset", "stall", "refuse"]
    times: int | None
    direction: Direction = "down"
    after: int = 0
    seconds: float | None = None
    hits: int = 0
    _plan: list[StreamFault] = attrs.field(factory=list, repr=False)
    _start: WeakKeyDictionary[Pipe, int] = attrs.field(factory=WeakKeyDictionary, repr=False)
    _met: WeakSet[Pipe] = attrs.field(factory=WeakSet, repr=False)

    def remove(self) -> None:
        """Make no more trouble, and let go on what is stalled."""
        if self in self._plan:
            self._plan.remove(self)
        if self.kind == "stall":
            for pipe in list(self._met):
                pipe.go_on()

    def begin(self, pipe: Pipe) -> None:
        """Count the bytes of an open connection from here on."""
        self._start[pipe] = pipe.count

    def room(self, pipe: Pipe) -> int | None:
        """Return how many more bytes of ``pipe`` may pass; None if it is not concerned."""
        if pipe.direction != self.direction or pipe in self._met:
            return None
        return max(0, self._start.get(pipe, 0) + self.after - pipe.count)

    def meet(self, pipe: Pipe) -> None:
        """Do to a connection what is planned."""
        self.take()
        self._met.add(pipe)
        if self.kind == "stall":
            pipe.stall(self.seconds)
        else:
            pipe.end(pipe.link.reset if self.kind == "reset" else pipe.link.close)

    def take(self) -> None:
        """Count a connection, the last one ends the fault."""
        self.hits += 1
        if self.times is not None and self.hits >= self.times and self in self._plan:
            self._plan.remove(self)


class FaultProxy:
    """Pass connections on to ``target``, with the trouble that is planned; a context manager.

    ``url`` leads through it: the target's own with another host and port. Bytes are counted for
    each connection and direction, ``up`` to the target and ``down`` from it, from the planning of
    a fault on; it strikes when byte ``after`` + 1 comes. ``times`` is the number of connections it
    meets, None for all until ``clear``. Leaving the block breaks every connection off.
    """

    def __init__(self, target: URL | str, *, port: int = 0) -> None:
        self._target = URL(target)
        host, number = self._target.host, self._target.port
        if host is None or number is None:
            raise ValueError(f"The target needs a host and a port: {target}")
        self._address = host, number
        self._port = port
        self._plan: list[StreamFault] = []
        self._conditions = Conditions(plan=self._plan)
        self._refusals: list[StreamFault] = []
        self._links: set[Link] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._quiet = asyncio.Event()
        self._accepted = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._accept().client, _HOST, self._port, backlog=_BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await finish(self._close())

    @property
    def url(self) -> URL:
        """Return the address that leads through the proxy."""
        if self._server is None:
            raise RuntimeError("The proxy has no address yet; use it inside `async with`")
        return self._target.with_host(_HOST).with_port(self._port)

    @property
    def connections(self) -> int:
        """Return how many connections have been accepted so far, refused ones too."""
        return self._accepted

    @property
    def active(self) -> int:
        """Return how many connections are open."""
        return len(self._links)

    @property
    def sent(self) -> int:
        """Return how many bytes have been passed on to the target."""
        return self._conditions.passed["up"]

    @property
    def received(self) -> int:
        """Return how many bytes have been passed on from the target."""
        return self._conditions.passed["down"]

    def cut(
        self, *, after: int = 0, direction: Direction = "down", times: int | None = 1
    ) -> StreamFault:
        """Close a connection once ``after`` bytes have passed.

        A peer that is sending just then may see a reset, as with any server that closes early.
        """
        return self._add(StreamFault("cut", times, direction, after))

    def reset(
        self, *, after: int = 0, direction: Direction = "down", times: int | None = 1
    ) -> StreamFault:
        """Break a connection off with a TCP reset once ``after`` bytes have passed."""
        return self._add(StreamFault("reset", times, direction, after))

    def stall(
        self,
        *,
        after: int = 0,
        direction: Direction = "down",
        seconds: float | None = None,
        times: int | None = 1,
    ) -> StreamFault:
        """Let a connection stand once ``after`` bytes have passed, for ``seconds`` or until clear.

        The connection stays open, and the other direction goes on.
        """
        return self._add(StreamFault("stall", times, direction, after, seconds))

    def refuse(self, *, times: int | None = 1) -> StreamFault:
        """Break the next connections off as soon as they are accepted."""
        fault = StreamFault("refuse", times, plan=self._refusals)
        self._refusals.append(fault)
        return fault

    def delay(self, seconds: float) -> None:
        """Hold all bytes for so long, both ways; the bandwidth stays, a round trip takes twice."""
        if seconds < 0:
            raise ValueError(f"A delay must not be negative, it is {seconds}")
        self._conditions.delay = seconds

    def throttle(self, bytes_per_second: float | None) -> None:
        """Let each connection pass so much in each direction; None lifts the limit."""
        if bytes_per_second is not None and bytes_per_second <= 0:
            raise ValueError("A throttle needs a positive number; use stall() to stop the bytes")
        self._conditions.rate = bytes_per_second

    def clear(self) -> None:
        """Make no more trouble: forget faults, delay and throttle, let go on what is held."""
        self._plan.clear()
        self._refusals.clear()
        self._conditions.delay = 0.0
        self._conditions.rate = None
        for link in list(self._links):
            for pipe in (link.up, link.down):
                pipe.hurry()
                pipe.go_on()

    def _add(self, fault: StreamFault) -> StreamFault:
        if fault.direction not in ("up", "down"):
            raise ValueError(f"A direction is 'up' or 'down', not {fault.direction!r}")
        if fault.after < 0 or (fault.seconds is not None and fault.seconds < 0):
            raise ValueError("Bytes and seconds must not be negative")
        for link in self._links:
            for pipe in (link.up, link.down):
                fault.begin(pipe)
        fault._plan = self._plan
        self._plan.append(fault)
        return fault

    def _accept(self) -> Link:
        self._accepted += 1
        link = Link(self._conditions, self._forget)
        self._links.add(link)
        if self._refusals:
            self._refusals[0].take()
            link.gone = True
            return link
        task = asyncio.get_running_loop().create_task(self._connect(link))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return link

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: link.server, *self._address)
        except OSError:
            link.reset()

    def _forget(self, link: Link) -> None:
        self._links.discard(link)
        if not self._links:
            self._quiet.set()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        # A connection that has just been accepted reaches its protocol within two steps.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening)
        for link in list(self._links):
            link.reset()
        while self._links:
            self._quiet.clear()
            await self._quiet.wait()
        if self._server is not None:
            await self._server.wait_closed()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neuro_client.testing.proxy",
        description="Pass connections on to TARGET, slower; prints the address that leads there.",
    )
    parser.add_argument("target", metavar="TARGET", help="URL of the server")
    parser.add_argument("--port", type=int, default=0, help="port to listen on, default a free one")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="SECONDS", help="hold all bytes so long"
    )
    parser.add_argument(
        "--throttle", type=float, metavar="BYTES", help="pass so much a second, each connection"
    )
    return parser


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with FaultProxy(options.target, port=options.port) as proxy:
        proxy.delay(options.delay)
        proxy.throttle(options.throttle)
        sys.stdout.write(f"{proxy.url}\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a proxy until it is told to end."""
    asyncio.run(_serve(_parser().parse_args(arguments)))


if __name__ == "__main__":
    main()
