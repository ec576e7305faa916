"""Measure requests and bytes a second of the storage service, against plain aiohttp handlers."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs
import psutil
from yarl import URL

from ..measuring import Figures, Outcome, parser, save, take_turns
from ..world import LOOPBACK, World, started, world
from . import load

PLATFORM, HANDLERS = "platform", "handlers"
CONNECTIONS = 16
STREAMS = 2
SMALL = 16 * 2**10
LARGE = 64 * 2**20


@attrs.frozen
class Server:
    """Name a server: where its files are, what is asked for them, its process."""

    home: URL
    token: str
    process: psutil.Process
    ops: bool

    def request(self, method: str, name: str, body: bytes = b"") -> load.Request:
        """Put together the request for one file."""
        url = self.home / name
        if self.ops:
            url = url.with_query(op="OPEN" if method == "GET" else "CREATE")
        return load.request(method, url, self.token, body)

    def measure(self, requests: Sequence[load.Request], connections: int) -> Figures:
        """Send requests and tell what they took here and there."""
        before = self._cpu()
        start = time.perf_counter()
        asyncio.run(load.send(self.home, requests, connections))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "platform_cpu": self._cpu() - before}

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def _servers(place: World) -> Iterator[dict[str, Server]]:
    folder = place.folder / "handlers"
    folder.mkdir()
    home = URL(place.home(place.links[LOOPBACK]))
    command = [sys.executable, "-m", "tests.bench.platform_rates.handlers", str(folder)]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = URL(process.stdout.readline().decode().strip())
        yield {
            PLATFORM: Server(home, place.token, place.process, True),
            HANDLERS: Server(url, "none", psutil.Process(process.pid), False),
        }


def measure(options: argparse.Namespace) -> Outcome:
    """Run all cases."""
    settings = {"requests": options.requests, "bodies": options.bodies, "large": options.large}
    outcome = Outcome("platform_rates", settings)
    small, large = bytes(SMALL), bytes(options.large)
    cases: dict[str, tuple[int, int, Callable[[Server, int], load.Request]]] = {
        "create-small": (
            options.requests,
            CONNECTIONS,
            lambda server, number: server.request("PUT", f"small-{number}", small),
        ),
        "open-small": (
            options.requests,
            CONNECTIONS,
            lambda server, number: server.request("GET", f"small-{number}"),
        ),
        "create-large": (
            options.bodies,
            STREAMS,
            lambda server, number: server.request("PUT", f"large-{number % STREAMS}", large),
        ),
        "open-large": (
            options.bodies,
            STREAMS,
            lambda server, number: server.request("GET", f"large-{number % STREAMS}"),
        ),
    }
    with world((LOOPBACK,), where=options.where) as place, _servers(place) as servers:
        for case, (count, connections, make) in cases.items():
            turns = {
                name: _turn(server, [make(server, number) for number in range(count)], connections)
                for name, server in servers.items()
            }
            take_turns(outcome, case, LOOPBACK, turns, options.rounds)
    return outcome


def _turn(
    server: Server, requests: Sequence[load.Request], connections: int
) -> Callable[[int], Figures]:
    return lambda _: server.measure(requests, connections)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=3000, help="of 16 KiB")
    made.add_argument("--bodies", type=int, default=16, help="large ones")
    made.add_argument("--large", type=int, default=LARGE, help="bytes of a large one")
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
