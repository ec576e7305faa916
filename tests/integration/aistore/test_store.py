"""A bucket as a store of the engine, and folders through the engine."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client.aistore import AIStore, BucketList
from neuro_client.aistore.buckets.store import AISStore, FlatAISStore, open_store
from neuro_client.copying import copy, open_local
from neuro_client.errors import SourceChangedError
from neuro_client.testing.stores import CHECKS, entries
from neuro_client.transfer import TransferOptions
from neuro_client.transfer.store import FlatStore, ReadsWhole

from ...unit.transfer.kit import Diary, content, grown, plant
from .world import World, run


async def check_conformance(world: World) -> None:
    ais = world.ais
    for number, check in enumerate(CHECKS):
        bucket = await ais.bucket(f"store-{number}").create()
        try:
            await check(await open_store(bucket))
        except BaseException as error:
            error.add_note(check.__name__)
            raise


async def test_pages_of_a_flat_store(ais: AIStore, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = await ais.bucket("b1").create(exist_ok=True)
    names = [f"d/{number}" for number in range(7)]
    for name in [*names, "e"]:
        await bucket.object(name).put_content(b"x")
    store = await open_store(bucket)
    assert isinstance(store, FlatAISStore) and isinstance(store, FlatStore)
    assert isinstance(store, ReadsWhole)
    listing = bucket.list_objects

    async def short(prefix: str, props: str, size: int = 0, *rest: Any, **more: Any) -> BucketList:
        return await listing(prefix, props, size or 3, *rest, **more)

    monkeypatch.setattr(bucket, "list_objects", short)
    for jump in ("", "d/1", "d/11"):
        found, after, more = [], jump, True
        while more:
            page, more = await store.page("d", after)
            found += [entry.key for entry in page]
            after = found[-1]
        assert found == [name for name in names if name > jump]
    assert await store.has_object("e") and not await store.has_object("d")
    assert await store.read("e", 1) == b"x"
    with pytest.raises(SourceChangedError):
        await store.read("e", 1, "1:7:another")
    assert type(await open_store(ais.bucket("b", "aws"))) is AISStore


async def check_folders_there_and_back(world: World) -> None:
    ais, tmp_path = world.ais, world.folder
    bucket = await ais.bucket("b1").create(exist_ok=True)
    tree: dict[str, bytes | None] = {
        "a": b"a", "d/b": content(2500), "d/e/f": b"", "ü #%?": b"odd",
    }  # fmt: skip
    source = plant(tmp_path / "src", tree)
    options = TransferOptions(part_size=1000)
    diary = Diary()
    result = await bucket.upload_dir(source, "up/here", options=options, progress=diary)
    assert (result.files, result.bytes) == (4, 2504)
    diary.check()
    names = [entry.name for entry in await bucket.list_all_objects()]
    assert names == sorted(f"up/here/{name}" for name in tree)
    back = tmp_path / "back"
    result = await bucket.download_dir("up", back, options=options)
    assert result.files == 4 and grown(back / "here") == tree
    with pytest.raises(NotADirectoryError):
        await bucket.download_dir("up/here/a", back)
    # Two names on the way to one are a folder of each.
    await bucket.object("up-2/x").put_content(b"x")
    assert {entry.key for entry in await entries(AISStore(bucket), "")} == {"up", "up-2"}


async def check_copies_between_schemes(world: World) -> None:
    ais, tmp_path = world.ais, world.folder
    await ais.bucket("b1").create(exist_ok=True)
    await ais.bucket("b2").create()
    tree: dict[str, bytes | None] = {"a": b"a", "d/b": content(2500)}
    source = plant(tmp_path / "src", tree)
    stores = {"file": open_local, "ais": ais.side}
    options = TransferOptions(part_size=1000)
    places = [
        URL(source.as_uri()),
        URL("ais://b1/one"),
        URL("ais:b2/two"),
        URL((tmp_path / "three").as_uri()),
    ]
    for src, dst in itertools.pairwise(places):
        result = await copy(src, dst, stores=stores, recursive=True, options=options)
        assert (result.files, result.bytes) == (2, 2501)
    assert grown(tmp_path / "three") == tree
    await copy(places[0] / "a", URL("ais:b1/file"), stores=stores)
    assert await ais.bucket("b1").object("file").get().read_all() == b"a"


async def check_only_what_changed_moves(world: World) -> None:
    tmp_path = world.folder
    source = plant(tmp_path / "src", {"a": b"one", "d/b": content(2500), "d/c": b"same size"})
    await world.bucket.upload_dir(source)
    (source / "d/c").write_bytes(b"other one")
    result = await world.bucket.upload_dir(source, update=True)
    assert (result.files, result.skipped) == (1, 2)
    back = tmp_path / "back"
    assert (await world.bucket.download_dir("", back, update=True)).files == 3
    (back / "a").write_bytes(b"two")
    result = await world.bucket.download_dir("", back, update=True)
    assert (result.files, result.skipped) == (1, 2)
    assert grown(back) == grown(source)


async def check_old_servers_list_everything_and_take_no_parts(world: World) -> None:
    world.cluster.version = (3, 18)
    source = plant(world.folder / "src", {"a": b"a", "d/b": content(2500), "d/e": b"e"})
    options = TransferOptions(part_size=1000)
    assert (await world.bucket.upload_dir(source, options=options)).files == 3
    back = world.folder / "back"
    assert (await world.bucket.download_dir("", back, options=options)).files == 3
    assert grown(back) == grown(source)


async def check_parts_may_have_checksums_of_their_own(world: World) -> None:
    bucket, data = world.bucket, content(5000)
    await bucket.set_props({"checksum": {"enable_read_range": True}})
    thing = bucket.object("d/o")
    await thing.put(data)
    assert await thing.get(num_workers=2, part_size=1000).read_all() == data
    async with thing.open_reader(buffer_size=1000) as file:
        await file.seek(1500)
        assert await file.read(2000) == data[1500:3500]
    options = TransferOptions(part_size=1000)
    assert (await bucket.download_dir("d", world.folder / "back", options=options)).files == 1
    assert grown(world.folder / "back") == {"o": data}
    # Their versions still tell two contents apart.
    async with thing.open_reader(buffer_size=1000) as file:
        await thing.put(data[::-1])
        with pytest.raises(SourceChangedError):
            await file.read(2000)
    # So does the end that is missing of one that became shorter.
    store = await open_store(bucket)
    version = (await store.head("d/o")).version
    await thing.put(b"short")
    with pytest.raises(SourceChangedError):
        async with store.get("d/o", start=4000, end=5000, version=version) as chunks:
            await anext(chunks)


async def test_stores(tmp_path: Path) -> None:
    await run(
        [
            check_conformance,
            check_folders_there_and_back,
            check_copies_between_schemes,
            check_only_what_changed_moves,
            check_old_servers_list_everything_and_take_no_parts,
            check_parts_may_have_checksums_of_their_own,
        ],
        tmp_path,
    )
