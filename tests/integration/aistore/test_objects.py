"""Objects on the local cluster (aistore.md §8, §16)."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from neuro_client.aistore import (
    AISError,
    AIStore,
    ErrBadCksum,
    ErrBckNotFound,
    ErrObjNotFound,
    InvalidBckProvider,
)
from neuro_client.aistore.objects import checksums
from neuro_client.errors import (
    ChecksumMismatchError,
    IllegalArgumentError,
    NotSupportedError,
    ResourceNotFound,
    SourceChangedError,
)

from ...unit.transfer.kit import content
from .world import World, run

NAMES = (
    "plain",
    "dir/sub/name",
    "two words",
    "per%cent %41",
    "hash#mark?and+plus&equals=",
    "ünïcödé-文件-🙂",
    "back\\slash",
    "two\nlines\r",
    "n" * 200,
)


async def check_what_is_written_is_read(world: World) -> None:
    ais, bucket, tmp_path = world.ais, world.bucket, world.folder
    async with AIStore.connect(ais.endpoint, direct_reads=False) as other:
        for name in NAMES:
            thing = bucket.object(name)
            headers = await thing.put_content(name.encode())
            assert headers["Ais-Version"] == "1"
            assert await thing.get().read_all() == name.encode()
            by_proxy = other.bucket("b1").object(name)
            assert await by_proxy.get().read_all() == name.encode()
            assert (await by_proxy.props()).size == len(name.encode())
        assert {entry.name for entry in await bucket.list_all_objects()} == set(NAMES)
    for size in (0, 1, 32768, 32769, 3 * 2**20 + 7):
        data, thing = content(size), bucket.object("sized")
        await thing.put_content(data)
        reader = await thing.get(chunk_size=32768)
        assert reader.attributes.size == size
        assert reader.attributes.checksum_value == checksums.of("xxhash2", data)
        chunks = [chunk async for chunk in reader]
        assert b"".join(chunks) == data
        assert {len(chunk) for chunk in chunks[:-1]} <= {32768}
        with pytest.raises(RuntimeError, match="already"):
            await reader.read_all()
        path = tmp_path / "out"
        with path.open("wb") as file:
            async with thing.get(writer=file) as reader:
                assert reader.attributes.size == size
        assert path.read_bytes() == data
        parallel = thing.get(num_workers=4, part_size=2**20)
        assert await parallel.read_all() == data
        assert parallel.attributes.size == size
        async with thing.get() as reader:
            assert b"".join([chunk async for chunk in reader.raw()]) == data


async def check_contents_come_from_anywhere(world: World) -> None:
    bucket, tmp_path = world.bucket, world.folder

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield content(1000)

    sources: list[tuple[Any, int | None]] = [
        (stream, 3000),
        (stream, None),
        (stream(), 3000),
        (stream(), None),
    ]
    for number, (source, size) in enumerate(sources):
        await bucket.object(f"s{number}").put(source, size)
        assert await bucket.object(f"s{number}").get().read_all() == content(1000) * 3
    for size in (0, 1000, 2**19):
        path = tmp_path / f"{size}.bin"
        path.write_bytes(content(size))
        headers = await bucket.object("file").put_file(path)
        assert headers["Ais-Checksum-Value"] == checksums.of("xxhash2", content(size))
        assert await bucket.object("file").get().read_all() == content(size)
    for wrong in (None, tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError):
            await bucket.object("file").put_file(wrong)


async def check_ranges_are_those_of_the_servers(world: World) -> None:
    bucket = world.bucket
    thing = bucket.object("o")
    await thing.put_content(b"hello world")
    for text, start, part in (
        ("bytes=2-5", 2, b"llo "),
        ("6-", 6, b"world"),
        ("-3", 8, b"rld"),
        ("4-99", 4, b"o world"),
    ):
        reader = await thing.get(byte_range=text)
        assert await reader.read_all() == part
        assert reader.attributes.range() == (start, 11)
    with pytest.raises(IllegalArgumentError) as info:
        await thing.get(byte_range="11-")
    assert info.value.status == 416
    for options in ({"byte_range": "1-2", "archpath": "x"}, {"chunk_size": 0}, {"num_workers": 0}):
        with pytest.raises(ValueError):
            thing.get(**options)
    with pytest.raises(ValueError):
        thing.get(num_workers=2, etl_name="e")


async def check_other_checksums_are_compared_too(world: World) -> None:
    ais = world.ais
    for kind in ("md5", "crc32c", "sha256", "sha512", "none"):
        bucket = await ais.bucket(f"b-{kind}").create(props={"checksum": {"type": kind}})

        async def stream() -> AsyncIterator[bytes]:
            yield b"hello "
            yield b"world"

        first = await bucket.object("a").put(stream)  # the kind is not known yet
        assert first.get("Ais-Checksum-Type", "none") == kind
        await bucket.object("b").put(stream)
        await bucket.object("c").put_content(b"hello world")
        for name in "abc":
            assert await bucket.object(name).get().read_all() == b"hello world"
        assert ais.requests.checksum_types.get(bucket.get_path(), "none") == kind


async def check_a_wrong_checksum_stores_nothing(world: World) -> None:
    """aistore.md §8.4."""
    bucket = world.bucket
    thing = bucket.object("o")
    with pytest.raises(ErrBadCksum) as info:
        await thing.put(b"hello world", checksum=("xxhash2", "0" * 16))
    assert info.value.status == 500
    with pytest.raises(ErrObjNotFound):
        await thing.head()
    right = ("xxhash2", "45ab6734b21e6968")
    assert (await thing.put(b"hello world", checksum=right))["Ais-Version"] == "1"
    assert "Ais-Version" not in await thing.put(b"hello world", checksum=right)
    assert (await thing.put(b"hello world"))["Ais-Version"] == "2"


async def check_missing_things_are_of_a_kind(world: World) -> None:
    ais, bucket = world.ais, world.bucket
    for work in (
        bucket.object("bucket").head(),
        bucket.object("none").get().read_all(),
        bucket.object("none").delete(),
    ):
        with pytest.raises(ErrObjNotFound) as info:
            await work
        assert isinstance(info.value, ResourceNotFound)
        assert "ais://b1/" in info.value.message
    absent = ais.bucket("absent")
    for call in (absent.object("o").head(), absent.object("o").put_content(b"x"), absent.head()):
        with pytest.raises(ErrBckNotFound):
            await call


async def check_parts_become_an_object_when_all_are_there(world: World) -> None:
    bucket = world.bucket
    thing = bucket.object("parts")
    async with thing.multipart_upload() as upload:
        await upload.put_part(2, b"two")
        await upload.put_part(1, b"wrong")
        with pytest.raises(ErrObjNotFound):
            await thing.head()
        await upload.put_part(1, b"one")
    assert await thing.get().read_all() == b"onetwo"
    with pytest.raises(LookupError):
        async with thing.multipart_upload() as upload:
            await upload.put_part(1, b"new")
            raise LookupError
    assert await thing.get().read_all() == b"onetwo"
    await upload.abort()
    with pytest.raises(ResourceNotFound):
        await upload.put_part(1, b"x")
    with pytest.raises(ValueError, match="from 1"):
        await upload.put_part(0, b"x")
    with pytest.raises(RuntimeError, match="create"):
        await thing.multipart_upload().put_part(1, b"x")


async def check_an_old_server_is_named_instead_of_misled(world: World) -> None:
    """aistore.md §15."""
    ais, cluster = world.ais, world.cluster
    cluster.version = (3, 18)
    bucket = await ais.bucket("old").create()
    await bucket.object("o").put_content(b"hello world")
    assert await bucket.object("o").get().read_all() == b"hello world"
    with pytest.raises(NotSupportedError, match=r"4\.0 or newer; this one is 3\.18"):
        await bucket.object("o").multipart_upload().create()
    with pytest.raises(NotSupportedError, match=r"one object.*3\.18"):
        await bucket.object("o").copy(bucket.object("p"))
    assert await bucket.object("o").get().read_all() == b"hello world"
    assert "Ais-Version" in await bucket.object("o").head("size,version")
    async with bucket.object("w").open_writer(buffer_size=10) as file:
        for piece in (b"hello", b" ", b"world, once more"):
            await file.write(piece)
    assert await bucket.object("w").get().read_all() == b"hello world, once more"


async def check_objects_like_files(world: World) -> None:
    bucket = world.bucket
    thing, data = bucket.object("file"), content(10_000)
    async with thing.open_writer(buffer_size=3000) as file:
        for offset in range(0, len(data), 700):
            assert await file.write(data[offset : offset + 700]) == len(data[offset : offset + 700])
            with pytest.raises(ErrObjNotFound):
                await thing.head()
        assert file.tell() == len(data)
    assert file.closed and await thing.get().read_all() == data
    with pytest.raises(ValueError, match="closed"):
        await file.write(b"x")
    async with bucket.object("small").open_writer() as file:
        await file.write(b"small")
    assert await bucket.object("small").get().read_all() == b"small"
    async with bucket.object("small").open_writer(buffer_size=3) as file:
        await asyncio.gather(*(file.write(b"five!") for _ in range(9)))
    assert await bucket.object("small").get().read_all() == 9 * b"five!"
    with pytest.raises(LookupError):
        async with bucket.object("dropped").open_writer(buffer_size=2) as file:
            await file.write(b"abc")
            raise LookupError
    with pytest.raises(ErrObjNotFound):
        await bucket.object("dropped").head()
    async with thing.open_reader(buffer_size=1000) as source:
        assert await source.read(5) == data[:5]
        assert await source.read(3000) == data[5:3005]
        assert await source.seek(-10, io.SEEK_END) == 9990
        assert await source.read() == data[-10:] and await source.read(5) == b""
        assert await source.seek(100) == 100 and await source.seek(1, io.SEEK_CUR) == 101
        assert await source.read(2) == data[101:103] and source.tell() == 103
        await source.seek(20_000)
        assert await source.read() == b""
        for wrong in ((-1, io.SEEK_SET), (0, 3)):
            with pytest.raises(ValueError):
                await source.seek(*wrong)
        await source.seek(0)
        await thing.put_content(b"x" * 10_000)
        with pytest.raises(SourceChangedError):
            await source.read()
    with pytest.raises(ValueError, match="closed"):
        await source.read()


async def check_append_archives_and_the_rest(world: World) -> None:
    bucket = world.bucket
    log = bucket.object("log")
    handle = await log.append_content(b"one,")
    handle = await log.append_content(b"two,", handle)
    with pytest.raises(ErrObjNotFound):
        await log.head()
    assert await log.append_content(b"three", handle, flush=True) == ""
    assert await log.get().read_all() == b"one,two,three"

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("dir/a.txt")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    shard = bucket.object("shard.tar")
    await shard.put_content(packed.getvalue())
    assert await shard.get(archpath="dir/a.txt").read_all() == b"hello"
    with pytest.raises(ResourceNotFound):
        await shard.get(archpath="absent").read_all()
    chosen = await shard.get(archregx="a.txt", archmode="suffix").read_all()
    with tarfile.open(fileobj=io.BytesIO(chosen)) as tar:
        assert [member.name.rpartition("/")[2] for member in tar] == ["a.txt"]
    await shard.append_to_archive("b.txt", b"more")
    assert await shard.get("b.txt").read_all() == b"more"
    with pytest.raises(ResourceNotFound):
        await bucket.object("new.tar").append_to_archive("x", b"x")
    await bucket.object("new.tar").append_to_archive("x", b"x", mode="append_or_create")
    for path, mode in (("x", "rewrite"), ("/", "append")):
        with pytest.raises(ValueError):
            await shard.append_to_archive(path, b"", mode=mode)

    source = bucket.object("o")
    await source.put_content(b"hello world")
    await source.copy(bucket.object("copy"))
    assert (await bucket.object("copy").rename("moved")).name == "moved"
    assert await bucket.object("moved").get().read_all() == b"hello world"
    with pytest.raises(ErrObjNotFound):
        await bucket.object("copy").head()
    await source.set_custom_props({"k": "v=1", "other": "x"})
    await source.set_custom_props({"k": "v=2"})
    assert (await source.props()).custom_metadata == {"k": "v=2", "other": "x"}
    await source.set_custom_props({"only": "me"}, replace_existing=True)
    assert (await source.props()).custom_metadata == {"only": "me"}
    headers = await source.head("size,last-modified")
    assert "Ais-Checksum-Value" not in headers and headers["Content-Length"] == "11"
    with pytest.raises(AISError):
        await source.promote("/etc/passwd")
    with pytest.raises(InvalidBckProvider):
        await source.evict()
    await source.delete()
    with pytest.raises(ErrObjNotFound):
        await source.delete()


async def check_a_target_that_dies_while_it_is_read(world: World) -> None:
    bucket, cluster = world.bucket, world.cluster
    data, thing = content(600_000), bucket.object("o")
    await thing.put_content(data)
    reader = await thing.get()
    received = b""
    async for chunk in reader:
        received += chunk
    assert received == data
    # Its objects are out of reach while it is dead, and are there when it is back.
    for number in range(2):
        await cluster.kill(number)
    with pytest.raises(OSError, match=r"advertise|connect|broke"):
        await thing.get().read_all()
    for number in range(2):
        await cluster.restore(number)
    assert await thing.get().read_all() == data


async def check_signed_and_guarded_clusters(world: World) -> None:
    platform, ais, cluster = world.platform, world.ais, world.cluster
    bucket = await ais.bucket("b").create()
    cluster.signing = True
    for size in (0, 11, 600_000):
        await bucket.object("o").put_content(content(size))
        assert await bucket.object("o").get().read_all() == content(size)
    async with bucket.object("parts").multipart_upload() as upload:
        await upload.put_part(1, content(300_000))
    assert await bucket.object("parts").get().read_all() == content(300_000)
    cluster.signing = False
    cluster.require_tokens = True
    with pytest.raises(AISError) as info:
        await bucket.object("o").put_content(b"x")
    assert info.value.status in (401, 403)
    async with AIStore.connect(ais.endpoint, token=platform.token) as known:
        await known.bucket("b").object("o").put_content(b"known")
        assert await known.bucket("b").object("o").get().read_all() == b"known"


async def check_damage_on_disk_is_found(world: World) -> None:
    bucket, cluster = world.bucket, world.cluster
    await bucket.object("o").put_content(b"hello world" * 1000)
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    damaged = [path for path in files if path.read_bytes() == b"hello world" * 1000]
    assert damaged
    for path in damaged:
        path.write_bytes(b"HELLO WORLD" * 1000)
    with pytest.raises(ChecksumMismatchError, match="ais://b1/o"):
        await bucket.object("o").get().read_all()


async def test_objects(tmp_path: Path) -> None:
    await run(
        [
            check_what_is_written_is_read,
            check_contents_come_from_anywhere,
            check_ranges_are_those_of_the_servers,
            check_other_checksums_are_compared_too,
            check_a_wrong_checksum_stores_nothing,
            check_missing_things_are_of_a_kind,
            check_parts_become_an_object_when_all_are_there,
            check_an_old_server_is_named_instead_of_misled,
            check_objects_like_files,
            check_append_archives_and_the_rest,
            check_a_target_that_dies_while_it_is_read,
            check_signed_and_guarded_clusters,
            check_damage_on_disk_is_found,
        ],
        tmp_path,
    )
