"""Buckets and listings on the local cluster (aistore.md §6, §7, §10)."""

from __future__ import annotations

import asyncio
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neuro_client.aistore import (
    AISError,
    AIStore,
    Bucket,
    BucketList,
    ErrBckAlreadyExists,
    ErrBckNotFound,
    ErrRemoteBckNotFound,
    InvalidBckProvider,
    ListObjectFlag,
    Namespace,
    ObjectIterator,
)
from neuro_client.aistore.buckets.store import open_store
from neuro_client.aistore.errors import Timeout
from neuro_client.errors import (
    NotSupportedError,
    ProtocolError,
    ResourceNotFound,
    TransferError,
)

from .nodes import Node, answer, nodes
from .world import World, run

NAMES = [f"d/o{number:03}" for number in range(25)] + ["top"]


async def _filled(ais: AIStore, name: str = "b1") -> Bucket:
    bucket = await ais.bucket(name).create(exist_ok=True)
    for number, key in enumerate(NAMES):
        await bucket.object(key).put_content(b"x" * number)
    return bucket


async def _finished(ais: AIStore, job: str) -> None:
    async with asyncio.timeout(20):
        while True:
            found = await ais.cluster().list_jobs_status()
            if any(status.uuid == job and status.end_time for status in found):
                return
            await asyncio.sleep(0.02)


async def check_the_life_of_a_bucket(world: World) -> None:
    ais = world.ais
    cluster = ais.cluster()
    await world.bucket.delete()
    assert await cluster.list_buckets() == []
    bucket = await ais.bucket("b1").create(exist_ok=True)
    assert [found.name for found in await cluster.list_buckets()] == ["b1"]
    assert await cluster.list_buckets("") == await cluster.list_buckets()
    with pytest.raises(ErrBckAlreadyExists):
        await bucket.create()
    assert await bucket.create(exist_ok=True) is bucket
    spaced = await ais.bucket("b1", namespace=Namespace(name="ns")).create()
    models = await cluster.list_buckets()
    assert sorted(str(model.namespace) for model in models) == [
        str(Namespace(name="ns")), "None",
    ]  # fmt: skip
    await spaced.object("o").put_content(b"in a namespace")
    assert await spaced.object("o").get().read_all() == b"in a namespace"
    assert await bucket.list_all_objects() == []
    props = await bucket.props()
    assert props["checksum"]["type"] == "xxhash2" and props["versioning"]["enabled"]
    await bucket.set_props({"checksum": {"type": "md5"}})
    assert (await bucket.props())["checksum"]["type"] == "md5"
    await bucket.reset_props()
    assert (await bucket.props())["checksum"]["type"] == "xxhash2"
    with pytest.raises(AISError, match="nosuch"):
        await bucket.set_props({"nosuch": 1})
    await spaced.delete()
    await bucket.delete()
    await bucket.delete(missing_ok=True)
    for work in (bucket.delete(), bucket.head(), bucket.props(), bucket.list_objects()):
        with pytest.raises(ErrBckNotFound):
            await work
    assert isinstance(ErrRemoteBckNotFound("x"), ErrBckNotFound)


async def check_calls_are_refused_before_they_are_sent(world: World) -> None:
    ais, cluster = world.ais, world.cluster
    cloud, own = ais.bucket("b", "aws"), ais.bucket("b")
    for work in (cloud.create(), cloud.delete(), cloud.rename("x"), own.evict()):
        with pytest.raises(InvalidBckProvider):
            await work
    with pytest.raises(ValueError, match="negative"):
        await own.list_objects(page_size=-1)
    with pytest.raises(NotSupportedError, match="start_after"):
        await cloud.list_objects(start_after="x")
    with pytest.raises(ValueError):
        await own.rename("no/such/name")
    cluster.version = (3, 18)
    with pytest.raises(NotSupportedError, match=r"NOT_CACHED.*3\.28.*3\.18"):
        await own.list_objects(flags=[ListObjectFlag.NOT_CACHED])


