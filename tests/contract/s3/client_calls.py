"""The calls behind the samples of S3, and what their answers must become."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest

from neuro_client.buckets.provider import Blob, Prefix, Provider
from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    IllegalArgumentError,
    NeuroError,
    PreconditionFailedError,
    ResourceNotFound,
    ServerNotAvailable,
)
from neuro_client.transfer import Body, Part, Upload

UPLOAD = "golden-upload"
HELLO = b"hello world"
ETAG = f'"{hashlib.md5(HELLO).hexdigest()}"'
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PART = b"a part of a golden object"
PART_TAG = f'"{hashlib.md5(PART).hexdigest()}"'
_CRC32 = "y6+VmA=="

Call = Callable[[Provider], Awaitable[None]]


async def _get(provider: Provider, key: str = "dir/key", **range_or_condition: object) -> bytes:
    reading = provider.get(key, **range_or_condition)  # type: ignore[arg-type]
    async with reading as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


async def _list(
    provider: Provider, prefix: str, *, folders: bool = False, limit: int | None = None
) -> list[Blob | Prefix]:
    async with provider.list(prefix, folders=folders, limit=limit) as found:
        return [item async for item in found]


def _listed(key: str, text: bytes) -> Blob:
    moment = WHEN.replace(microsecond=678_000)
    return Blob(key, len(text), f'"{hashlib.md5(text).hexdigest()}"', moment)


def _refused(kind: type[NeuroError], words: str, *, put: bool = False) -> Call:
    """Return a call that is refused, and what must come of it."""

    async def call(provider: Provider) -> None:
        with pytest.raises(kind, match=words) as caught:
            await (provider.put("dir/key", HELLO) if put else _get(provider))
        assert type(caught.value) is kind

    return call


async def put(provider: Provider) -> None:
    await provider.put("dir/key", HELLO)


async def put_marker(provider: Provider) -> None:
    await provider.put("dir/", b"")


async def put_special_key(provider: Provider) -> None:
    await provider.put("sp ace/%20+€?#", HELLO)


async def put_if_none_match(provider: Provider) -> None:
    with pytest.raises(PreconditionFailedError):
        await provider.put("dir/key", HELLO, if_none_match="*")


async def get(provider: Provider) -> None:
    assert await _get(provider) == HELLO


async def get_range(provider: Provider) -> None:
    assert await _get(provider, start=2, end=6) == HELLO[2:6]


async def get_rest(provider: Provider) -> None:
    assert await _get(provider, start=6) == HELLO[6:]


async def get_past_the_end(provider: Provider) -> None:
    assert await _get(provider, start=11) == b""


async def get_missing(provider: Provider) -> None:
    with pytest.raises(ResourceNotFound, match="NoSuchKey"):
        await _get(provider, "none")


async def get_known(provider: Provider) -> None:
    with pytest.raises(PreconditionFailedError):
        await _get(provider, if_none_match=ETAG)


async def get_changed(provider: Provider) -> None:
    with pytest.raises(PreconditionFailedError):
        await _get(provider, start=2, if_match='"0"')


async def head(provider: Provider) -> None:
    assert await provider.head("dir/key") == Blob("dir/key", len(HELLO), ETAG, WHEN)


async def head_missing(provider: Provider) -> None:
    with pytest.raises(ResourceNotFound):
        await provider.head("none")


async def delete(provider: Provider) -> None:
    await provider.delete("dir/key")


async def delete_missing(provider: Provider) -> None:
    await provider.delete("none")


async def list_folder(provider: Provider) -> None:
    found = await _list(provider, "dir/", folders=True)
    # The common prefixes of a page come first (buckets.md §6.1).
    assert found == [Prefix("dir/sub/"), _listed("dir/a", b"1"), _listed("dir/b", b"22")]


async def list_recursively(provider: Provider) -> None:
    keys = [item.key for item in await _list(provider, "dir/")]
    assert keys == ["dir/a", "dir/b", "dir/sub/c"]


async def list_first(provider: Provider) -> None:
    assert await _list(provider, "dir/", limit=1) == [_listed("dir/a", b"1")]


async def list_nothing(provider: Provider) -> None:
    assert await _list(provider, "none") == []


async def list_special_key(provider: Provider) -> None:
    assert [item.key for item in await _list(provider, "sp")] == ["sp ace/%20+€"]


async def list_missing_bucket(provider: Provider) -> None:
    with pytest.raises(ResourceNotFound, match=r"bucket does not exist|Bucket not found"):
        await _list(provider, "")


async def create_upload(provider: Provider) -> None:
    assert await provider.begin("dir/key", 10) == Upload("dir/key", UPLOAD, 10)


async def put_part(provider: Provider) -> None:
    upload = Upload("dir/key", UPLOAD, len(HELLO))
    part = await provider.put_part(upload, 1, 0, Body.of(HELLO))
    assert (part.number, part.size) == (1, len(HELLO))
    assert part.tag is not None
    assert part.tag.startswith(ETAG)


async def put_part_unknown(provider: Provider) -> None:
    with pytest.raises(ResourceNotFound, match="NoSuchUpload"):
        await provider.put_part(Upload("dir/key", "none", 0), 1, 0, Body.of(HELLO))


async def list_parts(provider: Provider) -> None:
    there, gone = Part(1, 0, len(PART), PART_TAG), Part(2, len(PART), 5, '"0"')
    upload = Upload("dir/key", UPLOAD, len(PART) + 5)
    assert await provider.parts(upload, [there, gone]) == [there]


async def complete(provider: Provider) -> None:
    part = Part(1, 0, len(PART), f"{PART_TAG} {_CRC32}")
    await provider.complete(Upload("dir/key", UPLOAD, len(PART)), [part])


async def abort(provider: Provider) -> None:
    await provider.abort(Upload("dir/key", UPLOAD, 10))


async def abort_unknown(provider: Provider) -> None:
    await provider.abort(Upload("dir/key", "none", 10))


async def garage_missing_upload(provider: Provider) -> None:
    await provider.abort(Upload("dir/key", "0" * 64, 10))


CALLS: Mapping[str, Call] = {
    "put": put,
    "put_marker": put_marker,
    "put_special_key": put_special_key,
    "put_if_none_match": put_if_none_match,
    "get": get,
    "get_range": get_range,
    "get_rest": get_rest,
    "get_past_the_end": get_past_the_end,
    "get_missing": get_missing,
    "get_known": get_known,
    "get_changed": get_changed,
    "head": head,
    "head_missing": head_missing,
    "delete": delete,
    "delete_missing": delete_missing,
    "list_folder": list_folder,
    "list_recursively": list_recursively,
    "list_first": list_first,
    "list_nothing": list_nothing,
    "list_special_key": list_special_key,
    "list_missing_bucket": list_missing_bucket,
    "create_upload": create_upload,
    "put_part": put_part,
    "put_part_unknown": put_part_unknown,
    "list_parts": list_parts,
    "complete": complete,
    "abort": abort,
    "abort_unknown": abort_unknown,
    "unknown_access_key": _refused(AuthenticationError, "access key is not known"),
    "wrong_signature": _refused(AuthenticationError, "secret key does not fit"),
    "wrong_region": _refused(IllegalArgumentError, "is in region 'local'"),
    "wrong_clock": _refused(AuthenticationError, "clock of this machine"),
    "not_permitted": _refused(AuthorizationError, "do not allow it", put=True),
    "unavailable": _refused(ServerNotAvailable, "try again later"),
    "garage_put": put,
    "garage_get_range": get_range,
    "garage_get_past_the_end": get_past_the_end,
    "garage_get_missing": get_missing,
    "garage_get_changed": get_changed,
    "garage_head_missing": head_missing,
    "garage_missing_bucket": list_missing_bucket,
    "garage_missing_upload": garage_missing_upload,
    "garage_unknown_access_key": _refused(AuthorizationError, "No such key"),
    "garage_wrong_signature": _refused(AuthorizationError, "Invalid signature"),
    "garage_wrong_region": _refused(IllegalArgumentError, "is in region 'garage'"),
    "garage_not_permitted": _refused(AuthorizationError, "not allowed for this key", put=True),
    "garage_unavailable": _refused(ServerNotAvailable, "try again later"),
}
