"""Requests for objects of the S3 endpoint, signed as our client signs them on loopback."""

from __future__ import annotations

import asyncio
import base64
import zlib
from pathlib import Path

import attrs
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

import neuro_client

from . import load

_BUCKET = "rates"


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Leave the body out of the signature."""

    def payload(self, _: AWSRequest) -> str:
        """Return the word that stands for no hash."""
        return "UNSIGNED-PAYLOAD"


@attrs.frozen
class Objects:
    """Make requests for the objects of one bucket."""

    home: URL
    _signer: _Signer

    def request(self, method: str, name: str, body: bytes = b"") -> load.Request:
        """Put together the request for one object; the signature holds for 15 minutes."""
        headers = {"x-amz-checksum-mode": "ENABLED"}
        if method == "PUT":
            checksum = zlib.crc32(body).to_bytes(4, "big")
            headers = {"x-amz-checksum-crc32": base64.b64encode(checksum).decode()}
        url = self.home / name
        signed = AWSRequest(method, str(url), headers=headers, data=body)
        self._signer.add_auth(signed)
        return load.request(method, url, dict(signed.headers.items()), body)


def objects(config: Path) -> Objects:
    """Make a bucket and a key for it."""
    return asyncio.run(_objects(config))


async def _objects(config: Path) -> Objects:
    async with neuro_client.get(path=config) as client:
        bucket = await client.buckets.create(_BUCKET)
        made = await client.buckets.persistent_credentials_create([bucket.id], _BUCKET)
    account = made.credentials[0].credentials
    keys = Credentials(account["access_key_id"], account["secret_access_key"])
    home = URL(account["endpoint_url"]) / account["bucket_name"]
    return Objects(home, _Signer(keys, "s3", account["region_name"]))