async def check_copies_and_new_names(world: World) -> None:
    ais = world.ais
    bucket = await _filled(ais)
    other = ais.bucket("b2")
    await _finished(ais, await bucket.copy(other, prefix_filter="d/o00", prepend="c/"))
    names = [entry.name for entry in await other.list_all_objects()]
    assert names == [f"c/d/o00{number}" for number in range(10)]
    job = await bucket.rename("b3")
    assert bucket.name == "b3"
    await _finished(ais, job)
    assert len(await bucket.list_all_objects()) == 26
    with pytest.raises(ErrBckNotFound):
        await ais.bucket("b1").head()
    with pytest.raises(ErrBckAlreadyExists) as info:
        await bucket.rename("b2")
    assert info.value.status == 400 and bucket.name == "b3"


async def check_listings_in_pages(world: World) -> None:
    ais = world.ais
    bucket = await _filled(ais)
    page = await bucket.list_objects(page_size=13)
    assert [entry.name for entry in page.entries] == NAMES[:13]
    assert page.continuation_token == "d/o012"
    following = await bucket.list_objects(
        page_size=13, uuid=page.uuid, continuation_token=page.continuation_token
    )
    assert [entry.name for entry in following.entries] == NAMES[13:]
    for size in (0, 7, 13):
        async with bucket.list_objects_iter(page_size=size) as entries:
            assert [entry.name async for entry in entries] == NAMES
        bare = bucket.list_objects_iter(page_size=size)
        assert [entry.name async for entry in bare] == NAMES
        found = await bucket.list_all_objects(page_size=size)
        assert [entry.name for entry in found] == NAMES
    assert found[3].object.bucket is bucket
    assert await found[3].object.get().read_all() == b"xxx"
    async with bucket.list_objects_iter(page_size=2) as entries:
        async for entry in entries:
            assert entry.is_cached() and entry.is_ok()
            break
    assert [entry async for entry in entries] == []
    listed = await bucket.list_all_objects("d/o02", "name,size,checksum,version,atime")
    assert [entry.size for entry in listed] == [20, 21, 22, 23, 24]
    assert all(entry.checksum and entry.version and entry.atime for entry in listed)
    flat = await bucket.list_all_objects(flags=[ListObjectFlag.NO_RECURSION])
    assert [(entry.name, entry.is_dir()) for entry in flat] == [("d/", True), ("top", False)]
    async with bucket.list_urls("t") as urls:
        assert [url async for url in urls] == [bucket.object("top").get_url()]
    after = await bucket.list_objects(start_after="d/o023")
    assert [entry.name for entry in after.entries] == ["d/o024", "top"]
    assert await (await ais.bucket("empty").create()).list_all_objects() == []


async def check_a_stale_token_goes_on_behind_the_last_name(world: World) -> None:
    ais = world.ais
    bucket = await _filled(ais)
    asked: list[tuple[str, str]] = []

    async def page(*, uuid: str, token: str) -> BucketList:
        asked.append((uuid, token))
        if len(asked) == 3:
            raise ResourceNotFound("the listing is gone", status=404)
        return await bucket.list_objects(page_size=5, uuid=uuid, continuation_token=token)

    async def behind(last: str) -> BucketList:
        return await bucket.list_objects(page_size=5, start_after=last)

    async with ObjectIterator(page, behind) as entries:
        assert [entry.name async for entry in entries] == NAMES
    asked.clear()
    with pytest.raises(ResourceNotFound):
        await ObjectIterator(page).all()


