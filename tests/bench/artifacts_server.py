"""Serve the artifacts of two runs for a measurement; links lead where a file says.

``python -m tests.bench.artifacts_server DATA LINKS SMALL LARGE`` prints what a client needs, and
serves until it is terminated. Links name a host, so they must lead through the proxy that stands
for the distance when the client comes that way.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.services.artifacts.keeping import Shelf

from .world import remove_local

SLICE = 2**20


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """Read a file."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, SLICE):
            yield piece


def files_below(folder: Path) -> list[Path]:
    """Return the files of a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def add(platform: LocalPlatform, name: str, folder: Path) -> None:
    """Add a run with one experiment that wrote what is in a folder, and has ended."""
    run = await platform.artifacts.add_run(name, {})
    [experiment] = run.experiments
    control = platform.artifacts.control
    shelf = Shelf(control.store, control.files, experiment.id)
    for path in await asyncio.to_thread(files_below, folder):
        await shelf.keep(path.relative_to(folder).as_posix(), pieces(path))
    await experiment.end()


async def serve(data: Path, place: Path, sources: dict[str, Path]) -> None:
    """Serve until somebody terminates the process."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with LocalPlatform(data=data, port=0) as platform:
        for name, folder in sources.items():
            await add(platform, name, folder)
            await asyncio.to_thread(remove_local, folder)
        links: Any = platform.artifacts.links
        links._root = lambda: URL(place.read_text())
        print(json.dumps(platform.ready["artifacts"]), flush=True)
        await ended.wait()


if __name__ == "__main__":
    folders = {"small": Path(sys.argv[3]), "large": Path(sys.argv[4])}
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), folders))
