"""Measure what a start costs: of a program that imports the client, and of the command line.

Each against the least that it could be: importing what it stands on, and an interpreter that does
nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from .measuring import Figures, Outcome, parser, save, take_turns
from .world import LOOPBACK, ROOT

OURS, LEAST = "ours", "least"
_PROGRAM = "from neuro_client.cli.main import main; main()"
CASES: dict[str, dict[str, list[str]]] = {
    "import": {
        OURS: ["-c", "import neuro_client; neuro_client.get"],
        LEAST: ["-c", "import aiohttp, attrs, yarl"],
    },
    "help": {OURS: ["-c", _PROGRAM, "--help"], LEAST: ["-c", "pass"]},
}


def measure(options: argparse.Namespace) -> Outcome:
    """Start every program in turn."""
    outcome = Outcome("start", {"rounds": options.rounds})
    for case, commands in CASES.items():
        turns = {name: _starter(command) for name, command in commands.items()}
        for turn in turns.values():
            turn(-1)  # what is compiled once is compiled now
        take_turns(outcome, case, LOOPBACK, turns, options.rounds)
    return outcome


def _starter(arguments: Sequence[str]) -> Callable[[int], Figures]:
    command = [sys.executable, *arguments]

    def run(_: int) -> Figures:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command} failed")
        return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime}

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.set_defaults(rounds=15)
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