async def test_a_remote_listing_starts_anew_and_skips_what_it_has() -> None:
    """aistore.md §10.5: start_after on a remote bucket is refused."""
    names = [f"o{number}" for number in range(6)]
    calls: list[dict[str, Any]] = []

    async def listing(_: Node, request: web.Request) -> web.StreamResponse:
        value = (await request.json())["value"]
        calls.append(value)
        token = value["continuation_token"]
        if token and value["uuid"] == "first":
            return web.json_response({"message": "stale", "status": 410}, status=410)
        start = names.index(token) + 1 if token else 0
        chosen = names[start : start + 2]
        return web.json_response(
            {
                "uuid": "first" if len(calls) == 1 else "second",
                "entries": [{"name": name} for name in chosen],
                "continuation_token": "" if chosen[-1] == names[-1] else chosen[-1],
            }
        )

    async with nodes("proxy") as (proxy,):
        proxy.plan(listing)
        async with AIStore.connect(proxy.url) as client:
            found = await client.bucket("b", "aws").list_all_objects()
        assert [entry.name for entry in found] == names
        assert all("start_after" not in value for value in calls)


async def test_a_truncated_listing_is_told() -> None:
    async with nodes("proxy") as (proxy,):
        proxy.plan(answer(body=b"\x84\xa4UUID", headers={"Content-Type": "application/msgpack"}))
        async with AIStore.connect(proxy.url) as client:
            with pytest.raises(ProtocolError, match="cut off"):
                await client.bucket("b").list_all_objects()
        [asked] = proxy.asked
        assert asked.headers["Accept"] == "application/msgpack"


async def check_summaries_and_the_wait_for_them(world: World) -> None:
    ais = world.ais
    bucket = await _filled(ais)
    summary = await bucket.summary()
    assert (summary.present_objects, summary.present_size) == (26, sum(range(26)))
    assert (summary.max_size, summary.bucket.name) == (25, "b1")
    part = await bucket.summary("d/o00")
    assert part.present_objects == 10
    info = await bucket.info()
    assert info.summary is not None and info.summary.present_objects == 26
    assert info.props["provider"] == "ais"
    assert (await bucket.info(summary=False)).summary is None
    async with nodes("proxy") as (proxy,):
        proxy.plan(answer(202, b'"job"'))
        async with AIStore.connect(proxy.url) as client:
            with pytest.raises(Timeout):
                await client.bucket("b").summary(timeout=0)


async def check_folders_of_files(world: World) -> None:
    ais, tmp_path = world.ais, world.folder
    bucket = await ais.bucket("b1").create(exist_ok=True)
    folder = tmp_path / "src"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.bin", "sub/c.txt"):
        (folder / name).write_bytes(name.encode())
    assert sorted(await bucket.put_files(folder)) == ["a.txt", "b.bin"]
    assert await bucket.put_files(folder, "a") == ["a.txt"]
    assert sorted(await bucket.put_files(folder, pattern="*.txt", recursive=True)) == [
        "a.txt", "sub/c.txt",
    ]  # fmt: skip
    dry = await bucket.put_files(
        folder, pattern="c*", recursive=True, basename=True, prepend="p-", dry_run=True
    )
    assert dry == ["p-c.txt"]
    names = [entry.name for entry in await bucket.list_all_objects()]
    assert names == ["a.txt", "b.bin", "sub/c.txt"]
    for wrong in (folder / "a.txt", folder / "absent"):
        with pytest.raises(ValueError):
            await bucket.put_files(wrong)
    with pytest.raises(ValueError):
        await bucket.put_files(folder, num_workers=0)
    with pytest.raises(TransferError) as info:
        await bucket.put_files(folder, prepend="../")
    assert len(info.value.failures) == 2
    assert isinstance(info.value.failures[0][1], ValueError)


