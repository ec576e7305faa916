"""The foreign systems from the one client, with the settings that a login wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import ConfigError
from neuro_client.factory import get
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login


async def test_every_system_of_the_platform_is_at_hand(client: Client) -> None:
    await client.aistore.bucket("models").create()
    async with client.trainings.list() as trainings:
        assert [one async for one in trainings] == []


async def test_copies_between_all_kinds(client: Client, tmp_path: Path) -> None:
    await client.aistore.bucket("models").create()
    await client.buckets.create("models")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "one").write_bytes(b"1" * 1000)
    (tree / "sub" / "two").write_bytes(b"2" * 100_000)
    places = [URL("storage:tree"), URL("ais://models/tree"), URL("blob:models/tree")]
    source = URL(tree.as_uri())
    for place in [*places, URL((tmp_path / "back").as_uri())]:
        result = await client.copy(source, place, recursive=True)
        assert (result.files, result.bytes) == (2, 101_000)
        source = place
    assert (tmp_path / "back" / "sub" / "two").read_bytes() == b"2" * 100_000


@pytest.mark.parametrize("name", ["trainings", "aistore"])
async def test_what_is_not_set_up_says_where_to_do_it(
    local_platform: LocalPlatform, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RUNAI_URL", "AIS_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    ready = {key: local_platform.ready[key] for key in ("api_url", "token", "username")}
    await login(ready, tmp_path / "config")
    async with get(path=tmp_path / "config") as client:
        with pytest.raises(ConfigError, match=rf"{name}.*\[{name}\].*services.toml"):
            getattr(client, name)
