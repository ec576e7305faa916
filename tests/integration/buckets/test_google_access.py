"""How Google is reached: addresses, tokens, keys of service accounts, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web

from neuro_client.buckets.google import open_google
from neuro_client.errors import (
    AuthenticationError,
    ConfigError,
    ProtocolError,
)
from neuro_client.transfer import Body
from neuro_client.transport import open_session

from .bench import Source, content, listing, read, send
from .fake_gcs import values
from .google_service import GoogleService, google_service, serving

pytestmark = pytest.mark.thorough

PART = 5 * 2**20


@pytest.fixture
async def service() -> AsyncIterator[GoogleService]:
    async with google_service() as service:
        yield service


def _values(service: GoogleService, token: str = "token") -> dict[str, str]:
    return values(service.url, service.bucket, token)


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_emulator_by_variable(
    service: GoogleService, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", scheme + service.url.removeprefix("http://"))
    found = _values(service)
    del found["endpoint_url"]
    async with open_session() as session, open_google(Source(found), session) as provider:
        await provider.put("key", b"data")
    assert service.objects["key"].data == b"data"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bucket_name": ""}, "no 'bucket_name'"),
        ({"access_token": ""}, "neither 'access_token' nor 'key_data'"),
        ({"endpoint_url": "ftp://somewhere"}, "'ftp://somewhere' .* is not an http"),
    ],
)
async def test_unusable_credentials(
    service: GoogleService, change: Mapping[str, str], message: str
) -> None:
    source = Source({**_values(service), **change})
    async with open_session() as session:
        with pytest.raises(ConfigError, match=message):
            async with open_google(source, session):
                pass


async def test_something_else_answers() -> None:
    async def page(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with serving(page) as url, open_session() as session:
        async with open_google(Source(values(url, "bucket")), session) as provider:
            for work in (provider.head("key"), provider.put("key", b"data"), listing(provider)):
                with pytest.raises(ProtocolError, match=r"bucket.*text/html"):
                    await work
            with pytest.raises(ProtocolError, match="names no session"):
                await provider.begin("key", 10)


class Fresh(Source):
    """Give another token each time; the service takes the last one only."""

    def __init__(self, service: GoogleService) -> None:
        super().__init__({})
        self._service = service

    async def current(self) -> Mapping[str, str]:
        return _values(self._service, self._service.renew())


async def test_every_request_asks_for_credentials(service: GoogleService) -> None:
    data = content(PART + 10)
    async with open_session() as session, open_google(Fresh(service), session) as provider:
        upload = await provider.begin("key", len(data))
        parts = [
            await provider.put_part(upload, 1, 0, Body.of(data[:PART])),
            await provider.put_part(upload, 2, PART, Body.of(data[PART:])),
        ]
        await provider.complete(upload, parts)
        assert await read(provider, "key") == data


@pytest.mark.thorough
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "serial"])
async def test_token_that_expires_under_way(service: GoogleService, parallel: bool) -> None:
    service.parallel = parallel
    data = content(3 * PART)
    source = Source(_values(service), _values(service, "second"), _values(service, "third"))
    async with open_session() as session, open_google(source, session) as provider:
        upload = await provider.begin("key", len(data))
        service.tokens = {"second"}
        parts = await send(provider, upload, data, PART)
        service.tokens = {"third"}
        await provider.complete(upload, parts)
        assert await read(provider, "key") == data
    assert source.values["access_token"] == "third"


async def test_refused_token_is_renewed_once(service: GoogleService) -> None:
    service.tokens = {"another"}
    source = Source(_values(service), _values(service, "second"), _values(service, "third"))
    async with open_session() as session, open_google(source, session) as provider:
        for renewals in (1, 2, 3):
            before = len(service.log)
            with pytest.raises(AuthenticationError, match="ask for new credentials") as caught:
                await provider.put("key", b"data")
            assert source.renewals == renewals
            # There is no fourth token, so the third is not sent again.
            assert len(service.log) - before == (2 if renewals < 3 else 1)
            assert caught.value.status == 401 and caught.value.code == "authError"
            assert "second" not in str(caught.value) and "third" not in str(caught.value)
