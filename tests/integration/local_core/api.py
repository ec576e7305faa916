"""Plain HTTP calls to a platform, without any code of the client under test."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
import attrs
from multidict import CIMultiDictProxy
from yarl import URL

from neuro_client.local import LocalPlatform


@attrs.frozen
class Answer:
    """Hold one complete answer."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """Return the body as JSON; it must be declared as such."""
        assert self.headers["Content-Type"].startswith("application/json"), self.text
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """Return the body's JSON lines; each must end with CRLF."""
        assert self.headers["Content-Type"].startswith("application/x-ndjson"), self.text
        parts = self.body.split(b"\r\n")
        assert parts.pop() == b""
        return [json.loads(part) for part in parts]


@attrs.frozen
class Api:
    """Call a platform as one user."""

    platform: LocalPlatform
    session: aiohttp.ClientSession

    @classmethod
    @asynccontextmanager
    async def open(cls, platform: LocalPlatform, token: str | None) -> AsyncIterator[Self]:
        """Open a session; without a token the calls are anonymous."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            yield cls(platform, session)

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        """Send one request to a path, sent as it is written."""
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])
        url = URL(f"{self.platform.url}".rstrip("/") + path, encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def storage(
        self,
        method: str,
        path: str | bytes,
        op: str | None = None,
        *,
        cluster: str = "default",
        query: dict[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """Call the storage; ``path`` is not quoted yet."""
        words = {} if op is None else {"op": op}
        words.update(query or {})
        text = f"?{urlencode(words, quote_via=quote)}" if words else ""
        target = f"/api/v1/storage/{cluster}/{quote(path)}{text}"
        return await self.call(method, target, **options)

    async def put(self, path: str | bytes, data: bytes = b"data") -> None:
        """Create a file and expect it to work."""
        answer = await self.storage("PUT", path, "CREATE", data=data)
        assert answer.status == 201, answer.text

    async def get(self, path: str | bytes) -> bytes:
        """Read a file and expect it to work."""
        answer = await self.storage("GET", path)
        assert answer.status == 200, answer.text
        return answer.body

    async def names(self, path: str) -> set[str]:
        """Return the names in a folder."""
        answer = await self.storage("GET", path, "LISTSTATUS")
        assert answer.status == 200, answer.text
        return {item["path"] for item in answer.json["FileStatuses"]["FileStatus"]}
