from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.copying import copy, open_local
from neuro_client.storage import Storage
from neuro_client.testing.stores import CHECKS, Check
from neuro_client.transfer import ObjectStore, TransferOptions

from ...unit.transfer.kit import Diary, content, grown, plant
from .server import StorageServer


@pytest.fixture
async def store(storage: Storage, server: StorageServer) -> ObjectStore:
    """Return the store of an empty cluster."""
    (server.root / "ada").rmdir()
    return (await storage.side(URL("storage://alpha/"))).store


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_conformance(check: Check, store: ObjectStore) -> None:
    await check(store)


async def test_copy_between_schemes(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    tree: dict[str, bytes | None] = {"a": b"a", "d/b": content(2500), "e": None}
    source = plant(tmp_path / "src", tree)
    stores = {"file": open_local, "storage": storage.side}
    options = TransferOptions(part_size=1000)
    places = [
        URL(source.as_uri()),
        URL("storage:one"),
        URL("storage://beta/ada/two"),
        URL((tmp_path / "three").as_uri()),
        URL((tmp_path / "four").as_uri()),
    ]
    for src, dst in itertools.pairwise(places):
        diary = Diary()
        result = await copy(
            src, dst, stores=stores, recursive=True, options=options, progress=diary
        )
        assert (result.files, result.bytes) == (2, 2501)
        diary.check()
    assert grown(tmp_path / "four") == tree
    result = await copy(
        places[4], places[1], stores=stores, recursive=True, options=TransferOptions(update=True)
    )
    assert result.files + result.skipped == 2
    await copy(places[1] / "a", URL("storage:file"), stores=stores)
    assert (server.root / "ada/file").read_bytes() == b"a"


async def test_copies_that_make_no_sense(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    source = plant(tmp_path / "src", {"d/f": b"x"})
    stores = {"file": open_local, "storage": storage.side}
    here = URL(source.as_uri())
    with pytest.raises(ValueError, match="file:, storage:"):
        await copy(here, URL("ftp://x/y"), stores=stores)
    with pytest.raises(IsADirectoryError, match="recursive"):
        await copy(here, URL("storage:x"), stores=stores)
    with pytest.raises(ValueError, match="inside"):
        await copy(here, here / "d" / "again", stores=stores, recursive=True)
    with pytest.raises(IsADirectoryError):
        await copy(here / "d" / "f", URL("storage:"), stores=stores)
    with pytest.raises(FileNotFoundError):
        await copy(here / "absent", URL("storage:x"), stores=stores)
    assert list((server.root / "ada").iterdir()) == []
