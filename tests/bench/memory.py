"""Measure the peak of memory over that of an opened client, for one large file up and down.

Every contender with 1 GiB; with ``--full`` ours also with 10 GiB.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from .measuring import Figures, Outcome, parser, save, take_turns
from .race import CONTENDERS, OURS, Race, present
from .world import LOOPBACK, World, local_content, make_file, remove_local, world

HUGE = 10


def measure(options: argparse.Namespace) -> Outcome:
    """Move a file of each size with each contender."""
    outcome = Outcome("memory", {"size": options.size, "full": options.full})
    with world((LOOPBACK,), where=options.where) as place:
        _move(outcome, place, "file", options.size, present(CONTENDERS))
        if options.full:
            _move(outcome, place, "huge", HUGE * options.size, [OURS])
    return outcome


def _move(outcome: Outcome, place: World, name: str, size: int, contenders: Sequence[str]) -> None:
    race = Race(place, place.links[LOOPBACK])
    local = make_file(place.folder / name, size)
    content = local_content(local)

    def up(contender: str) -> Callable[[int], Figures]:
        return lambda _: race.upload(contender, "up-file", local, name, keep=True)

    def down(contender: str) -> Callable[[int], Figures]:
        return lambda _: race.download(contender, "down-file", name, content)

    take_turns(outcome, f"up-{name}", LOOPBACK, {who: up(who) for who in contenders}, 1)
    take_turns(outcome, f"down-{name}", LOOPBACK, {who: down(who) for who in contenders}, 1)
    place.remove(name)
    remove_local(local)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--size", type=int, default=2**30, help="bytes of the file")
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