async def test_the_cluster_tells_about_itself(ais: AIStore, cluster: Any) -> None:
    found = ais.cluster()
    smap = await found.get_info()
    assert len(smap.tmap) == 2 and smap.version > 0
    assert all(node.id_digest > 2**32 for node in smap.tmap.values())
    assert await found.get_primary_url() == ais.endpoint
    assert await found.is_aistore_running() and await found.is_ready()
    await found.wait_until_ready(5)
    assert await found.get_uptime() > 0
    assert await found.version() == "5.0"
    assert (await found.get_config())["checksum"]["type"] == "xxhash2"
    performance = await found.get_performance()
    assert set(performance) == set(smap.tmap)
    some = next(iter(smap.tmap))
    assert set(await found.get_performance(some)) == {some}
    assert await found.get_node_log(some)
    assert await found.get_target("ais/@#/b/o") in smap.tmap
    with pytest.raises(AISError):
        await found.ask_node("nobody", "node_status")
    assert await found.list_jobs_status() == []
    assert await found.list_jobs_status("nosuch", refresh=True) == []
    assert await found.list_running_jobs() == []
    assert await found.list_running_etls() == []
    cluster.started = False
    assert not await found.is_aistore_running()
    with pytest.raises(TimeoutError):
        await found.wait_until_ready(0.2)


def _plant_remote(folder: Path) -> None:
    (folder / "d").mkdir(parents=True)
    for name in ("a", "d/b"):
        (folder / name).write_bytes(name.encode())


async def check_a_remote_bucket_is_fetched_and_evicted(world: World) -> None:
    await asyncio.to_thread(_plant_remote, world.cluster.remote_root / "aws" / "cloud")
    bucket = world.ais.bucket("cloud", "s3")
    flags = [ListObjectFlag.CACHED]
    assert {entry.name for entry in await bucket.list_all_objects()} == {"a", "d/b"}
    assert await bucket.list_all_objects(flags=flags) == []
    assert await bucket.object("d/b").get().read_all() == b"d/b"
    assert [entry.name for entry in await bucket.list_all_objects(flags=flags)] == ["d/b"]
    await bucket.object("d/b").evict()
    assert await bucket.list_all_objects(flags=flags) == []
    assert await bucket.object("d/b").get(latest=True).read_all() == b"d/b"
    async with (await open_store(bucket)).list("", recursive=True) as found:
        described = {entry.key: entry async for entry in found}
    assert described["d"].is_dir and described["d/b"].size == 3
    assert all(entry.mtime for entry in described.values() if entry.is_file)
    assert (await bucket.download_dir("", world.folder / "back")).files == 2
    assert [found.provider for found in await world.ais.cluster().list_buckets("aws")] == ["aws"]
    await bucket.evict(keep_md=True)
    assert await bucket.list_all_objects(flags=flags) == []
    await bucket.evict()
    with pytest.raises(AISError) as info:
        await world.ais.bucket("absent", "aws").head()
    assert isinstance(info.value, ErrRemoteBckNotFound)
    with pytest.raises(AISError):
        await world.ais.cluster().list_buckets("gcp")


PROGRAM = """
import asyncio, pickle, sys
client = pickle.loads(bytes.fromhex(sys.argv[1]))
async def main():
    async with client:
        print((await client.bucket("b1").object("top").get().read_all()).decode())
asyncio.run(main())
"""


async def check_a_client_works_in_another_process(world: World) -> None:
    ais = world.ais
    bucket = await ais.bucket("b1").create(exist_ok=True)
    await bucket.object("top").put_content(b"from elsewhere")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, pickle.dumps(ais).hex(), stdout=asyncio.subprocess.PIPE
    )
    shown, _ = await process.communicate()
    assert shown.decode().strip() == "from elsewhere"


def test_a_client_works_in_one_loop_after_another(tmp_path: Path) -> None:
    client = AIStore("http://127.0.0.1:9")

    async def ask() -> bool:
        return await client.cluster().is_aistore_running()

    async def last() -> bool:
        try:
            return await ask()
        finally:
            await client.close()

    assert not asyncio.run(last())


async def test_buckets(tmp_path: Path) -> None:
    await run(
        [
            check_the_life_of_a_bucket,
            check_calls_are_refused_before_they_are_sent,
            check_copies_and_new_names,
            check_listings_in_pages,
            check_a_stale_token_goes_on_behind_the_last_name,
            check_summaries_and_the_wait_for_them,
            check_folders_of_files,
            check_a_client_works_in_another_process,
            check_a_remote_bucket_is_fetched_and_evicted,
        ],
        tmp_path,
    )
