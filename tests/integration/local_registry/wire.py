"""The registry as a container engine sees it: plain requests, one at a time."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import ClientSession
from yarl import URL

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data: bytes) -> str:
    """Return the digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@attrs.frozen
class Answer:
    """One answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of a refusal."""
        return str(self.json["errors"][0]["code"])


class Wire:
    """Speak to one registry as one user."""

    def __init__(self, session: ClientSession, root: URL) -> None:
        self._session = session
        self.root = root

    @property
    def authorization(self) -> str:
        """Return the header that every request carries."""
        return self._session.headers["Authorization"]

    @classmethod
    @asynccontextmanager
    async def open(cls, root: URL, token: str | None) -> AsyncIterator[Wire]:
        """Connect with a token, or with nothing."""
        headers = {}
        if token is not None:
            pair = base64.b64encode(f"token:{token}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        async with ClientSession(headers=headers) as session:
            yield cls(session, root)

    async def call(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """Send a request to a path, or to where an answer pointed."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.root.join(URL(path, encoded=True))
        async with self._session.request(method, url, data=data, headers=names) as response:
            return Answer(response.status, response.headers, await response.read())

    async def push_blob(self, repository: str, data: bytes) -> str:
        """Send a blob in one request."""
        digest = digest_of(data)
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        answer = await self.call("POST", path, data)
        assert answer.status == 201, answer.body
        assert answer.headers["Docker-Content-Digest"] == digest
        return digest

    async def push_image(self, repository: str, tag: str, *layers: bytes) -> str:
        """Send an image of some layers and return its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "tag": tag}).encode()
        await self.push_blob(repository, config)
        for layer in layers:
            await self.push_blob(repository, layer)
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"digest": digest_of(config), "size": len(config), "mediaType": "c"},
            "layers": [
                {"digest": digest_of(layer), "size": len(layer), "mediaType": "l"}
                for layer in layers
            ],
        }
        return await self.push_manifest(repository, tag, document)

    async def push_manifest(
        self, repository: str, tag: str, document: Mapping[str, Any], kind: str = MANIFEST
    ) -> str:
        """Send a manifest under a tag."""
        content = json.dumps(document).encode()
        path = f"/v2/{repository}/manifests/{tag}"
        answer = await self.call("PUT", path, content, Content_Type=kind)
        assert answer.status == 201, answer.body
        assert answer.headers["Docker-Content-Digest"] == digest_of(content)
        return digest_of(content)
