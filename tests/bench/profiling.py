"""Show what the event loop's thread of ours spends its time on, for each piece of work.

The profiler slows Python code down and leaves C code alone, so these are shares, not times.
"""

from __future__ import annotations

import argparse
import pstats
from collections.abc import Sequence
from pathlib import Path

from .race import OURS, Race
from .storage import SMALL, WORKS
from .world import LINKS, local_content, make_file, make_tree, world


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile the works asked for and print the functions that cost most."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("works", nargs="*", default=WORKS, help=f"of {' '.join(WORKS)}")
    parser.add_argument("--link", choices=LINKS, default=LINKS[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=2**30)
    parser.add_argument("--sort", choices=("tottime", "cumtime"), default="tottime")
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args(arguments)
    with world((options.link,)) as place:
        link = place.links[options.link]
        for work in options.works:
            file = place.folder / f"{work}.profile"
            race = Race(place, link, profile=file)
            if work.endswith("tree"):
                local = make_tree(place.folder / work, options.files, 40, [SMALL])
            else:
                local = make_file(place.folder / work, options.size)
            if not work.startswith("up"):
                race.put(work.replace("sync", "up").replace("down", "up"), local, work)
            if work.startswith("down"):
                race.download(OURS, work, work, local_content(local))
            else:
                race.upload(OURS, work, local, work)
            print(f"== {work}, {options.link}")
            show(file, options.sort, options.lines)


def show(file: Path, sort: str, lines: int) -> None:
    """Print a profile."""
    stats = pstats.Stats(str(file))
    stats.strip_dirs().sort_stats(sort).print_stats(lines)


if __name__ == "__main__":
    main()
