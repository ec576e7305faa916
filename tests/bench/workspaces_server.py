"""Serve workspaces for a measurement; the links of uploads lead where a file says.

``python -m tests.bench.workspaces_server DATA LINKS`` prints what a client needs and serves until
it is terminated. Presigned links name a host, so those handed out must lead through the proxy that
stands for the distance; the platform's own requests must not.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.services.workspaces.objects import Objects


def lead_through(place: Path) -> None:
    """Let the links of uploads lead to the endpoint whose address is in a file."""
    plain = Objects.link

    def link(
        objects: Objects,
        method: str,
        key: str,
        expires: int = 3600,
        more: dict[str, str] | None = None,
        moment: datetime | None = None,
    ) -> URL:
        # Only a link that is handed out says when it was signed.
        if moment is not None:
            objects = attrs.evolve(objects, url=URL(place.read_text()))
        return plain(objects, method, key, expires, more, moment)

    changed: Any = Objects
    changed.link = link


async def serve(data: Path, place: Path) -> None:
    """Serve until somebody terminates the process."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    lead_through(place)
    async with LocalPlatform(data=data, port=0) as platform:
        print(json.dumps(platform.ready["workspaces"]), flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
