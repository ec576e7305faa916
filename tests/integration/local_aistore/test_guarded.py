"""A cluster that other machines may reach asks for tokens and trusts no address by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from neuro_client.local import LocalPlatform

from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough

HOST = "127.0.0.2"
"""Loopback, but not under a name that the platform takes for it."""


def certify(folder: Path) -> tuple[Path, Path]:
    """Write a certificate and its key; blocks."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


async def test_nothing_is_open(tmp_path: Path) -> None:
    tls = await asyncio.to_thread(certify, tmp_path)
    async with (
        LocalPlatform(tmp_path / "data", port=0, host=HOST, allow_remote=True, tls=tls) as platform,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
    ):
        cluster = platform.aistore
        wire = Wire(cluster.url, session)
        bearer = {"Authorization": f"Bearer {platform.token}"}
        target = Wire(cluster.node_url(cluster.targets[0]), session)
        for node in (wire, target):
            assert (await node.call("GET", "/v1/daemon?what=smap")).status == 401
            assert (await node.call("GET", "/v1/health")).status == 200
        assert (await wire.call("PUT", "/v1/etl", json={})).status == 401
        login = await wire.call("POST", "/v1/users/admin", json={"password": "admin"})
        assert login.status == 401
        path = f"/v1/objects/{BUCKET}/o"
        create = action("create-bck")
        await wire.good("POST", f"/v1/buckets/{BUCKET}", json=create, headers=bearer)
        await wire.good("PUT", path, headers=bearer)
        location = (await wire.call("GET", path, headers=bearer)).location
        assert (await wire.call("GET", location)).status == 200
        for forged in (
            location.with_query(None),
            location.with_query(pid=cluster.proxy.id, utm="1"),
            location.with_path(f"/v1/objects/{BUCKET}/other", keep_query=True),
        ):
            assert (await wire.call("GET", forged)).status in (401, 403)
