"""How what Google says becomes an error: refusals, checksums, conditions."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from yarl import URL

from neuro_client.buckets import google_checks
from neuro_client.buckets.google import open_google
from neuro_client.buckets.google_errors import read_failure
from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ChecksumMismatchError,
    IllegalArgumentError,
    PreconditionFailedError,
    QuotaExceededError,
    RateLimitError,
    ResourceNotFound,
    ResponseError,
    ServerError,
    ServerNotAvailable,
)
from neuro_client.transfer import Body, Part
from neuro_client.transport import Failure, open_session

from .bench import Source, content, read, send
from .fake_gcs import values
from .google_service import GoogleService, google_service

PART = 5 * 2**20


@pytest.fixture
async def service() -> AsyncIterator[GoogleService]:
    async with google_service() as service:
        yield service


def _values(service: GoogleService, token: str = "token") -> dict[str, str]:
    return values(service.url, service.bucket, token)


# Checksums


@pytest.fixture
def no_crc32c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a machine that lacks google-crc32c."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "google_crc32c", None)
        google_checks.load.cache_clear()
        yield
    google_checks.load.cache_clear()


@pytest.mark.usefixtures("no_crc32c")
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "serial"])
async def test_md5_in_place_of_crc32c(service: GoogleService, parallel: bool) -> None:
    service.parallel = parallel
    data = content(PART + 1000)
    async with (
        open_session() as session,
        open_google(Source(_values(service)), session) as provider,
    ):
        service.damage = True
        with pytest.raises(ChecksumMismatchError):
            await provider.put("small", b"data")
        await provider.put("small", b"data")
        service.hashed = b"other"
        with pytest.raises(ChecksumMismatchError):
            await read(provider, "small")
        service.hashed = None
        upload = await provider.begin("key", len(data))
        parts = await send(provider, upload, data, PART)
        assert all(part.tag is not None and part.tag.startswith("md5=") for part in parts)
        await provider.complete(upload, parts)
        assert await read(provider, "key") == data
        if parallel:
            upload = await provider.begin("key", len(data))
            service.damage = True
            with pytest.raises(ChecksumMismatchError):
                await provider.put_part(upload, 1, 0, Body.of(data[:PART]))


@pytest.mark.parametrize("sizes", [(0,), (5, 0, 1), (1, 2**18, 1000, 7)])
def test_checksum_of_parts_is_that_of_the_whole(sizes: tuple[int, ...]) -> None:
    data, parts, offset = content(sum(sizes)), [], 0
    for number, size in enumerate(sizes, 1):
        digest = google_checks.new_digest()
        digest.update(memoryview(data)[offset : offset + size])
        tag = google_checks.receipt(digest, '"an etag"')
        parts.append(Part(number, offset, size, tag))
        offset += size
    whole = google_checks.new_digest()
    whole.update(data)
    assert google_checks.joined(parts) == ("crc32c", whole.value)
    assert google_checks.etag_of(parts[0]) == '"an etag"'
    assert google_checks.joined([*parts, Part(9, 0, 1)]) is None


# Refusals


def _json(code: int, reason: str, message: str = "Because") -> str:
    error = {"code": code, "message": message, "errors": [{"reason": reason}]}
    return json.dumps({"error": error})


@pytest.mark.parametrize(
    ("status", "body", "cls", "code"),
    [
        (304, "", PreconditionFailedError, None),
        (400, _json(400, "invalid"), IllegalArgumentError, "invalid"),
        (401, _json(401, "authError"), AuthenticationError, "authError"),
        (403, _json(403, "forbidden"), AuthorizationError, "forbidden"),
        (403, _json(403, "rateLimitExceeded"), RateLimitError, "rateLimitExceeded"),
        (403, _json(403, "quotaExceeded"), QuotaExceededError, "quotaExceeded"),
        (404, "No such object: bucket/key", ResourceNotFound, None),
        (404, "<html><title>404</title></html>", ResourceNotFound, None),
        (
            404,
            "<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
            ResourceNotFound,
            "NoSuchKey",
        ),
        (404, "<?xml version='1.0'?><Err", ResourceNotFound, None),
        (409, _json(409, "conflict"), IllegalArgumentError, "conflict"),
        (410, "", ResourceNotFound, None),
        (412, _json(412, "conditionNotMet"), PreconditionFailedError, "conditionNotMet"),
        (429, _json(429, "rateLimitExceeded"), RateLimitError, "rateLimitExceeded"),
        (499, "", ResourceNotFound, None),
        (500, '{"error": "broken"}', ServerError, None),
        (500, "{nothing", ServerError, None),
        (503, _json(503, "backendError"), ServerNotAvailable, "backendError"),
    ],
)
def test_every_refusal_is_one_class(
    status: int, body: str, cls: type[ResponseError], code: str | None
) -> None:
    headers = {"X-GUploader-UploadID": "request", "Retry-After": "7"}
    url = URL("http://host/b/bucket/o/key?upload_id=hush")
    error = read_failure("cannot do it", Failure("PUT", url, status, headers, body.encode()))
    assert isinstance(error, cls)
    assert (error.status, error.code, error.request_id) == (status, code, "request")
    assert str(error).startswith(f"cannot do it: Google answered {status}")
    assert "hush" not in f"{error} {error.url}" and "<html" not in str(error)
    assert getattr(error, "retry_after", 7) == 7


@pytest.mark.parametrize(
    "body",
    [
        _json(400, "invalid", 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'),
        "<?xml version='1.0'?><Error><Code>BadDigest</Code><Message>Bad</Message></Error>",
    ],
)
def test_refused_checksum(body: str) -> None:
    failure = Failure("PUT", URL("http://host/"), 400, {}, body.encode())
    assert isinstance(read_failure("cannot do it", failure), ChecksumMismatchError)


async def test_foreign_etags(service: GoogleService) -> None:
    async with (
        open_session() as session,
        open_google(Source(_values(service)), session) as provider,
    ):
        with pytest.raises(PreconditionFailedError, match="no object of a Google bucket"):
            await provider.put("key", b"data", if_match='"abc"')
        await provider.put("key", b"data", if_none_match='"abc"')
        assert await read(provider, "key", if_match="*", if_none_match='"abc"') == b"data"
        with pytest.raises(PreconditionFailedError):
            await read(provider, "key", if_none_match="*")
        with pytest.raises(PreconditionFailedError):
            await provider.put("other", b"data", if_match="*")
