"""Compare the listing of 10,000 workloads with the published client; watch 1,000 at once.

The server sends pages from memory, on loopback. ``rounds`` of the watch is how often all workloads
are looked at before they end: memory must not grow with it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from .measuring import Figures, Outcome, parser, save, take_turns
from .world import LOOPBACK, ROOT, started

OURS, PUBLISHED = "ours", "published"
MODULES = {OURS: "tests.bench.trainings_ours", PUBLISHED: "tests.bench.trainings_runapy"}
PAGE = 500
LOOKS = (2, 20)
# Made by `make interop`; NEURO_BENCH_TRAININGS names another one.
_ENVIRONMENT = ".venv-interop-trainings/newest"


def published_python() -> Path | None:
    """Return the interpreter that has the published client, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_TRAININGS", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


def run(contender: str, work: str, count: int, pages: int) -> Figures:
    """Let a contender work against a server of its own."""
    command = [sys.executable, "-m", "tests.bench.trainings_server", str(count), str(pages)]
    with started(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        order = {
            "work": work,
            "local": "",
            "remote": str(count),
            "config": "",
            "base": url,
            "token": "hush",
        }
        python = published_python() if contender == PUBLISHED else sys.executable
        done = subprocess.run(
            [str(python), "-m", MODULES[contender]],
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            check=True,
        )
        figures: Figures = json.loads(done.stdout)
        with urllib.request.urlopen(f"{url}/bench/requests") as answer:
            figures["requests"] = json.load(answer)
    return figures


def measure(options: argparse.Namespace) -> Outcome:
    """Run all cases."""
    settings = {"workloads": options.workloads, "watched": options.watched, "looks": LOOKS}
    outcome = Outcome("trainings", settings)
    contenders = [OURS, PUBLISHED]
    if published_python() is None:
        print(f"without the published client: no {_ENVIRONMENT}/, which `make interop` makes")
        contenders.remove(PUBLISHED)

    def listing(name: str) -> Callable[[int], Figures]:
        return lambda _: run(name, "list", options.workloads, 2**53)

    take_turns(
        outcome, "list", LOOPBACK, {name: listing(name) for name in contenders}, options.rounds
    )
    pages = -(-options.watched // PAGE)
    for looks in LOOKS:

        def watching(_: int, looks: int = looks) -> Figures:
            return run(OURS, "watch", options.watched, looks * pages)

        take_turns(outcome, f"watch-{looks}", LOOPBACK, {OURS: watching}, options.rounds)
    for row in outcome.rows:
        memory = row.median("memory") / 2**20
        print(
            f"{row.case:12} {row.contender:10} {memory:7.1f} MiB over the start, "
            f"{row.median('requests'):.0f} requests"
        )
    return outcome


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--workloads", type=int, default=10_000)
    made.add_argument("--watched", type=int, default=1_000)
    made.set_defaults(rounds=3)
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
