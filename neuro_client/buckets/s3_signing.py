"""Addresses and signatures of S3 requests; botocore's signer does the signing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs
from botocore.auth import S3SigV4Auth
from botocore.credentials import Credentials
from yarl import URL

_AWS = ".amazonaws.com"
UNSIGNED = "UNSIGNED-PAYLOAD"
_KEPT_KEYS = 16
"""Steps on the way to a signing key that are kept; a day needs four."""


class _Headers(dict[str, str]):
    """Hold headers as the signer reads them, without the parsing that botocore's own do."""

    def get_all(self, name: str) -> list[str]:
        """Return the one value of a header."""
        return [self[name]]


@attrs.define(eq=False, repr=False)
class _Request:
    """Be what the signer needs of botocore's request, which costs more to make than to sign."""

    method: str
    url: str
    headers: dict[str, str]
    context: dict[str, Any]
    params: None = None


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Sign with the content's hash that the caller has chosen, every header that is sent."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        super().__init__(credentials, "s3", region)
        self._keys: dict[tuple[bytes, str], bytes] = {}
        self._hosts: dict[str, str] = {}

    def payload(self, request: _Request) -> str:
        """Return the hash, or the word that stands for none."""
        return str(request.context["payload"])

    def headers_to_sign(self, request: _Request) -> _Headers:
        """Return the headers, once for the two times that they are asked for."""
        found: _Headers | None = request.context.get("signed")
        if found is None:
            found = _Headers((name.lower(), value) for name, value in request.headers.items())
            found["host"] = self._host(request.url)
            request.context["signed"] = found
        return found

    def _host(self, url: str) -> str:
        origin = url[: url.index("/", url.index("://") + 3)]
        if origin not in self._hosts:
            bare = _Request("GET", url, {}, {})
            self._hosts[origin] = super().headers_to_sign(bare)["host"]
        return self._hosts[origin]

    def _sign(self, key: bytes, message: str, hex: bool = False) -> Any:
        """Keep the steps to the key of a day, which are the same for each request."""
        if hex:
            return super()._sign(key, message, hex)
        step = key, message
        found = self._keys.get(step)
        if found is None:
            if len(self._keys) >= _KEPT_KEYS:
                self._keys.clear()
            found = self._keys[step] = super()._sign(key, message)
        return found


@attrs.frozen
class Address:
    """Name a bucket and who asks for it; ``base`` is the root of its keys.

    ``private`` tells that nobody else can change a body on its way.
    """

    bucket: str
    endpoint: str
    region: str
    base: str
    virtual: bool
    private: bool

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Address:
        """Read the credentials of a bucket; Amazon gets the bucket as a part of the host."""
        bucket = values["bucket_name"]
        region = values.get("region_name") or "us-east-1"
        endpoint = (values.get("endpoint_url") or f"https://s3.{region}{_AWS}").rstrip("/")
        virtual = URL(endpoint).host is not None and str(URL(endpoint).host).endswith(_AWS)
        virtual = virtual and "." not in bucket
        base = f"{endpoint}/{quote(bucket, safe='')}"
        if virtual:
            scheme, _, host = endpoint.partition("://")
            base = f"{scheme}://{bucket}.{host}"
        return cls(bucket, endpoint, region, base, virtual, _private(URL(endpoint)))

    def url(self, key: str, query: str = "") -> str:
        """Return the address of a key, or of the bucket for the empty one."""
        path = quote(key, safe="/-_.~")
        slash = "/" if key or self.virtual else ""  # buckets.md §6.1
        return f"{self.base}{slash}{path}{'?' if query else ''}{query}"


def _private(url: URL) -> bool:
    if url.scheme == "https" or url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host or "").is_loopback
    except ValueError:
        return False


class Access:
    """Hold what one set of credentials leads to, and sign with it."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.address = Address.of(values)
        credentials = Credentials(
            values["access_key_id"], values["secret_access_key"], values.get("session_token")
        )
        self._signer = _Signer(credentials, self.address.region)

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], payload: str
    ) -> dict[str, str]:
        """Return the headers with those of the signature."""
        request = _Request(method, url, dict(headers), {"payload": payload})
        self._signer.add_auth(request)
        return request.headers
