"""The machine's own disk: the same bytes, copied into and out of a folder, with no server."""

from __future__ import annotations

import os
from pathlib import Path

from .blobs import files_below
from .task import Order, Stopwatch, play

SLICE = 2**20


def copy(source: Path, target: Path) -> None:
    """Copy a file by reading and writing, as a server must, in slices of 1 MiB."""
    with open(source, "rb", buffering=0) as reading, open(target, "wb", buffering=0) as writing:
        while data := reading.read(SLICE):
            writing.write(data)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory."""
    for path, key in files_below(source, "."):
        place = target / key
        os.makedirs(place.parent, exist_ok=True)
        copy(path, place)


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work between ``local`` and a place below the folder ``base``."""
    ends = Path(order.local), Path(order.base) / order.remote
    source, target = reversed(ends) if order.work.startswith("down") else ends
    with stopwatch:
        (copy if order.work.endswith("blob") else copy_tree)(source, target)


if __name__ == "__main__":
    play(work)
