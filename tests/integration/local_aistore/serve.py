"""Serve a cluster with one bucket in a process of its own, and tell its address."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp

from neuro_client.local import LocalPlatform

from .wire import BUCKET, Wire, action


async def main() -> None:
    """Serve until the process is killed."""
    async with LocalPlatform(Path(sys.argv[1]), port=0) as platform:
        async with aiohttp.ClientSession() as session:
            wire = Wire(platform.aistore.url, session)
            answer = await wire.call("POST", f"/v1/buckets/{BUCKET}", json=action("create-bck"))
            assert answer.status in (200, 409)
        sys.stdout.write(f"{platform.aistore.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main())
