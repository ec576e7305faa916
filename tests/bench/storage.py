"""Compare uploads, downloads and re-syncs of the storage: ours, bare aiohttp, published client.

2,000 files of 16 KiB in 40 folders, and one file of 1 GiB; on loopback, and through a proxy that
adds 20 ms of round trip.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from .measuring import Figures, Outcome, parser, save, take_turns
from .race import CONTENDERS, Race, present
from .world import LINKS, Link, World, local_content, make_file, make_tree, world

WORKS = ("up-tree", "sync-tree", "down-tree", "up-file", "down-file")
SMALL = 16 * 2**10


def measure(options: argparse.Namespace) -> None:
    """Run all cases that are asked for and write the outcome after each."""
    outcome = Outcome(
        "storage",
        {"files": options.files, "size": options.size, "small": SMALL, "rounds": options.rounds},
    )
    contenders = present(tuple(options.contenders))
    with world(options.links, where=options.where) as place:
        tree = make_tree(place.folder / "tree", options.files, options.folders, [SMALL])
        file = make_file(place.folder / "file", options.size)
        seed = Race(place, place.links[LINKS[0]])
        sources = {"tree": tree, "file": file}
        for kind, local in sources.items():
            if any(work.endswith(kind) for work in options.works):
                seed.put(f"up-{kind}", local, kind)
        for link in options.links:
            for work in options.works:
                local = sources[work.partition("-")[2]]
                _case(outcome, place, place.links[link], work, local, contenders, options)
                save(outcome, options.json)  # it takes minutes, and a case is worth keeping


def _case(
    outcome: Outcome,
    place: World,
    link: Link,
    work: str,
    local: Path,
    contenders: Sequence[str],
    options: argparse.Namespace,
) -> None:
    race = Race(place, link)
    content = local_content(local)
    kind = work.partition("-")[2]

    def one(name: str) -> Callable[[int], Figures]:
        def run(number: int) -> Figures:
            if work.startswith("down"):
                return race.download(name, work, kind, content)
            if work.startswith("sync"):
                return race.upload(name, work, local, kind, keep=True)
            return race.upload(name, work, local, f"{name}-{kind}-{number}")

        return run

    take_turns(outcome, work, link.name, {name: one(name) for name in contenders}, options.rounds)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    made = parser(__doc__)
    made.add_argument("--files", type=int, default=2000)
    made.add_argument("--folders", type=int, default=40)
    made.add_argument("--size", type=int, default=2**30, help="bytes of the large file")
    made.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    made.add_argument("--links", nargs="+", choices=LINKS, default=LINKS)
    made.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    return made.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    measure(options_of(arguments))


if __name__ == "__main__":
    main()
