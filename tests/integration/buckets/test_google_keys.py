"""Buckets imported with the key of a Google service account."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from neuro_client.buckets.google import open_google
from neuro_client.errors import (
    AuthenticationError,
    ConfigError,
)
from neuro_client.transport import open_session

from .bench import Source, listing
from .fake_gcs import values
from .google_service import GoogleService, google_service, serving


@pytest.fixture
async def service() -> AsyncIterator[GoogleService]:
    async with google_service() as service:
        yield service


def _values(service: GoogleService, token: str = "token") -> dict[str, str]:
    return values(service.url, service.bucket, token)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """Make the key of a service account."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class TokenService:
    """Give a token to who signs with the right key, as Google's own does."""

    def __init__(self, service: GoogleService, key: rsa.RSAPrivateKey) -> None:
        self._service = service
        self._key = key
        self.life = 3600
        self.claims: list[dict[str, object]] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        form = parse_qs((await request.read()).decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        head, claims, signature = form["assertion"][0].split(".")
        kind = padding.PKCS1v15(), hashes.SHA256()
        try:
            self._key.public_key().verify(_decoded(signature), f"{head}.{claims}".encode(), *kind)
        except InvalidSignature:
            error = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(error, status=400)
        self.claims.append(json.loads(_decoded(claims)))
        token = self._service.renew()
        return web.json_response({"access_token": token, "expires_in": self.life})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key_data(key: rsa.RSAPrivateKey, address: str) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    info = {
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "token_uri": address,
    }
    return base64.b64encode(json.dumps(info).encode()).decode()


def _imported(service: GoogleService, key_data: str) -> dict[str, str]:
    found = _values(service)
    del found["access_token"], found["expire_time"]
    return {**found, "key_data": key_data}


async def test_imported_bucket(service: GoogleService, key: rsa.RSAPrivateKey) -> None:
    tokens = TokenService(service, key)
    async with serving(tokens) as url, open_session() as session:
        source = Source(_imported(service, _key_data(key, f"{url}/token")))
        async with open_google(source, session) as provider:
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(provider.put(f"key{number}", b"data"))
            assert len(await listing(provider)) == 5
    (claims,) = tokens.claims
    assert claims["iss"] == "robot@project.iam.gserviceaccount.com"
    assert claims["aud"] == f"{url}/token"
    assert claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_write"


async def test_expired_token_of_a_key(service: GoogleService, key: rsa.RSAPrivateKey) -> None:
    tokens = TokenService(service, key)
    tokens.life = 0
    async with serving(tokens) as url, open_session() as session:
        source = Source(_imported(service, _key_data(key, url)))
        async with open_google(source, session) as provider:
            await provider.put("key", b"data")
            service.renew()
            # It came a moment ago: it is believed to be refused for another reason.
            with pytest.raises(AuthenticationError):
                await provider.head("key")


async def test_revoked_key(service: GoogleService, key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with serving(TokenService(service, key)) as url, open_session() as session:
        source = Source(_imported(service, _key_data(other, url)))
        async with open_google(source, session) as provider:
            with pytest.raises(
                AuthenticationError, match=r"Invalid JWT Signature.*revoked"
            ) as told:
                await provider.head("key")
    assert "eyJ" not in str(told.value)


@pytest.mark.parametrize("key_data", ["%%%", "bm8ganNvbg==", "e30=", "W10="])
async def test_unusable_key(service: GoogleService, key_data: str) -> None:
    source = Source(_imported(service, key_data))
    async with open_session() as session, open_google(source, session) as provider:
        with pytest.raises(ConfigError, match="not a service account's key file") as caught:
            await provider.head("key")
    assert key_data not in str(caught.value)


async def test_key_without_google_auth(
    service: GoogleService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    source = Source(_imported(service, "e30="))
    async with open_session() as session, open_google(source, session) as provider:
        with pytest.raises(ConfigError, match=r"pip install 'neuro_client\[google\]'"):
            await provider.head("key")
