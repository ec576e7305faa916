"""Requests to the endpoint, signed by the published signer and sent as they are."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit
from xml.etree import ElementTree

import aiohttp
import attrs
import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Key

BUCKET = "data"
Body = Any
_LARGE = 2**18


@contextmanager
def clock(off: timedelta) -> Iterator[None]:
    """Let the signer's clock be wrong."""
    with patch.object(botocore.auth, "get_current_datetime", lambda: datetime.now(UTC) + off):
        yield


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Sign what the caller says about the body, not what the body is."""

    def __init__(self, credentials: Credentials, region: str, payload: str | None) -> None:
        super().__init__(credentials, "s3", region)
        self._payload = payload

    def payload(self, request: AWSRequest) -> str:
        """Return what stands for the body."""
        return str(super().payload(request)) if self._payload is None else self._payload


@attrs.frozen
class Answer:
    """Hold a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def xml(self) -> ElementTree.Element:
        """Return the document, without namespaces."""
        root = ElementTree.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    @property
    def code(self) -> str:
        """Return the code of a refusal."""
        return self.xml.findtext("Code", "")

    @property
    def told(self) -> tuple[int, str]:
        """Return status and code of a refusal."""
        return self.status, self.code

    def texts(self, path: str) -> list[str]:
        """Return the texts of all elements of a path."""
        return [element.text or "" for element in self.xml.findall(path)]


@attrs.frozen
class _Control:
    url: URL


@attrs.frozen
class Remote:
    """Stand for a platform where there is only an endpoint."""

    s3: _Control

    @classmethod
    def at(cls, url: str) -> Any:
        """Return what stands for the platform of an endpoint."""
        return cls(_Control(URL(url)))


@attrs.frozen
class Wire:
    """Send requests with one key; ``region`` is what they are signed for."""

    platform: LocalPlatform
    session: aiohttp.ClientSession
    key: Key | None
    region: str = "local"

    @property
    def root(self) -> str:
        """Return the root of the endpoint."""
        return str(self.platform.s3.url).rstrip("/")

    def evolve(self, **changes: Any) -> Wire:
        """Return the same with changes."""
        return attrs.evolve(self, **changes)

    @property
    def _credentials(self) -> Credentials:
        assert self.key is not None
        return Credentials(
            self.key.access_key_id, self.key.secret_access_key, self.key.session_token
        )

    def signed(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        payload: str | None = None,
    ) -> dict[str, str]:
        """Return the headers of a signed request; *path* is encoded and has the query."""
        data = body if isinstance(body, bytes) else b""
        request = AWSRequest(method, f"{self.root}{path}", dict(headers or {}), data)
        if self.key is not None:
            _Signer(self._credentials, self.region, payload).add_auth(request)
        return dict(request.headers.items())

    def presigned(
        self,
        method: str,
        path: str,
        expires: int = 60,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return path and query of a presigned request."""
        request = AWSRequest(method, f"{self.root}{path}", dict(headers or {}), b"")
        S3SigV4QueryAuth(self._credentials, "s3", self.region, expires).add_auth(request)
        parts = urlsplit(request.url)
        return f"{parts.path}?{parts.query}"

    async def call(
        self,
        method: str,
        path: str = f"/{BUCKET}",
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        payload: str | None = None,
    ) -> Answer:
        """Send a signed request."""
        return await self.send(
            method, path, self.signed(method, path, headers, body, payload), body
        )

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Body = b""
    ) -> Answer:
        """Send a request as it is."""
        address = URL(f"{self.root}{path}", encoded=True)
        skip = ("Content-Type", "Accept-Encoding")
        if isinstance(body, bytes) and len(body) > _LARGE:
            body = BytesIO(body)
        async with self.session.request(
            method,
            address,
            headers=headers,
            data=body or None,
            skip_auto_headers=skip,
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def put(self, key: str, body: Body = b"data", **headers: str) -> Answer:
        """Put an object; underscores in names of headers are dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.call("PUT", f"/{BUCKET}/{key}", named, body)
        assert answer.status == 200, answer.body
        return answer

    async def get(self, key: str, **headers: str) -> Answer:
        """Get an object."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("GET", f"/{BUCKET}/{key}", named)

    async def read(self, key: str) -> bytes:
        """Return the content of an object."""
        answer = await self.get(key)
        assert answer.status == 200, answer.body
        return answer.body


@attrs.define
class ChunkSigner:
    """Sign the chunks of a stream, from the public description of the process."""

    secret: str
    region: str
    moment: str
    previous: str

    @classmethod
    def of(cls, wire: Wire, headers: Mapping[str, str]) -> ChunkSigner:
        """Go on from the signature of a request."""
        assert wire.key is not None
        seed = headers["Authorization"].rpartition("Signature=")[2]
        return cls(wire.key.secret_access_key, wire.region, headers["X-Amz-Date"], seed)

    def _sign(self, *lines: str) -> str:
        date = self.moment[:8]
        key = f"AWS4{self.secret}".encode()
        for part in (date, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        scope = f"{date}/{self.region}/s3/aws4_request"
        kind, *rest = lines
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.moment, scope, self.previous, *rest))
        self.previous = hmac.digest(key, text.encode(), "sha256").hex()
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        """Return a chunk with its head."""
        empty, own = hashlib.sha256().hexdigest(), hashlib.sha256(data).hexdigest()
        head = f"{len(data):x};chunk-signature={self._sign('PAYLOAD', empty, own)}\r\n"
        return head.encode() + data + b"\r\n" if data else head.encode()

    def trailer(self, name: str, value: str) -> bytes:
        """Return the trailer and what ends it."""
        line = f"{name}:{value}"
        signature = self._sign("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        return f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
