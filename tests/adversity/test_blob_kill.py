"""Kill -9 while a tree goes to or from a bucket: as with the storage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from .blob_processes import open_blob_site
from .luck import FULL
from .processes import Site
from .test_kill import kill_client, kill_platform, kills


async def _kill_either(site: Site, number: int, chance: random.Random) -> bool:
    """Kill the client or the platform: in turns, so that both meet uploads and downloads."""
    kill = kill_platform if (number + number // 2) % 2 else kill_client
    return await kill(site, number, chance)


@pytest.mark.slow
@pytest.mark.timeout(900 if FULL else 90)
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    await kills(tmp_path, 50 if FULL else 2, _kill_either, open_blob_site)
