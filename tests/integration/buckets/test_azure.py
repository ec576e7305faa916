"""The Azure provider against Azurite: the contract of all providers, and what is Azure's own."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from aiohttp import web
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient
from yarl import URL

from neuro_client.buckets import azure
from neuro_client.buckets.azure import open_azure
from neuro_client.buckets.azure_requests import AzureRequests
from neuro_client.buckets.provider import Provider
from neuro_client.buckets.store import BucketStore
from neuro_client.errors import (
    AuthError,
    AuthorizationError,
    ChecksumMismatchError,
    ConfigError,
    ConflictError,
    IllegalArgumentError,
    ProtocolError,
    ResourceNotFound,
    ResponseError,
    TransportError,
)
from neuro_client.testing import stores
from neuro_client.testing.stores import CHECKS as STORE_CHECKS
from neuro_client.testing.stores import Check as StoreCheck
from neuro_client.transfer import Body, Part
from neuro_client.transport import open_session

from .azurite import Azurite, opened, running_azurite, values
from .contract import CHECKS, Check, Source, content, listing, read, send, unit

PAST = timedelta(hours=-1)


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with running_azurite() as running:
        yield running


@pytest.fixture
async def container(azurite: Azurite) -> AsyncIterator[ContainerClient]:
    """Make a container of the test's own, seen through Azure's client."""
    async with azurite.client(f"t-{uuid4().hex}") as client:
        await client.create_container()
        yield client


@pytest.mark.thorough
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, azurite: Azurite, container: ContainerClient) -> None:
    async with opened(azurite, container) as bench:
        await check(bench)


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_store(
    check: StoreCheck,
    azurite: Azurite,
    container: ContainerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stores, "NAMES", [name for name in stores.NAMES if "\\" not in name])
    async with opened(azurite, container) as bench:
        await check(BucketStore(bench.provider))


# Credentials


async def use_all(provider: Provider, after: Callable[[], object] = lambda: None) -> None:
    """Make every kind of request, with *after* between them."""
    data = content(unit(provider) + 10)
    after()
    await provider.put("small", b"data")
    after()
    assert (await provider.head("small")).size == 4
    after()
    assert await read(provider, "small") == b"data"
    upload = await provider.begin("big", len(data))
    after()
    parts = await send(provider, upload, data, unit(provider))
    after()
    assert await provider.parts(upload, parts) == parts
    after()
    await provider.complete(upload, parts)
    after()
    assert {item.key for item in await listing(provider)} == {"small", "big"}
    after()
    await provider.delete("small")
    assert await read(provider, "big") == data


async def test_expired_token_is_renewed(azurite: Azurite, container: ContainerClient) -> None:
    name = container.container_name
    expired = values(azurite, name, sas_token=azurite.sas(name, life=PAST))
    fresh = values(azurite, name)
    source = Source(fresh)

    def expire() -> None:
        source.values = expired
        source.renewed.append(fresh)

    async with open_azure(source) as provider:
        await use_all(provider, expire)
    assert source.renewals >= 8
    assert source.values is fresh


async def test_running_read_survives_renewal(azurite: Azurite, container: ContainerClient) -> None:
    name = container.container_name
    source = Source(values(azurite, name))
    data = content(3_000_000)
    async with open_azure(source) as provider:
        await provider.put("key", data)
        async with provider.get("key") as chunks:
            got = [await anext(chunks)]
            source.values = values(azurite, name)
            assert (await provider.head("key")).size == len(data)
            got += [chunk async for chunk in chunks]
    assert b"".join(got) == data


def secret_of(token: str) -> str:
    """Return the signature of a token, as it is sent."""
    return URL(f"http://h/?{token}", encoded=True).raw_query_string.partition("sig=")[2][:20]


async def test_expired_token_that_cannot_be_renewed(
    azurite: Azurite, container: ContainerClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = container.container_name
    token = azurite.sas(name, life=PAST)
    source = Source(values(azurite, name, sas_token=token))
    async with open_azure(source) as provider:
        calls: Mapping[str, Callable[[], Awaitable[object]]] = {
            "look at": lambda: provider.head("a key"),
            "read": lambda: read(provider, "a key"),
            "write": lambda: provider.put("a key", b"data"),
            "list": lambda: listing(provider, "a key"),
        }
        for verb, call in calls.items():
            before = source.renewals
            with pytest.raises(AuthError) as caught:
                await call()
            error = caught.value
            assert source.renewals == before + 1
            # Azurite's code; the service itself has AuthenticationFailed.
            assert (error.status, error.code) == (403, "AuthorizationFailure")
            assert error.request_id
            for part in (verb, "a key", name, "expired"):
                assert part in str(error)
            shown = f"{error!r} {error} {error.body} {error.__cause__!r} {caplog.text}"
            assert secret_of(token) not in shown


async def test_token_without_rights(azurite: Azurite, container: ContainerClient) -> None:
    name = container.container_name
    await container.upload_blob("key", b"data")
    source = Source(values(azurite, name, sas_token="?" + azurite.sas(name, rights="r")))
    async with open_azure(source) as provider:
        assert await read(provider, "key") == b"data"
        for call in (provider.put("key", b"x"), listing(provider), provider.delete("key")):
            with pytest.raises(AuthorizationError, match="do not allow it"):
                await call
    assert source.renewals == 3


async def test_account_key_and_own_connections(
    azurite: Azurite, container: ContainerClient
) -> None:
    found = values(azurite, container.container_name, credential=azurite.key)
    async with open_azure(Source(found)) as provider:
        await use_all(provider)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"sas_token": "sig=x"}, "storage_endpoint"),
        ({"storage_endpoint": "http://h"}, "credential"),
        ({"storage_endpoint": "http://h", "credential": "no key!"}, "neither a SAS token nor"),
        ({"storage_endpoint": "http://h", "credential": "AccountKey=c2Vj"}, "neither a SAS token"),
    ],
)
async def test_unusable_credentials(given: Mapping[str, str], match: str) -> None:
    async with open_azure(Source({"bucket_name": "b", **given})) as provider:
        with pytest.raises(ConfigError, match=match):
            await provider.head("key")
        with pytest.raises(ConfigError, match=match):
            await listing(provider)


# Checksums


async def test_stored_md5_is_compared(azurite: Azurite, container: ContainerClient) -> None:
    wrong = container.get_blob_client("wrong")
    await wrong.upload_blob(b"data")
    await wrong.set_http_headers(ContentSettings(content_md5=bytearray(16)))
    async with opened(azurite, container) as bench:
        with pytest.raises(ChecksumMismatchError, match="wrong"):
            await read(bench.provider, "wrong")
        assert await read(bench.provider, "wrong", 1) == b"ata"
        await bench.provider.put("right", b"data")
        found = await container.get_blob_client("right").get_blob_properties()
        assert found.content_settings.content_md5 is not None
        assert await read(bench.provider, "right") == b"data"


async def test_damaged_body_is_refused(azurite: Azurite, container: ContainerClient) -> None:
    async with open_session() as session:
        requests = AzureRequests(Source(values(azurite, container.container_name)), session)
        headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        with pytest.raises(ChecksumMismatchError, match="cannot write"):
            async with requests.send("PUT", "key", headers, body=[b"data"]):
                raise AssertionError("not reached")
    assert not await container.get_blob_client("key").exists()


# Blocks


async def test_lost_answer_to_complete(azurite: Azurite, container: ContainerClient) -> None:
    async with opened(azurite, container) as bench:
        data = content(300_000)
        upload = await bench.provider.begin("key", len(data))
        parts = await send(bench.provider, upload, data, 100_000)
        bench.proxy.cut(times=None)
        with pytest.raises(TransportError):
            await bench.provider.complete(upload, parts, if_none_match="*")
        bench.proxy.clear()
        assert await bench.provider.parts(upload, parts) == parts
        await bench.provider.complete(upload, parts, if_none_match="*")
        assert await read(bench.provider, "key") == data


async def test_blocks_that_are_gone(azurite: Azurite, container: ContainerClient) -> None:
    async with opened(azurite, container) as bench:
        await bench.provider.put("key", b"theirs")
        upload = await bench.provider.begin("key", 10)
        gone = [Part(1, 0, 10, f"{upload.id}00001")]
        with pytest.raises(ResourceNotFound, match="nothing is left"):
            await bench.provider.parts(upload, gone)
        with pytest.raises(ResourceNotFound, match="send them again"):
            await bench.provider.complete(upload, gone)
        assert await read(bench.provider, "key") == b"theirs"


async def test_blocks_of_other_programs(azurite: Azurite, container: ContainerClient) -> None:
    blob = container.get_blob_client("key")
    await blob.stage_block(uuid4().hex, b"theirs")
    async with opened(azurite, container) as bench:
        upload = await bench.provider.begin("key", 10)
        parts = await send(bench.provider, upload, b"0123456789", 4)
        assert await bench.provider.parts(upload, parts) == parts
        await bench.provider.complete(upload, parts)
        assert await read(bench.provider, "key") == b"0123456789"

        await container.get_blob_client("other").stage_block("short", b"theirs")
        upload = await bench.provider.begin("other", 4)
        with pytest.raises(ConflictError, match="another program"):
            await bench.provider.put_part(upload, 1, 0, Body.of(b"data"))


async def test_upload_without_parts(azurite: Azurite, container: ContainerClient) -> None:
    async with opened(azurite, container) as bench:
        upload = await bench.provider.begin("empty", 0)
        await bench.provider.complete(upload, [])
        assert await read(bench.provider, "empty") == b""
        upload = await bench.provider.begin("other", 7)
        with pytest.raises(ValueError, match="0 bytes, not 7"):
            await bench.provider.complete(upload, [])


async def test_keys_that_the_service_would_change(
    azurite: Azurite, container: ContainerClient
) -> None:
    async with opened(azurite, container) as bench:
        await bench.provider.put("a/b", b"theirs")
        for key in ("a\\b", "a/./b", "a/x/../b", "..", "a/."):
            with pytest.raises(IllegalArgumentError, match="choose another key"):
                await bench.provider.put(key, b"x")
            with pytest.raises(IllegalArgumentError, match="choose another key"):
                await bench.provider.begin(key, 10)
            for call in (
                bench.provider.head(key),
                read(bench.provider, key),
                bench.provider.delete(key),
            ):
                with pytest.raises(ResourceNotFound):
                    await call
        assert await read(bench.provider, "a/b") == b"theirs"


# Listings and the service


async def test_pages(
    azurite: Azurite, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure, "_PAGE", 3)
    async with opened(azurite, container) as bench:
        keys = [f"a & b/{number}?#%41" for number in range(8)] + ["c", "d/1", "d/2"]
        for key in keys:
            await bench.provider.put(key, b"")
        assert [item.key for item in await listing(bench.provider)] == keys
        assert [item.key for item in await listing(bench.provider, limit=4)] == keys[:4]
        found = {item.key for item in await listing(bench.provider, folders=True)}
        assert found == {"a & b/", "c", "d/"}


async def test_clock_of_the_service(azurite: Azurite, container: ContainerClient) -> None:
    async with opened(azurite, container) as bench:
        bounds = []
        for call in (bench.provider.put("key", b""), listing(bench.provider)):
            await call
            bounds.append(bench.provider.skew)
            assert bounds[-1] is not None
            assert bounds[-1].min_diff <= 0 <= bounds[-1].max_diff
        assert bounds[0] != bounds[1]


async def test_another_kind_of_service() -> None:
    state = {"status": 200}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=state["status"], text="<html><p>Welcome!</html>")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    try:
        await site.start()
        endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/account"
        source = Source({"bucket_name": "b", "storage_endpoint": endpoint, "sas_token": "sig=x"})
        async with open_azure(source) as provider:
            upload = await provider.begin("key", 0)
            for state["status"] in (200, 302, 404):
                calls: Sequence[Callable[[], Awaitable[object]]] = (
                    lambda: provider.head("key"),
                    lambda: read(provider, "key"),
                    lambda: read(provider, "key", 5),
                    lambda: provider.put("key", b"data"),
                    lambda: listing(provider),
                    lambda: listing(provider, folders=True),
                    lambda: provider.parts(upload),
                    lambda: provider.complete(upload, []),
                )
                for call in calls:
                    with pytest.raises(ProtocolError, match="endpoint"):
                        await call()
            for status in (408, 429, 503):
                state["status"] = status
                for call in (calls[0], calls[4]):
                    with pytest.raises(ResponseError) as caught:
                        await call()
                    assert caught.value.status == status
    finally:
        await runner.cleanup()


# The library


async def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("azure_client", "azure_requests"):
        monkeypatch.delitem(sys.modules, f"neuro_client.buckets.{name}")
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(ConfigError, match=r"pip install 'neuro_client\[azure\]'"):
        async with open_azure(Source({})):
            raise AssertionError("not reached")


def test_library_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, neuro_client, neuro_client.buckets.azure; "
        "sys.exit(any(name.split('.')[0] == 'azure' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
