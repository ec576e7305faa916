"""What uploads to Google go through: cuts, lost answers, damage, conditions."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from neuro_client.buckets.google import GoogleProvider, open_google
from neuro_client.errors import (
    ChecksumMismatchError,
    NotSupportedError,
    PreconditionFailedError,
    ProtocolError,
    ResourceNotFound,
    ServerNotAvailable,
    SourceChangedError,
    TransportError,
)
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transfer import Body, Part, Upload
from neuro_client.transport import open_session

from .bench import Source, content, read, remembered, send
from .fake_gcs import values
from .google_service import QUANTUM, GoogleService, google_service

pytestmark = pytest.mark.thorough

MIB = 2**20
PART = 5 * MIB


@asynccontextmanager
async def opened(service: GoogleService, url: str | None = None) -> AsyncIterator[GoogleProvider]:
    source = Source(values(url or service.url, service.bucket))
    async with open_session() as session, open_google(source, session) as provider:
        yield provider


@asynccontextmanager
async def serving(*, parallel: bool) -> AsyncIterator[GoogleService]:
    async with google_service() as service:
        service.parallel = parallel
        yield service


@pytest.fixture
async def parallel() -> AsyncIterator[GoogleService]:
    async with serving(parallel=True) as service:
        yield service


@pytest.fixture
async def serial() -> AsyncIterator[GoogleService]:
    async with serving(parallel=False) as service:
        yield service


@pytest.fixture(params=[True, False], ids=["parallel", "serial"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[GoogleService]:
    async with serving(parallel=request.param) as service:
        yield service


def _begun(service: GoogleService) -> int:
    return sum(line.endswith("?uploads") for line in service.log)


async def test_endpoint_without_multipart_calls_is_asked_once(serial: GoogleService) -> None:
    async with opened(serial) as provider:
        found = [provider.capabilities.random_parts]
        for key in ("one", "two", "three"):
            upload = await provider.begin(key, 10)
            assert upload.serial
            await provider.abort(upload)
        found.append(provider.capabilities.random_parts)
    assert found == [True, False]
    assert _begun(serial) == 1
    assert serial.sessions == {}


async def test_missing_bucket_teaches_nothing(parallel: GoogleService) -> None:
    parallel.bucket = "later"
    async with opened(parallel) as provider:
        parallel.bucket = "gone"
        with pytest.raises(ResourceNotFound, match="later/'key'"):
            await provider.begin("key", 10)
        parallel.bucket = "later"
        assert not (await provider.begin("key", 10)).serial


async def _odd(provider: GoogleProvider, upload: Upload, data: bytes) -> list[Part]:
    """Send parts of sizes that a session does not take."""
    parts, offset = [], 0
    for number, size in enumerate((1, 300_000, QUANTUM - 1, 10, 2 * QUANTUM, 7), 1):
        piece = data[offset : offset + size]
        parts.append(await provider.put_part(upload, number, offset, Body.of(piece)))
        offset += size
    rest = data[offset:]
    return [*parts, await provider.put_part(upload, len(parts) + 1, offset, Body.of(rest))]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("size", [1_200_000, 6 * QUANTUM])
async def test_session_takes_parts_of_any_size(
    serial: GoogleService, size: int, known: bool
) -> None:
    data = content(size)
    async with opened(serial) as provider:
        upload = await provider.begin("key", size if known else 0)
        parts = await _odd(provider, upload, data)
        assert "key" not in serial.objects
        await provider.complete(upload, parts)
    assert serial.objects["key"].data == data


async def test_empty_upload(serial: GoogleService) -> None:
    async with opened(serial) as provider:
        upload = await provider.begin("key", 0)
        await provider.complete(upload, [])
        assert (await provider.head("key")).size == 0


@pytest.mark.parametrize("quantum", [QUANTUM, 1])
@pytest.mark.parametrize("cut", [QUANTUM // 2, QUANTUM + 5000, 3 * QUANTUM + 5000])
async def test_session_goes_on_where_the_service_is(
    serial: GoogleService, cut: int, quantum: int
) -> None:
    serial.quantum = quantum
    data = content(5 * QUANTUM + 3000)
    size = 4 * QUANTUM + 100
    async with FaultProxy(serial.url) as proxy, opened(serial, str(proxy.url)) as provider:
        upload = await provider.begin("key", len(data))
        first = await provider.put_part(upload, 1, 0, Body.of(data[:1000]))
        fault = proxy.cut(after=cut, direction="up")
        body = Body.of(data[1000:size])
        with pytest.raises(TransportError) as caught:
            await provider.put_part(upload, 2, 1000, body)
        assert fault.hits == 1
        told = "".join(traceback.format_exception(caught.value))
        assert "'key'" in told and "session1" not in told  # who knows the id may write
        before = proxy.sent
        second = await provider.put_part(upload, 2, 1000, body)
        # All but the heads of two requests and what waited for the rest.
        kept = (cut - 2000) // quantum * quantum
        assert 0 < proxy.sent - before < size - kept + 4000
        third = await provider.put_part(upload, 3, size, Body.of(data[size:]))
        await provider.complete(upload, [first, second, third])
    assert serial.objects["key"].data == data


async def test_session_goes_on_in_another_process(serial: GoogleService) -> None:
    data = content(5 * QUANTUM + 3000)
    sizes = QUANTUM + 100, 2 * QUANTUM
    async with opened(serial) as provider:
        upload = await provider.begin("key", len(data))
        first = await provider.put_part(upload, 1, 0, Body.of(data[: sizes[0]]))
        body = Body.of(data[sizes[0] : sum(sizes)])
        second = await provider.put_part(upload, 2, sizes[0], body)
    async with opened(serial) as provider:
        upload = remembered(upload)
        # The end of the second was held back, and is lost.
        assert list(await provider.parts(upload, [first, second])) == [first]
        second = await provider.put_part(upload, 2, sizes[0], body)
        rest = Body.of(data[sum(sizes) :])
        third = await provider.put_part(upload, 3, sum(sizes), rest)
        await provider.complete(upload, [first, second, third])
    assert serial.objects["key"].data == data


async def test_session_with_a_gap_is_refused(serial: GoogleService) -> None:
    async with opened(serial) as provider:
        upload = await provider.begin("key", 3 * QUANTUM)
        await provider.put_part(upload, 1, 0, Body.of(bytes(QUANTUM)))
        with pytest.raises(ProtocolError, match="begin it again"):
            await provider.put_part(upload, 3, 2 * QUANTUM, Body.of(bytes(QUANTUM)))
        await provider.abort(upload)
        with pytest.raises(ResourceNotFound):
            await provider.parts(upload, [])


async def test_service_that_takes_less(serial: GoogleService) -> None:
    data = content(3 * QUANTUM)
    async with opened(serial) as provider:
        upload = await provider.begin("key", len(data))
        serial.greed = QUANTUM
        with pytest.raises(ServerNotAvailable, match="took 262144 bytes instead of 786432"):
            await provider.put_part(upload, 1, 0, Body.of(data))
        part = await provider.put_part(upload, 1, 0, Body.of(data))
        await provider.complete(upload, [part])
    assert serial.objects["key"].data == data


async def test_source_that_ends_early(serial: GoogleService) -> None:
    async with opened(serial) as provider:
        upload = await provider.begin("key", 100)
        short = Body(100, Body.of(b"only this").open)
        with pytest.raises(SourceChangedError, match="9 bytes came instead of 100"):
            await provider.put_part(upload, 1, 0, short)


def _completes(request: web.BaseRequest) -> bool:
    if request.method == "POST":
        return "uploadId" in request.query
    return request.headers.get("Content-Range", "/*").rpartition("/")[2] != "*"


async def test_answer_to_complete_is_lost(either: GoogleService) -> None:
    data = content(PART + 1000)
    async with opened(either) as provider:
        upload = await provider.begin("key", len(data))
        parts = await send(provider, upload, data, PART)
        with either.losing(_completes), pytest.raises(TransportError):
            await provider.complete(upload, parts)
        assert either.objects["key"].data == data
        await provider.complete(upload, parts)
        either.objects.clear()
        either.sessions.clear()
        with pytest.raises(ResourceNotFound):
            await provider.complete(upload, parts)


async def test_damaged_put_changes_nothing(parallel: GoogleService) -> None:
    async with opened(parallel) as provider:
        await provider.put("key", b"old")
        for data in (b"new", content(300_000)):
            parallel.damage = True
            with pytest.raises(ChecksumMismatchError, match="bucket/'key'"):
                await provider.put("key", data)
        assert await read(provider, "key") == b"old"


async def test_damaged_part_is_told(parallel: GoogleService) -> None:
    data = content(PART + 1000)
    async with opened(parallel) as provider:
        upload = await provider.begin("key", len(data))
        parallel.damage = True
        with pytest.raises(ChecksumMismatchError, match="send the part again"):
            await provider.put_part(upload, 1, 0, Body.of(data[:PART]))
        await provider.complete(upload, await send(provider, upload, data, PART))
    assert parallel.objects["key"].data == data


@pytest.mark.parametrize("tells", [True, False], ids=["told", "asked"])
async def test_damaged_whole_is_told(either: GoogleService, tells: bool) -> None:
    either.tells = tells
    data = content(PART + 1000)
    async with opened(either) as provider:
        upload = await provider.begin("key", len(data))
        parts = await send(provider, upload, data, PART)
        for kept in either.sessions.values():
            kept.data[7] ^= 1
        for multi in either.uploads.values():
            multi.parts[2] = bytes(1000)
        with pytest.raises(ChecksumMismatchError, match="made of other bytes"):
            await provider.complete(upload, parts)


async def test_damaged_read_is_told(parallel: GoogleService) -> None:
    async with opened(parallel) as provider:
        await provider.put("key", content(1000))
        parallel.hashed = b"something else"
        with pytest.raises(ChecksumMismatchError, match="read it again"):
            await read(provider, "key")
        assert await read(provider, "key", 1) == content(1000)[1:]


async def test_many_parts_are_listed_page_by_page(parallel: GoogleService) -> None:
    parallel.page = 2
    async with opened(parallel) as provider:
        upload = await provider.begin("key", 0)
        parts = [
            await provider.put_part(upload, number, 4 * number - 4, Body.of(b"%04d" % number))
            for number in (1, 2, 3, 4, 5)
        ]
        other = await provider.put_part(upload, 4, 12, Body.of(b"else"))
        known = [*parts[:3], other, parts[4]]
        assert list(await provider.parts(upload, [*parts[:4], other, parts[4]])) == known
        await provider.complete(upload, known)
        assert await read(provider, "key") == b"000100020003else0005"
        with pytest.raises(ResourceNotFound):
            await provider.parts(upload, known)


async def _conditional(
    provider: GoogleProvider, data: bytes, *, match: str | None = None, none: str | None = None
) -> tuple[Upload, list[Part]]:
    upload = await provider.begin("key", len(data), if_match=match, if_none_match=none)
    assert upload.serial
    return upload, await send(provider, remembered(upload), data, PART)


async def test_conditions_are_named_when_an_upload_begins(parallel: GoogleService) -> None:
    data = content(PART + 1000)
    async with opened(parallel) as provider:
        upload, parts = await _conditional(provider, data, none="*")
        for _ in range(2):
            await provider.complete(upload, parts, if_none_match="*")
        assert await read(provider, "key") == data
        with pytest.raises(PreconditionFailedError):
            await provider.begin("key", 10, if_none_match="*")
        etag = (await provider.head("key")).etag
        upload, parts = await _conditional(provider, data[::-1], match=etag)
        await provider.put("key", b"theirs")
        with pytest.raises(PreconditionFailedError):
            await provider.complete(upload, parts, if_match=etag)
        await provider.abort(upload)
        assert await read(provider, "key") == b"theirs"
        # It says nothing about the endpoint.
        upload = await provider.begin("key", 10)
        assert not upload.serial
        with pytest.raises(NotSupportedError, match="when it begins"):
            await provider.complete(upload, [Part(1, 0, 10)], if_none_match="*")


async def test_cancelled_begin_leaves_nothing(either: GoogleService) -> None:
    async def cancelled(upload: Upload) -> None:
        raise asyncio.CancelledError

    async with opened(either) as provider:
        with pytest.raises(asyncio.CancelledError):
            await provider.begin("key", 10, announce=cancelled)
    assert not either.uploads and not either.sessions
