"""Run the benchmarks, all or those named, and print the tables of what they measured.

Further options are those of every program: --rounds, --where, --full.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

from . import (
    aistore,
    artifacts,
    buckets,
    many_files,
    memory,
    report,
    start,
    storage,
    trainings,
    workspaces,
)
from .platform_rates import __main__ as platform_rates

Program = Callable[[Sequence[str]], None]

PROGRAMS: dict[str, Program] = {
    "start": start.main,
    "platform-rates": platform_rates.main,
    "storage": storage.main,
    "buckets": buckets.main,
    "trainings": trainings.main,
    "workspaces": workspaces.main,
    "artifacts": artifacts.main,
    "aistore": aistore.main,
    "memory": memory.main,
    "many-files": many_files.main,
}

LONG = ("buckets",)
"""Programs that run only when they are named."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, one after the other."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS='...'", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "programs", nargs="*", help=f"of {' '.join(PROGRAMS)}; default all but {' '.join(LONG)}"
    )
    given, further = parser.parse_known_args(arguments)
    if unknown := set(given.programs) - set(PROGRAMS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if "--json" in further and len(given.programs) != 1:
        parser.error("--json goes with one program")
    begin = time.monotonic()
    for name in given.programs or [name for name in PROGRAMS if name not in LONG]:
        print(f"== {name}", flush=True)
        PROGRAMS[name](further)
    print(f"{(time.monotonic() - begin) / 60:.1f} minutes\n")
    report.main([])


if __name__ == "__main__":
    main()
