"""The same transfers against the local platform's own storage service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.storage import StorageService
from neuro_client.storage.transfers import download_dir, upload_dir
from neuro_client.transfer import TransferOptions
from neuro_client.transport import FixedCredentials, Transport

from ...unit.transfer.kit import Diary, content, grown, plant

TREE: dict[str, bytes | None] = {
    "empty": b"",
    "exact": content(1000),
    "large": content(12_345),
    "sub/deep/file": b"deep",
    "none": None,
    "two words %41 #?+&🙂": b"odd",
    "back\\slash": b"",
    "n" * 255: content(3000),
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[StorageService]:
    """Speak to the storage of a platform of the test's own."""
    async with LocalPlatform(data=tmp_path / "platform", port=0) as platform:
        base = URL(str(platform.ready["api_url"])) / "storage/default"
        credentials = FixedCredentials.bearer(str(platform.ready["token"]))
        async with Transport(base, credentials) as transport:
            yield StorageService(transport, base, URL("storage://default"))


async def test_round_trip(service: StorageService, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", TREE)
    diary = Diary()
    small = TransferOptions(part_size=1000)
    await upload_dir(service, source, "user/there", small, None, frozenset(), diary)
    diary.check()
    await download_dir(service, "user/there", tmp_path / "back", small, None, None)
    assert grown(tmp_path / "back") == TREE
    async with service.list("user/there") as statuses:
        names = {status.name async for status in statuses}
    assert not [name for name in names if name.endswith(".part")]
