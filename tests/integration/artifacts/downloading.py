"""Download in a process of its own, to be killed: ``URL FOLDER PART_SIZE``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from neuro_client.artifacts import Artifacts
from neuro_client.transfer import TransferOptions


async def main(url: str, folder: Path, part_size: int) -> None:
    """Download the one experiment."""
    async with Artifacts.connect(url, user_id="user-1", api_key="key-1") as artifacts:
        options = TransferOptions(part_size=part_size, parts=1, files=1)
        await artifacts.download("mnist-exp0", folder, options=options)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
