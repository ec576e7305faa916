"""Signals and capacity (jobs.md §11)."""

from __future__ import annotations

from aiohttp import web
from yarl import URL

from ...errors import not_allowed, refuse
from ...scheduler import Job
from ..base import Platform
from ..jobs.lookup import find, username


async def monitored(platform: Platform, request: web.Request, action: str) -> Job:
    """Give the job of the path, which must run in the cluster of the path."""
    job = await find(platform, request, action)
    if job.cluster != request.match_info["cluster"]:
        raise refuse(400, f"no such job {job.id} in cluster {request.match_info['cluster']}")
    return job


class ControlHandlers:
    """Answer the small requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def kill(self, request: web.Request) -> web.Response:
        """Send SIGKILL; 404 when the job does not run."""
        job = await monitored(self._platform, request, "write")
        if not await self._platform.jobs.kill(job.id):
            raise refuse(404, f"job {job.id} is not running")
        return web.Response(status=204)

    async def capacity(self, request: web.Request) -> web.Response:
        """Tell how many more jobs of each preset would fit now."""
        name, user = request.match_info["cluster"], username(request)
        settings = self._platform.settings
        if name not in settings.clusters:
            raise refuse(404, f"There is no cluster {name!r}")
        wanted = [(URL(f"job://{name}/{user}"), "read"), (URL(f"cluster://{name}/access"), "read")]
        missing = await self._platform.access.missing(user, wanted)
        if len(missing) == len(wanted):
            raise not_allowed(missing)
        free = self._platform.jobs.free()
        return web.json_response(
            {
                preset.name: free.count(preset.cpu, preset.memory)
                for preset in settings.presets.values()
            }
        )
