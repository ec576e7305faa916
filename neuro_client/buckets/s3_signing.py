"""Addresses and signatures of S3 requests; botocore's signer does the signing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import quote

import attrs
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

_AWS = ".amazonaws.com"
UNSIGNED = "UNSIGNED-PAYLOAD"


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Sign with the content's hash that the caller has chosen."""

    def payload(self, request: AWSRequest) -> str:
        """Return the hash, or the word that stands for none."""
        return str(request.context["payload"])


@attrs.frozen
class Address:
    """Name a bucket and who asks for it; ``base`` is the root of its keys."""

    bucket: str
    endpoint: str
    region: str
    base: str
    virtual: bool

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Address:
        """Read the credentials of a bucket; Amazon gets the bucket as a part of the host."""
        bucket = values["bucket_name"]
        region = values.get("region_name") or "us-east-1"
        endpoint = (values.get("endpoint_url") or f"https://s3.{region}{_AWS}").rstrip("/")
        virtual = URL(endpoint).host is not None and str(URL(endpoint).host).endswith(_AWS)
        virtual = virtual and "." not in bucket
        if virtual:
            scheme, _, host = endpoint.partition("://")
            return cls(bucket, endpoint, region, f"{scheme}://{bucket}.{host}", virtual)
        return cls(bucket, endpoint, region, f"{endpoint}/{quote(bucket, safe='')}", virtual)

    @property
    def private(self) -> bool:
        """Tell whether nobody else can change a body on its way."""
        url = URL(self.endpoint)
        if url.scheme == "https" or url.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(url.host or "").is_loopback
        except ValueError:
            return False

    def url(self, key: str, query: str = "") -> str:
        """Return the address of a key, or of the bucket for the empty one."""
        path = quote(key, safe="/-_.~")
        return f"{self.base}/{path}{'?' if query else ''}{query}"


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    payload: str,
    region: str,
    values: Mapping[str, str],
) -> dict[str, str]:
    """Return the headers with those of the signature."""
    request = AWSRequest(method, url, headers=dict(headers))
    request.context["payload"] = payload
    credentials = Credentials(
        values["access_key_id"], values["secret_access_key"], values.get("session_token")
    )
    _Signer(credentials, "s3", region).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}
