"""How the platform itself reaches a bucket: parts, pages, odd names, trouble that passes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import pytest

from neuro_client.local.services.workspaces.objects import Objects, ObjectsError

from .conftest import Api

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

NAMES = ("plain", "with blank", "a+b", "50%", "é日", "a&b=c?d#e", "tail/", "<x>")


async def put(objects: Objects, key: str, path: Path, data: bytes) -> None:
    """Put bytes into the bucket, by way of a file."""
    await asyncio.to_thread(path.write_bytes, data)
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await objects.put(key, file, len(data), "text/plain")
    finally:
        await asyncio.to_thread(file.close)


async def fetched(objects: Objects, key: str, path: Path) -> bytes:
    """Get an object, by way of a file."""
    await objects.fetch(key, path)
    return await asyncio.to_thread(path.read_bytes)


async def test_parts_and_odd_names(api: Api, tmp_path: Path) -> None:
    objects = attrs.evolve(await api.objects(), part=2**18)
    for size in (0, 1, 2**18, 2**18 + 1, 10**6):
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        await put(objects, f"sizes/{size}", tmp_path / "in", data)
        assert await fetched(objects, f"sizes/{size}", tmp_path / "out") == data
    for name in NAMES:
        await put(objects, f"names/{name}", tmp_path / "in", name.encode())
        assert await fetched(objects, f"names/{name}", tmp_path / "out") == name.encode()
    assert {one.key for one in await objects.list("names/")} == {f"names/{n}" for n in NAMES}
    with pytest.raises(ObjectsError) as caught:
        await objects.fetch("never", tmp_path / "out")
    assert (caught.value.status, caught.value.code) == (404, "NoSuchKey")
    upload = await objects.create_upload("left", "text/plain")
    await objects.abort("left", upload)


async def test_more_than_a_page(api: Api, tmp_path: Path) -> None:
    objects = await api.objects()
    empty = tmp_path / "empty"
    await asyncio.to_thread(empty.touch)
    limit = asyncio.Semaphore(8)

    async def make(number: int) -> None:
        async with limit, api.session.put(objects.link("PUT", f"many/{number:04}")) as answer:
            assert answer.ok

    async with asyncio.TaskGroup() as group:
        for number in range(1003):
            group.create_task(make(number))
    assert [one.key for one in await objects.list("many/")] == [f"many/{n:04}" for n in range(1003)]


async def test_trouble_that_passes(local_api: Api, tmp_path: Path) -> None:
    api = local_api
    objects = attrs.evolve(await api.objects(), part=2**18)
    api.platform.workspaces.refuse_part(2)
    fault = api.platform.fault("PUT /few", refuse=True)
    await put(objects, "few", tmp_path / "in", bytes(10))
    await put(objects, "parts", tmp_path / "in", bytes(2**19))
    assert (await fetched(objects, "parts", tmp_path / "out"), fault.hits) == (bytes(2**19), 1)
    api.platform.fault("GET /", status=503, times=2)
    assert [one.key for one in await objects.list("")] == ["few", "parts"]
    api.platform.workspaces.falsify_tag(1)
    with pytest.raises(ObjectsError) as caught:
        await put(objects, "wrong", tmp_path / "in", bytes(2**19))
    assert caught.value.code == "InvalidPart"
    assert (await api.platform.workspaces.usage("user")).unfinished_bytes == 0
