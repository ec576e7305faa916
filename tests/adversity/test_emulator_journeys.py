"""The journeys to and from a bucket at other object stores: real ones, and emulators of clouds.

They take minutes, so they belong to the full run only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .bench import Bench
from .emulators import STORES, Make, open_emulator_bench
from .journeys import Journey
from .luck import FULL
from .test_blob_journeys import (
    BlobDownloadParts,
    BlobDownloadSmall,
    BlobUploadDir,
    BlobUploadParts,
    BlobUploadSmall,
)
from .test_journeys import travel

SHARE = 20
"""How many cells of each journey are drawn for each store."""
LEAST = 3
"""How many requests each journey makes at least, whatever store it is."""
KINDS = (BlobUploadSmall, BlobUploadParts, BlobDownloadSmall, BlobDownloadParts, BlobUploadDir)
# fake-gcs-server ends a session that it is asked about, so no upload in parts goes on there.
CASES = [
    pytest.param(store, kind, id=f"{kind.name}, {store}")
    for store in (STORES if FULL else ())
    for kind in KINDS
    if not (store == "fake-gcs-server" and kind is BlobUploadParts)
]


@pytest.fixture(scope="module")
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with STORES[request.param]() as found:
        yield found


@pytest.fixture
async def bench(tmp_path: Path, make: Make) -> AsyncIterator[Bench]:
    async with open_emulator_bench(tmp_path, make) as found:
        yield found


if FULL:

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("make,kind", CASES, indirect=["make"])
    async def test_journey(bench: Bench, kind: type[Journey]) -> None:
        await travel(bench, kind, least=LEAST, share=SHARE)
