"""What holds for uploads in parts of any bucket provider."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from neuro_client.errors import NotSupportedError, PreconditionFailedError
from neuro_client.transfer import Body, Part, Upload

from .bench import Bench, Check, conditional, content, listing, read, remembered, send, unit


async def check_parts(bench: Bench) -> None:
    """Parts in any order make one object, which appears when it is complete."""
    provider = bench.provider
    size = unit(provider)
    data = content(3 * size + 1000)
    await provider.put("big", b"old")
    for key in ("big", "big & <new>?#"):
        upload = await provider.begin(key, len(data))
        parts = await send(provider, upload, data, size)
        assert [part.size for part in parts] == [size, size, size, 1000]
        if key == "big":
            assert await read(provider, key) == b"old"
        else:
            assert key not in {item.key for item in await listing(provider)}
        await provider.complete(upload, parts)
        assert (await provider.head(key)).size == len(data)
        assert await read(provider, key) == data
        assert await read(provider, key, size - 10, size + 10) == data[size - 10 : size + 10]


async def check_announced(bench: Bench) -> None:
    """An upload is announced before its first part; an announcement that fails leaves nothing."""
    told: list[Upload] = []

    async def announce(upload: Upload) -> None:
        told.append(upload)

    upload = await bench.provider.begin("key", 10, announce=announce)
    assert told == [upload] and upload.id
    await bench.provider.abort(upload)

    async def refuse(upload: Upload) -> None:
        raise OSError("no room for the journal")

    with pytest.raises(OSError, match="no room"):
        await bench.provider.begin("key", 10, announce=refuse)
    assert await listing(bench.provider) == []


async def check_replaced_part(bench: Bench) -> None:
    """A part sent again counts with its last content."""
    provider = bench.provider
    if not provider.capabilities.random_parts:
        pytest.skip("the service takes a part once")
    size = unit(provider)
    data = content(size + 10)
    upload = await provider.begin("key", len(data))
    await provider.put_part(upload, 1, 0, Body.of(bytes(size)))
    parts = await send(provider, upload, data, size)
    await provider.complete(upload, parts)
    assert await read(provider, "key") == data


async def check_resume(bench: Bench) -> None:
    """What has arrived of an upload is found again by another process."""
    size = unit(bench.provider)
    data = content(2 * size + 10)
    upload = await bench.provider.begin("key", len(data))
    first = await bench.provider.put_part(upload, 1, 0, Body.of(data[:size]))
    lost = Part(2, size, size, first.tag)
    async with bench.again() as other:
        upload = remembered(upload)
        assert list(await other.parts(upload, [first])) == [first]
        assert list(await other.parts(upload, [first, lost])) == [first]
        assert list(await other.parts(upload, [attrs.evolve(first, size=size - 1)])) == []
        rest = [
            await other.put_part(upload, 2, size, Body.of(data[size : 2 * size])),
            await other.put_part(upload, 3, 2 * size, Body.of(data[2 * size :])),
        ]
        await other.complete(upload, [first, *rest])
    assert await read(bench.provider, "key") == data


async def check_complete_again(bench: Bench) -> None:
    """To complete once more, as after a lost answer, succeeds, also under a condition."""
    provider = bench.provider
    data = content(unit(provider) + 10)
    upload = await provider.begin("key", len(data))
    parts = await send(provider, upload, data, unit(provider))
    for _ in range(2):
        await provider.complete(upload, parts)
    upload = await provider.begin("fresh", len(data))
    parts = await send(provider, upload, data, unit(provider))
    for _ in range(2):
        await conditional(provider.complete(upload, parts, if_none_match="*"))
    assert await read(provider, "key") == data
    assert await read(provider, "fresh") == data


async def check_conditional_complete(bench: Bench) -> None:
    """Parts are not put in place of what somebody else has written meanwhile."""
    provider = bench.provider
    data = content(unit(provider) + 10)
    await provider.put("key", b"theirs")
    etag = (await provider.head("key")).etag
    upload = await provider.begin("key", len(data))
    parts = await send(provider, upload, data, unit(provider))
    with pytest.raises((PreconditionFailedError, NotSupportedError)):
        await provider.complete(upload, parts, if_none_match="*")
    assert await read(provider, "key") == b"theirs"
    await conditional(provider.complete(upload, parts, if_match=etag))
    assert await read(provider, "key") == data


async def check_abort(bench: Bench) -> None:
    """An upload that is dropped leaves the old object, or none; dropping it again is no error."""
    provider = bench.provider
    data = content(unit(provider) + 10)
    await provider.put("old", b"stays")
    etag = (await provider.head("old")).etag
    for key in ("old", "new"):
        upload = await provider.begin(key, len(data))
        await send(provider, upload, data, unit(provider))
        await provider.abort(upload)
        await provider.abort(remembered(upload))
    assert [item.key for item in await listing(provider)] == ["old"]
    assert await read(provider, "old") == b"stays"
    assert (await provider.head("old")).etag == etag


UPLOADS: Sequence[Check] = (
    check_parts,
    check_announced,
    check_replaced_part,
    check_resume,
    check_complete_again,
    check_conditional_complete,
    check_abort,
)
