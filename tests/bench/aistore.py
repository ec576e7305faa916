"""Compare objects of AIStore: ours, bare aiohttp with the same two hops, the published SDK.

2,000 objects of 64 KiB put, got and described; one of 1 GiB; 100,000 names listed. On the local
stand-in of a cluster, on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from neuro_client.aistore import AIStore

from .measuring import Figures, Outcome, parser, save, take_turns
from .race import BARE, OURS, PUBLISHED
from .world import LOOPBACK, ROOT, World, make_file, world

WORKS = ("put", "get", "head", "put-large", "get-large", "list")
SMALL = 64 * 2**10
BUCKET, MANY = "bench", "many"
MODULES = {
    OURS: "tests.bench.contenders.objects_ours",
    BARE: "tests.bench.contenders.objects_bare",
    PUBLISHED: "tests.bench.contenders.objects_published",
}
# Made by `make interop`; NEURO_BENCH_AISTORE names another one.
_ENVIRONMENT = ".venv-interop-aistore/newest-2"
_FILLERS = 32


def published_python() -> Path | None:
    """Return the interpreter that has the published SDK, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_AISTORE", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


class Race:
    """Run contenders against the cluster of a world."""

    def __init__(self, place: World, options: argparse.Namespace) -> None:
        self._url = str(place.ready["aistore"]["url"])
        self._options = options
        self._folder = place.folder
        self._large = make_file(place.folder / "large", options.size)

    async def fill(self) -> None:
        """Make the buckets, and what is read before it is written."""
        async with AIStore.connect(self._url, timeout=60) as ais:
            await ais.bucket(BUCKET).create()
            many = await ais.bucket(MANY).create()
            names = iter([f"folder-{n % 40}/object-{n}" for n in range(self._options.names)])

            async def work() -> None:
                for name in names:
                    await many.object(name).put_content(b"")

            if "list" in self._options.works:
                async with asyncio.TaskGroup() as group:
                    for _ in range(_FILLERS):
                        group.create_task(work())
        for work_ in ("put", "put-large"):
            self.run(OURS, work_)

    def run(self, contender: str, work: str) -> Figures:
        """Let a contender do one piece of work in a process of its own."""
        count, size, bucket = self._options.objects, SMALL, BUCKET
        local = self._large
        if work.endswith("-large"):
            count, size = 1, self._options.size
            local = self._folder / "copy" if work.startswith("get") else local
        elif work == "list":
            count, size, bucket = self._options.names, 0, MANY
        order = {
            "work": work,
            "local": str(local),
            "remote": f"{bucket}/{count}/{size}",
            "config": "",
            "base": self._url,
            "token": "",
        }
        python = published_python() if contender == PUBLISHED else sys.executable
        more = [self._options.profile] if self._options.profile and contender == OURS else []
        done = subprocess.run(
            [str(python), "-m", MODULES[contender], *more],
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            check=True,
        )
        figures: Figures = json.loads(done.stdout)
        return figures


def measure(options: argparse.Namespace) -> None:
    """Run all cases that are asked for and write the outcome after each."""
    settings = {"files": options.objects, "size": options.size, "names": options.names}
    outcome = Outcome("aistore", settings)
    contenders = list(options.contenders)
    if PUBLISHED in contenders and published_python() is None:
        print(f"without the published SDK: no {_ENVIRONMENT}/, which `make interop` makes")
        contenders.remove(PUBLISHED)
    with world((LOOPBACK,), where=options.where) as place:
        race = Race(place, options)
        asyncio.run(race.fill())
        for work in options.works:

            def one(name: str, work: str = work) -> Callable[[int], Figures]:
                return lambda _: race.run(name, work)

            turns = {name: one(name) for name in contenders}
            take_turns(outcome, work, LOOPBACK, turns, options.rounds)
            save(outcome, options.json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--objects", type=int, default=2000)
    made.add_argument("--size", type=int, default=2**30, help="of the large object, in bytes")
    made.add_argument("--names", type=int, default=100_000)
    made.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    made.add_argument("--contenders", nargs="+", choices=list(MODULES), default=list(MODULES))
    made.add_argument("--profile", help="where to put a profile of ours, overwritten each time")
    measure(made.parse_args(arguments))


if __name__ == "__main__":
    main()
