"""What the endpoint remembers of objects never hides a change that was acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from neuro_client.local.services.s3 import known

from .test_uploads import Upload, etag
from .wire import BUCKET, Wire

TURNS = 9


async def _one_after_the_other(wire: Wire, key: str) -> None:
    """Write, replace and remove an object in every way, and look at it after each."""
    path = f"/{BUCKET}/{key}"
    for turn in range(TURNS):
        body = f"{key} {turn}".encode() * (turn + 1)
        match turn % 3:
            case 0:
                await wire.put(key, body)
            case 1:
                await wire.put(f"{key}-source", body)
                source = {"x-amz-copy-source": f"{BUCKET}/{key}-source"}
                assert (await wire.call("PUT", path, source)).status == 200
            case 2:
                upload = await Upload.begin(wire, path)
                await upload.part(1, body)
                assert (await upload.complete((1, etag(body)))).status == 200
        head = await wire.call("HEAD", path)
        assert int(head.headers["Content-Length"]) == len(body)
        assert await wire.read(key) == body
        if turn % 4 == 3:
            assert (await wire.call("DELETE", path)).status == 204
            assert (await wire.get(key)).status == 404
            assert (await wire.call("HEAD", path)).status == 404


async def _reads(wire: Wire, key: str) -> None:
    while True:
        answer = await wire.get(key)
        assert answer.status == 404 or answer.body.startswith(key.encode())


@pytest.mark.thorough
@pytest.mark.parametrize("most", [10_000, 2])
async def test_reads_see_the_last_write(
    wire: Wire, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_MOST", most)
    keys = ("a", "b")
    readers = [asyncio.create_task(_reads(wire, key)) for key in keys]
    try:
        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(_one_after_the_other(wire, key))
    finally:
        for reader in readers:
            reader.cancel()
        ended = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError] * len(keys)


async def test_a_refused_write_leaves_what_is_there(wire: Wire) -> None:
    await wire.put("key", b"first")
    assert await wire.read("key") == b"first"
    refused = await wire.call("PUT", f"/{BUCKET}/key", {"If-None-Match": "*"}, b"second")
    assert refused.told == (412, "PreconditionFailed")
    await wire.platform.s3.set_quotas(BUCKET, 10, None)
    refused = await wire.call("PUT", f"/{BUCKET}/key", body=b"more than ten bytes")
    assert refused.told == (403, "QuotaExceeded")
    assert await wire.read("key") == b"first"
