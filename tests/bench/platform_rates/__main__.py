"""Measure requests and bytes a second of storage and S3, against plain aiohttp handlers."""

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
from .objects import objects

PLATFORM, HANDLERS = "platform", "handlers"
CONNECTIONS = 16
STREAMS = 2
SMALL = 16 * 2**10
OBJECT = 64 * 2**10
LARGE = 64 * 2**20
CASES = ("create-small", "open-small", "create-large", "open-large", "put-small", "get-small")


Make = Callable[[str, str, bytes], load.Request]


@attrs.frozen
class Server:
    """Name a server: how something is asked of it, its process."""

    home: URL
    request: Make
    process: psutil.Process

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


@attrs.frozen
class Case:
    """Describe what is sent: the body of PUTs, None for GETs of what these have written."""

    names: Sequence[str]
    body: bytes | None
    connections: int
    s3: bool = False

    def requests(self, make: Make) -> list[load.Request]:
        """Put all requests together."""
        method = "GET" if self.body is None else "PUT"
        return [make(method, name, self.body or b"") for name in self.names]


def _files(home: URL, token: str, *, ops: bool) -> Make:
    headers = {"Authorization": f"Bearer {token}"}

    def make(method: str, name: str, body: bytes) -> load.Request:
        url = home / name
        if ops:
            url = url.with_query(op="OPEN" if method == "GET" else "CREATE")
        return load.request(method, url, headers, body)

    return make


@contextmanager
def _handlers(place: World) -> Iterator[Server]:
    folder = place.folder / "handlers"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.bench.platform_rates.handlers", str(folder)]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = URL(process.stdout.readline().decode().strip())
        yield Server(url, _files(url, "none", ops=False), psutil.Process(process.pid))


def _cases(options: argparse.Namespace) -> dict[str, Case]:
    small = [f"small-{number}" for number in range(options.requests)]
    large = [f"large-{number % STREAMS}" for number in range(options.bodies)]
    keys = [f"object-{number}" for number in range(options.requests)]
    return {
        "create-small": Case(small, bytes(SMALL), CONNECTIONS),
        "open-small": Case(small, None, CONNECTIONS),
        "create-large": Case(large, bytes(options.large), STREAMS),
        "open-large": Case(large, None, STREAMS),
        "put-small": Case(keys, bytes(OBJECT), CONNECTIONS, s3=True),
        "get-small": Case(keys, None, CONNECTIONS, s3=True),
    }


def measure(options: argparse.Namespace) -> Outcome:
    """Run the cases that are asked for."""
    settings = {"requests": options.requests, "bodies": options.bodies, "large": options.large}
    outcome = Outcome("platform_rates", settings)
    with world((LOOPBACK,), where=options.where) as place, _handlers(place) as handlers:
        login = place.links[LOOPBACK]
        home = URL(place.home(login))
        storage = Server(home, _files(home, place.token, ops=True), place.process)
        bucket = objects(login.config)
        endpoint = Server(bucket.home, bucket.request, place.process)
        for name, case in _cases(options).items():
            if name in options.cases:
                servers = {PLATFORM: endpoint if case.s3 else storage, HANDLERS: handlers}
                turns = {who: _turn(server, case) for who, server in servers.items()}
                take_turns(outcome, name, LOOPBACK, turns, options.rounds)
    return outcome


def _turn(server: Server, case: Case) -> Callable[[int], Figures]:
    requests = case.requests(server.request)
    return lambda _: server.measure(requests, case.connections)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--requests", type=int, default=3000, help="of 16 KiB, for S3 of 64 KiB")
    made.add_argument("--bodies", type=int, default=16, help="large ones")
    made.add_argument("--large", type=int, default=LARGE, help="bytes of a large one")
    made.add_argument("--cases", nargs="*", choices=CASES, default=CASES)
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
