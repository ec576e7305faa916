"""Single blobs, listings and patterns through ``client.buckets`` (buckets.md §5 to §8)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from neuro_client import (
    AuthorizationError,
    BlobCommonPrefix,
    BlobObject,
    BucketUsage,
    Client,
    IllegalArgumentError,
    PreconditionFailedError,
    ResourceNotFound,
)
from neuro_client.local import LocalPlatform

from .conftest import Data

MiB = 2**20


async def test_bytes_and_ranges(data: Data) -> None:
    buckets = data.client.buckets
    await buckets.put_blob("data", "key", b"0123456789")
    assert await data.read("key") == b"0123456789"
    async with buckets.fetch_blob("data", "key", 4, size=3) as chunks:
        assert b"".join([bytes(chunk) async for chunk in chunks]) == b"456"
    entry = await buckets.head_blob("data", "key")
    assert isinstance(entry, BlobObject)
    assert (entry.key, entry.size, entry.name, entry.is_file()) == ("key", 10, "key", True)
    assert entry.bucket == data.bucket
    await buckets.delete_blob("data", "key")
    await buckets.delete_blob("data", "key")
    with pytest.raises(ResourceNotFound):
        await buckets.head_blob("data", "key")
    with pytest.raises(ResourceNotFound):
        await data.read("key")


@pytest.mark.parametrize("sizes", [[], [0], [5, 7], [3 * MiB] * 6, [20 * MiB + 1]])
async def test_an_iterator_of_any_length(data: Data, sizes: list[int]) -> None:
    content = b"".join(bytes([number % 251]) * size for number, size in enumerate(sizes))

    async def chunks() -> AsyncIterator[bytes]:
        position = 0
        for size in sizes:
            yield content[position : position + size]
            position += size

    await data.client.buckets.put_blob("data", "key", chunks())
    assert await data.read("key") == content


async def test_an_iterator_that_fails_leaves_the_old_blob(
    data: Data, local_platform: LocalPlatform
) -> None:
    await data.put("key")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(8 * MiB)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        await data.client.buckets.put_blob("data", "key", chunks())
    assert await data.read("key") == b"key"
    name = (await data.client.buckets.request_tmp_credentials("data")).credentials["bucket_name"]
    assert (await local_platform.s3.usage(name)).unfinished_uploads == 0


async def test_conditions(data: Data) -> None:
    buckets = data.client.buckets
    await buckets.put_blob("data", "key", b"first", if_none_match="*")
    with pytest.raises(PreconditionFailedError):
        await buckets.put_blob("data", "key", b"second", if_none_match="*")
    with pytest.raises(PreconditionFailedError):
        await buckets.put_blob("data", "key", bytes(9 * MiB), if_match='"other"')
    assert await data.read("key") == b"first"
    with pytest.raises(PreconditionFailedError):
        async with buckets.fetch_blob("data", "key", if_match='"other"') as chunks:
            async for _ in chunks:
                pass


@pytest.mark.parametrize("key", ["", "k" * 1025, "ü" * 513, "\ud800"])
async def test_impossible_keys_are_refused_before_anything_is_sent(data: Data, key: str) -> None:
    for call in (
        data.client.buckets.put_blob("data", key, b""),
        data.client.buckets.head_blob("data", key),
        data.client.buckets.delete_blob("data", key),
    ):
        with pytest.raises(ValueError, match="key of a blob"):
            await call


@pytest.mark.parametrize("name", ["ab", "a" * 41, "1abc", "Data", "da.ta", "da ta", ""])
async def test_impossible_names_are_refused(client: Client, name: str) -> None:
    with pytest.raises(IllegalArgumentError, match="3 to 40") as caught:
        await client.buckets.create(name)
    assert caught.value.status is None


async def test_listings(data: Data) -> None:
    await data.put("a.txt", "dir/", "dir/b.txt", "dir/sub/c.txt", "dir2/d.txt")
    assert [entry.key for entry in await data.listing("")] == ["dir/", "dir2/", "a.txt"]
    assert [entry.key for entry in await data.listing("dir")] == ["dir/", "dir2/"]
    inside = await data.listing("dir/")
    assert [entry.key for entry in inside] == ["dir/sub/", "dir/", "dir/b.txt"]
    assert [type(entry) for entry in inside] == [BlobCommonPrefix, BlobObject, BlobObject]
    assert [entry.is_dir() for entry in inside] == [True, True, False]
    assert [entry.key for entry in await data.listing("dir/", recursive=True)] == [
        "dir/",
        "dir/b.txt",
        "dir/sub/c.txt",
    ]
    assert await data.listing("absent") == []
    async with data.client.buckets.list_blobs(data.uri(), limit=2) as found:
        assert [entry.key async for entry in found] == ["dir/", "a.txt"]


@pytest.mark.thorough
async def test_pages_of_listings(data: Data) -> None:
    async with data.client.buckets.get_disk_usage("data") as totals:
        assert [total async for total in totals] == []
    keys = [f"k{number:04}" for number in range(1203)]
    await data.put(*keys)
    assert await data.keys() == keys
    async with data.client.buckets.get_disk_usage("data") as totals:
        found = [total async for total in totals]
    assert found[0] == BucketUsage(5, 1)
    assert found[-1] == BucketUsage(5 * 1203, 1203)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*", ["a.txt", "dir/"]),
        ("**/*.txt", ["a.txt", "dir/b.txt", "dir/sub/c.txt"]),
        ("d*/*", ["dir/b.txt", "dir/sub/"]),
        ("d*/", ["dir/"]),
        ("*/b.txt", ["dir/b.txt"]),
        ("**/sub/*", ["dir/sub/c.txt"]),
        ("**", ["a.txt", "dir/b.txt", "dir/sub/c.txt"]),
        ("dir/**", ["dir/b.txt", "dir/sub/c.txt"]),
        ("dir/b.txt", ["dir/b.txt"]),
        ("none*", []),
    ],
)
async def test_patterns(data: Data, pattern: str, fits: list[str]) -> None:
    """The examples of buckets.md §8."""
    await data.put("a.txt", "dir/b.txt", "dir/sub/c.txt")
    assert await data.glob(pattern) == fits


async def test_what_is_a_folder(data: Data) -> None:
    await data.put("dir/file", "file")
    buckets = data.client.buckets
    assert await buckets.blob_is_dir(data.uri())
    assert await buckets.blob_is_dir(data.uri("dir"))
    assert await buckets.blob_is_dir(data.uri("missing/"))  # not looked at (buckets.md §7)
    assert not await buckets.blob_is_dir(data.uri("file"))
    assert not await buckets.blob_is_dir(data.uri("missing"))


async def test_the_key_of_a_uri_is_what_stands_in_it(data: Data) -> None:
    """A wart that is kept (buckets.md §1): the key is percent-encoded."""
    await data.put("sp%20ace", "sp ace")
    assert [entry.key for entry in await data.listing("sp ace")] == ["sp%20ace"]
    entry = await data.client.buckets.head_blob("data", "sp ace")
    assert entry.size == len("sp ace")


async def test_a_signed_url_needs_no_login(data: Data) -> None:
    await data.put("dir/key")
    url = await data.client.buckets.make_signed_url(data.uri("dir/key"), 60)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"dir/key")
    with pytest.raises(ValueError, match="at least a second"):
        await data.client.buckets.make_signed_url(data.uri("dir/key"), 0)


async def test_public_access(data: Data) -> None:
    await data.put("key")
    credentials = (await data.client.buckets.request_tmp_credentials("data")).credentials
    url = f"{credentials['endpoint_url']}/{credentials['bucket_name']}/key"
    async with aiohttp.ClientSession() as session:
        for public, status in ((False, 403), (True, 200), (False, 403)):
            found = await data.client.buckets.set_public_access("data", public)
            assert found.public is public
            async with session.get(url) as answer:
                assert answer.status == status


async def test_an_unknown_bucket(client: Client) -> None:
    with pytest.raises(ResourceNotFound):
        await client.buckets.head_blob("unknown", "key")
    with pytest.raises(IllegalArgumentError, match="unknown"):
        await client.buckets.blob_is_dir(URL("blob:unknown/key"))


async def test_a_bucket_that_is_made_again_is_another_one(data: Data) -> None:
    buckets = data.client.buckets
    await data.put("key")
    await buckets.blob_rm(data.uri(), recursive=True)
    await buckets.rm("data")
    again = await buckets.create("data")
    assert again.id != data.bucket.id
    assert await data.keys() == []


async def test_a_full_bucket_is_not_removed(data: Data) -> None:
    await data.put("key")
    with pytest.raises(IllegalArgumentError, match="BucketNotEmpty"):
        await data.client.buckets.rm("data")
    assert await data.keys() == ["key"]


async def test_persistent_credentials_open_the_bucket(data: Data) -> None:
    buckets = data.client.buckets
    made = await buckets.persistent_credentials_create([data.bucket.id], "keys", read_only=True)
    assert await buckets.persistent_credentials_get("keys") == made
    async with buckets.persistent_credentials_list() as found:
        assert [item async for item in found] == [made]
    [opening] = made.credentials
    imported = await buckets.import_external(
        data.bucket.provider, opening.credentials["bucket_name"], opening.credentials, "mirror"
    )
    await data.put("key")
    assert imported.imported
    async with buckets.fetch_blob("mirror", "key") as chunks:
        assert b"".join([bytes(chunk) async for chunk in chunks]) == b"key"
    with pytest.raises(AuthorizationError):
        await buckets.put_blob("mirror", "key", b"")
    await buckets.persistent_credentials_rm("keys")
    with pytest.raises(ResourceNotFound):
        await buckets.persistent_credentials_get("keys")
