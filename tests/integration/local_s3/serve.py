"""Serve a bucket in a process of its own, and tell how to reach it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import BucketExists, Grant

from .wire import BUCKET


async def main() -> None:
    """Serve until the process is killed."""
    async with LocalPlatform(Path(sys.argv[1]), port=0) as platform:
        with suppress(BucketExists):
            await platform.s3.create_bucket(BUCKET, flavour="garage")
        key = await platform.s3.create_key({BUCKET: Grant(True, True, True)}, prefix="GK")
        told = {
            "url": str(platform.s3.url),
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
        }
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main())
