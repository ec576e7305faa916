"""Tokens of AuthN, TLS and client certificates (aistore.md §5, §16.9)."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from neuro_client.aistore import AIStore, AuthN
from neuro_client.errors import AuthenticationError, ProtocolError, TransportError
from neuro_client.retry import NEVER

from .nodes import answer, failing, json_answer, nodes


async def test_tokens_are_got_and_revoked() -> None:
    async with nodes("authn") as (service,):
        service.plan(json_answer({"token": "hush"}))
        async with AuthN.connect(service.url, token="admin") as authn:
            token = await authn.login("ada/1", "secret", expires_in=timedelta(hours=1))
            assert token == "hush"
            [asked] = service.asked
            assert (asked.method, asked.target) == ("POST", "/v1/users/ada%2F1")
            assert json.loads(asked.body) == {"password": "secret", "expires_in": 3600 * 10**9}
            assert asked.headers["Authorization"] == "Bearer admin"
            service.plan(answer())
            await authn.revoke(token)
            assert (service.methods, json.loads(service.asked[0].body)) == (
                ["DELETE"],
                {"token": "hush"},
            )
            service.plan(json_answer([{"id": "ada"}]), json_answer(None))
            assert await authn.list_users() == [{"id": "ada"}]
            assert await authn.list_roles() == []
            service.plan(failing(401, "wrong password"))
            with pytest.raises(AuthenticationError) as info:
                await authn.login("ada", "secret")
            assert "secret" not in str(info.value)
            service.plan(json_answer({}))
            with pytest.raises(ProtocolError, match="no token"):
                await authn.login("ada", "secret")


class Authority:
    """Sign certificates for a test; everything is written into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.ca, _ = self._write("ca", self._name, self._key, authority=True)

    def issue(self, name: str) -> tuple[str, str]:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, subject, ec.generate_private_key(ec.SECP256R1()))

    def _write(
        self,
        name: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
    ) -> tuple[str, str]:
        now = datetime.now(UTC)
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        found = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(host, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate, private = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(found.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(certificate), str(private)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def encrypted(context: ssl.SSLContext) -> AsyncIterator[str]:
    async def health(_: web.Request) -> web.Response:
        return web.json_response([])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def server_side(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.ca)
    return context


@pytest.fixture
def client_pair(authority: Authority) -> tuple[str, str]:
    return authority.issue("client")


async def test_certificates_are_checked_on_both_sides(
    authority: Authority, server_side: ssl.SSLContext, client_pair: tuple[str, str]
) -> None:
    async with encrypted(server_side) as url:
        async with AIStore.connect(url, retry_config=NEVER) as stranger:
            with pytest.raises(TransportError, match="certificate"):
                await stranger.cluster().list_buckets()
        async with AIStore.connect(url, skip_verify=True) as careless:
            assert await careless.cluster().list_buckets() == []
        async with AIStore.connect(url, ca_cert=authority.ca) as client:
            assert await client.cluster().list_buckets() == []
    server_side.verify_mode = ssl.CERT_REQUIRED
    async with encrypted(server_side) as url:
        async with AIStore.connect(url, ca_cert=authority.ca, retry_config=NEVER) as client:
            with pytest.raises(TransportError):
                await client.cluster().list_buckets()
        async with AIStore.connect(url, ca_cert=authority.ca, client_cert=client_pair) as known:
            assert await known.cluster().list_buckets() == []
