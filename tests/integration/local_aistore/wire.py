"""Requests to the stand-in of a cluster, as bare HTTP: redirects are followed only when asked."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import Any

import aiohttp
import attrs
from multidict import CIMultiDictProxy
from yarl import URL

BUCKET = "b1"
_LARGE = 2**20 - 1


@attrs.frozen
class Answer:
    """Hold a response."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    @property
    def location(self) -> URL:
        """Return where a redirect leads, unchanged."""
        return URL(self.headers["Location"], encoded=True)

    @property
    def told(self) -> tuple[int, str]:
        """Return status and kind of a refusal."""
        text = self.headers.get("Hdr-Error") or self.body
        document = json.loads(text) if text else {}
        return self.status, document.get("tcode", "")

    @property
    def message(self) -> str:
        """Return what a refusal says."""
        return str(json.loads(self.headers.get("Hdr-Error") or self.body)["message"])


def action(name: str, value: Any = None, about: str = "") -> dict[str, Any]:
    """Make an ActionMsg."""
    return {"action": name, "name": about, "value": value}


@attrs.frozen
class Wire:
    """Speak to the proxy, and to where it sends."""

    url: URL
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str | URL, *, headers: Any = None, **body: Any
    ) -> Answer:
        """Send one request; ``json`` or ``data`` is its body."""
        url = path if isinstance(path, URL) else URL(f"{str(self.url).rstrip('/')}{path}")
        if isinstance(path, str):
            url = URL(f"{str(self.url).rstrip('/')}{path}", encoded=True)
        async with self.session.request(
            method, url, headers=headers, allow_redirects=False, **body
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def follow(self, method: str, path: str, *, headers: Any = None, **body: Any) -> Answer:
        """Send a request to the proxy, then to the target; bytes go to the target only."""
        first = {"json": body["json"]} if "json" in body else {}
        answer = await self.call(method, path, headers=headers, **first)
        if answer.status not in (301, 307):
            return answer
        return await self.call(method, answer.location, headers=headers, **body)

    async def create(self, name: str = BUCKET, **options: Any) -> None:
        """Make a bucket."""
        await self.good("POST", f"/v1/buckets/{name}", json=action("create-bck", **options))

    async def good(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request that succeeds."""
        answer = await self.follow(method, path, **options)
        assert answer.status < 300, (method, path, answer)
        return answer

    async def put(self, name: str, content: bytes, bucket: str = BUCKET, **options: Any) -> Answer:
        """Write an object."""
        body = BytesIO(content) if len(content) > _LARGE else content
        return await self.good("PUT", f"/v1/objects/{bucket}/{name}", data=body, **options)

    async def get(self, name: str, bucket: str = BUCKET) -> bytes:
        """Read an object."""
        return (await self.good("GET", f"/v1/objects/{bucket}/{name}")).body

    async def listed(self, bucket: str = BUCKET, query: str = "", **value: Any) -> Any:
        """Return one page of a list."""
        path = f"/v1/buckets/{bucket}?{query}"
        return (await self.good("GET", path, json=action("list", value))).json

    async def names(self, bucket: str = BUCKET, query: str = "", **value: Any) -> list[str]:
        """Return the names of one page of a list."""
        page = await self.listed(bucket, query, **value)
        return [entry["name"] for entry in page["entries"] or []]

    async def job(self, method: str, path: str, name: str, value: Any = None) -> str:
        """Start a job and return its id."""
        return (await self.good(method, path, json=action(name, value))).text

    async def ended(self, job: str) -> dict[str, Any]:
        """Wait until every snapshot of a job is idle; return the first, and all objects."""
        async with asyncio.timeout(20):
            while True:  # there is no event to wait for
                answer = await self.good("GET", "/v1/cluster?what=qryxstats", json={"id": job})
                found = [snapshot for one in answer.json.values() for snapshot in one]
                if all(snapshot["is_idle"] for snapshot in found):
                    objects = sum(int(snapshot["stats"]["loc-objs"]) for snapshot in found)
                    return dict(found[0], nodes=len(answer.json), objects=objects)
                await asyncio.sleep(0.01)
