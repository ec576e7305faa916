"""Run a platform until killed: ``python -m tests.integration.local_jobs.serve DATA``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from .conftest import running


async def main() -> None:
    """Say where the platform is, then wait."""
    async with running(Path(sys.argv[1])) as api:
        sys.stdout.write(json.dumps({"url": str(api.platform.url)}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
