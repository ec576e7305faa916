"""What holds for whole objects and listings of any bucket provider."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from neuro_client.buckets.provider import Blob, Prefix
from neuro_client.errors import PreconditionFailedError, ResourceNotFound

from .bench import Bench, Check, conditional, content, listing, read

KEYS = (
    "plain.txt",
    "two words",
    " blank ends ",
    "per%cent %41%2F",
    "hash#mark",
    "question?mark=1&more",
    "plus+and&equals=;",
    "ünïcödé-文件-🙂",
    "line\nbreak",
    "tab\tstop",
    "<&\"'>",
    "back\\slash",
    ".hidden",
    "~tilde",
    "colon:and@at",
    "star*[a-c]{x}",
    "folder/name",
    "folder/",
    "double//slash",
    "/leading",
    "//leading twice",
)
"""Keys that must come back as they were given."""


async def check_put_and_get(bench: Bench) -> None:
    """What is put is read back, whole and in ranges."""
    provider, data = bench.provider, content(300_000)
    await provider.put("file", data)
    assert await read(provider, "file") == data
    for start, end in ((0, 1), (5, 70_000), (299_999, 300_000), (7, 7), (9, 2), (100_000, None)):
        assert await read(provider, "file", start, end) == data[start:end]
    assert await read(provider, "file", 299_990, 400_000) == data[299_990:]
    for start in (300_000, 300_001, 10**12):
        assert await read(provider, "file", start) == b""
        assert await read(provider, "file", start, start + 1) == b""


async def check_head(bench: Bench) -> None:
    """An object is described the same by its head and by a listing."""
    provider = bench.provider
    await provider.put("file", b"twelve bytes")
    found = await provider.head("file")
    assert (found.key, found.size) == ("file", 12)
    assert found.etag is not None and found.etag.startswith('"') and found.etag.endswith('"')
    assert found.modified_at is not None and found.modified_at.utcoffset() is not None
    (listed,) = await listing(provider)
    assert isinstance(listed, Blob)
    assert (listed.key, listed.size, listed.etag) == ("file", 12, found.etag)
    assert listed.modified_at is not None and listed.modified_at.utcoffset() is not None
    assert abs((listed.modified_at - found.modified_at).total_seconds()) < 1


async def check_replace(bench: Bench) -> None:
    """A second put replaces the first; an empty object is one."""
    provider = bench.provider
    await provider.put("file", b"long content")
    first = await provider.head("file")
    await provider.put("file", b"short")
    assert await read(provider, "file") == b"short"
    assert (await provider.head("file")).etag != first.etag
    await provider.put("file", b"")
    assert (await provider.head("file")).size == 0
    assert await read(provider, "file") == b""
    assert await read(provider, "file", 0, 10) == b""
    assert await read(provider, "file", 3) == b""


async def check_missing(bench: Bench) -> None:
    """A key or a bucket that is not there is told by one kind of error."""
    provider = bench.provider
    for one in (provider, bench.absent):
        with pytest.raises(ResourceNotFound) as caught:
            await one.head("absent key")
        assert caught.value.status == 404
        assert "absent key" in str(caught.value)
        for start, end in ((0, None), (3, None), (0, 5)):
            with pytest.raises(ResourceNotFound):
                await read(one, "absent key", start, end)
    with pytest.raises(ResourceNotFound):
        await bench.absent.put("key", b"data")
    with pytest.raises(ResourceNotFound):
        await listing(bench.absent)
    assert await listing(provider, "absent") == []


async def check_delete(bench: Bench) -> None:
    """What is removed is gone, and nothing else."""
    provider = bench.provider
    await provider.put("one", b"1")
    await provider.put("one/two", b"2")
    await provider.delete("one")
    with pytest.raises(ResourceNotFound):
        await provider.head("one")
    assert await read(provider, "one/two") == b"2"


async def check_keys(bench: Bench) -> None:
    """Any text is a key, and stays as it is."""
    provider = bench.provider
    keys = [key for key in KEYS if not bench.unkept & set(key)]
    if not bench.leading_slashes:
        keys = [key for key in keys if not key.startswith("/")]
    for key in keys:
        await provider.put(key, key.encode())
    assert {item.key for item in await listing(provider)} == set(keys)
    for key in keys:
        assert (await provider.head(key)).key == key
        assert await read(provider, key) == key.encode(), key
        assert key in {item.key for item in await listing(provider, key)}
    for key in keys:
        await provider.delete(key)
    assert await listing(provider) == []


async def check_folders(bench: Bench) -> None:
    """A listing with folders ends at the next slash behind the prefix."""
    provider = bench.provider
    for key in ("a", "d/", "d/1", "d/2", "d/e/3", "d2/4", "f & g/5"):
        await provider.put(key, b"x")
    flat = await listing(provider, "d")
    assert [item.key for item in flat] == ["d/", "d/1", "d/2", "d/e/3", "d2/4"]
    assert all(isinstance(item, Blob) for item in flat)

    async def folded(prefix: str) -> tuple[set[str], set[str]]:
        found = await listing(provider, prefix, folders=True)
        blobs = {item.key for item in found if isinstance(item, Blob)}
        prefixes = {item.key for item in found if isinstance(item, Prefix)}
        assert len(blobs) + len(prefixes) == len(found)
        return blobs, prefixes

    assert await folded("") == ({"a"}, {"d/", "d2/", "f & g/"})
    assert await folded("d") == (set(), {"d/", "d2/"})
    assert await folded("d/") == ({"d/", "d/1", "d/2"}, {"d/e/"})
    assert await folded("d/e") == (set(), {"d/e/"})
    assert await folded("x") == (set(), set())


async def check_limit(bench: Bench) -> None:
    """A limit counts objects and prefixes; a listing can be left early."""
    provider = bench.provider
    for number in range(5):
        await provider.put(f"k{number}", b"")
        await provider.put(f"p{number}/x", b"")
    assert [item.key for item in await listing(provider, "k", limit=3)] == ["k0", "k1", "k2"]
    assert len(await listing(provider, "", folders=True, limit=7)) == 7
    assert len(await listing(provider, "", limit=100)) == 10
    async with provider.list("") as found:
        async for item in found:
            assert item.key == "k0"
            break
    assert await read(provider, "k4") == b""


async def check_pinned_read(bench: Bench) -> None:
    """A read under a condition that does not hold is refused."""
    provider = bench.provider
    await provider.put("file", b"first content")
    etag = (await provider.head("file")).etag
    assert await read(provider, "file", 2, if_match=etag) == b"rst content"
    assert await read(provider, "file", if_match=etag) == b"first content"
    with pytest.raises(PreconditionFailedError):
        await read(provider, "file", if_none_match=etag)
    await provider.put("file", b"another, longer content")
    for start in (0, 2):
        with pytest.raises(PreconditionFailedError):
            await read(provider, "file", start, if_match=etag)
    assert await read(provider, "file", if_none_match=etag) == b"another, longer content"


async def check_conditional_put(bench: Bench) -> None:
    """A write under a condition that does not hold changes nothing."""
    provider = bench.provider
    await conditional(provider.put("file", b"one", if_none_match="*"))
    with pytest.raises(PreconditionFailedError):
        await provider.put("file", b"two", if_none_match="*")
    etag = (await provider.head("file")).etag
    await provider.put("file", b"three", if_match=etag)
    with pytest.raises(PreconditionFailedError):
        await provider.put("file", b"four", if_match=etag)
    with pytest.raises((PreconditionFailedError, ResourceNotFound)):
        await provider.put("other", b"five", if_match=etag)
    assert await read(provider, "file") == b"three"
    assert [item.key for item in await listing(provider)] == ["file"]


OBJECTS: Sequence[Check] = (
    check_put_and_get,
    check_head,
    check_replace,
    check_missing,
    check_delete,
    check_keys,
    check_folders,
    check_limit,
    check_pinned_read,
    check_conditional_put,
)
