"""Show what the event loop's thread of ours spends its time on in a bucket, for each piece of work.

The profiler slows Python code down and leaves C code alone, so these are shares, not times.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .buckets import OURS, SMALL, WORKS, Race
from .buckets_world import ENDPOINTS, endpoint
from .profiling import show
from .world import LINKS, LOOPBACK, local_content, make_file, make_tree, world


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile the works asked for and print the functions that cost most."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("works", nargs="*", default=WORKS, help=f"of {' '.join(WORKS)}")
    parser.add_argument("--endpoint", choices=ENDPOINTS, default=ENDPOINTS[0])
    parser.add_argument("--link", choices=LINKS, default=LINKS[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=2**30)
    parser.add_argument("--sort", choices=("tottime", "cumtime"), default="tottime")
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args(arguments)
    with (
        world((LOOPBACK,)) as place,
        endpoint(place, options.endpoint, (options.link,)) as end,
    ):
        for work in options.works:
            file = place.folder / f"{work}.profile"
            race = Race(place, end, end.ways[options.link], profile=file)
            kind = work.partition("-")[2]
            if kind == "blobs":
                local = make_tree(place.folder / work, options.files, 40, [SMALL])
            else:
                local = make_file(place.folder / work, options.size)
            if not work.startswith("up"):
                race.upload(OURS, f"up-{kind}", local, work, keep=True)
            if work.startswith("down"):
                race.download(OURS, work, work, local_content(local))
            else:
                race.upload(OURS, work, local, work, keep=True)
            print(f"== {work}, {options.endpoint}, {options.link}")
            show(file, options.sort, options.lines)


if __name__ == "__main__":
    main()
