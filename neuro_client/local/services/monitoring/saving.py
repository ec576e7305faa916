"""Saving a running job as an image, told line by line (jobs.md §10)."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from ...errors import refuse
from ...requests import read_json, username_of
from ...runners import RunnerError
from ..base import Platform
from .control import monitored


class SaveHandler:
    """Answer the request to save a job."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def save(self, request: web.Request) -> web.StreamResponse:
        """Commit the container and push it; what goes wrong then is a line of the answer."""
        job = await monitored(self._platform, request, "write")
        image = _image(await read_json(request))
        registry = self._platform.registry(job.cluster).authority
        repository = image.removeprefix(f"{registry}/").rpartition(":")[0]
        if not image.startswith(f"{registry}/") or not repository:
            raise refuse(400, f"{image!r} is not an image with a tag in the registry {registry}")
        uri = URL.build(scheme="image", host=job.cluster, path=f"/{repository}")
        user = username_of(request)
        await self._platform.access.require(user, [(uri, "write")])
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "application/x-ndjson; charset=utf-8"}
        )
        await response.prepare(request)
        run = self._platform.jobs.current_run(job.id)
        if run is None:
            await _line(response, {"error": f"job {job.id} is not running"})
        else:
            await self._told(response, job.id, run, image, user)
        await response.write_eof()
        return response

    async def _told(
        self, response: web.StreamResponse, job_id: str, run: int, image: str, user: str
    ) -> None:
        token = await self._platform.issue_token(user, expires_in=3600)
        records = self._platform.jobs.runner.saved(job_id, run, image, token)
        try:
            async with aclosing(records) as found:
                async for record in found:
                    await _line(response, record)
        except RunnerError as error:
            await _line(response, {"error": str(error), "errorDetail": {"message": str(error)}})


def _image(body: Any) -> str:
    try:
        image = body["container"]["image"]
    except (KeyError, TypeError):
        image = None
    if not isinstance(image, str) or not image:
        raise refuse(400, "The body must have container.image")
    return image


async def _line(response: web.StreamResponse, record: Any) -> None:
    await response.write(json.dumps(record).encode() + b"\r\n")
