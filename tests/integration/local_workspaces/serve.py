"""Run a platform until killed: ``python -m tests.integration.local_workspaces.serve DATA``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from .conftest import running


async def main() -> None:
    """Say that the platform is there, then wait."""
    async with running(Path(sys.argv[1])):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
