"""Show what the event loop's thread of ours spends its time on in a submission.

The profiler slows Python code down and leaves C code alone, so these are shares, not times.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .profiling import show
from .workspaces import AGAIN, OURS, SUBMIT, make_shards, place, run
from .world import LINKS


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile both cases and print the functions that cost most."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--link", choices=LINKS, default=LINKS[0])
    parser.add_argument("--size", type=int, default=2**30)
    parser.add_argument("--sort", choices=("tottime", "cumtime"), default="tottime")
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args(arguments)
    with place(None) as at:
        local = make_shards(at.folder / "shards", options.size)
        for case in (SUBMIT, AGAIN):
            file = at.folder / f"{case}.profile"
            run(at, OURS, options.link, local, "profiled", file)
            print(f"== {case}, {options.link}")
            show(file, options.sort, options.lines)


if __name__ == "__main__":
    main()
