"""Move very many very small files, ours only: up, unchanged re-sync, down; time and memory.

100,000 files of 0 to 1 KiB in 400 folders, once each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .measuring import Outcome, parser, save, take_turns
from .race import OURS, Race
from .world import LOOPBACK, local_content, make_tree, world

REMOTE = "many"


def measure(options: argparse.Namespace) -> Outcome:
    """Move the tree up, again, and down."""
    outcome = Outcome("many_files", {"files": options.files, "folders": options.folders})
    with world((LOOPBACK,), where=options.where) as place:
        race = Race(place, place.links[LOOPBACK])
        tree = make_tree(place.folder / "tree", options.files, options.folders, range(1025))
        content = local_content(tree)
        works = {
            "up-many": lambda _: race.upload(OURS, "up-tree", tree, REMOTE, keep=True),
            "sync-many": lambda _: race.upload(OURS, "sync-tree", tree, REMOTE, keep=True),
            "down-many": lambda _: race.download(OURS, "down-tree", REMOTE, content),
        }
        for case, work in works.items():
            take_turns(outcome, case, LOOPBACK, {OURS: work}, 1)
    return outcome


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--files", type=int, default=100_000)
    made.add_argument("--folders", type=int, default=400)
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
