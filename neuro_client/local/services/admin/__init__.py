"""Quotas of users and organisations (disks-…-accounts.md §4.1)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ...errors import not_allowed, refuse
from ...requests import username_of
from ..base import Platform, Quota, Service

ROOT = "/apis/admin/v1/clusters/{cluster}"


def create(platform: Platform) -> Service:
    """Build the service."""
    handlers = _Handlers(platform)
    return Service(
        name="admin",
        routes=[
            web.get(f"{ROOT}/users/{{user}}", handlers.user),
            web.get(f"{ROOT}/orgs/{{org}}", handlers.org),
            web.get(f"{ROOT}/orgs/{{org}}/users/{{user}}", handlers.user),
        ],
    )


class _Handlers:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def user(self, request: web.Request) -> web.Response:
        """Answer a user's limits and what the user has spent."""
        cluster, org = self._place(request)
        name = request.match_info["user"]
        if name != username_of(request):
            raise not_allowed([{"uri": f"user://{name}", "action": "read"}])
        quota = await self._platform.quotas.get(name, cluster, org)
        answer = {"user_name": name, "role": "user", **_limits(quota)}
        if org is not None:
            answer["org_name"] = org
        return web.json_response(answer)

    async def org(self, request: web.Request) -> web.Response:
        """Answer an organisation's limits on a cluster."""
        cluster, org = self._place(request)
        quota = await self._platform.quotas.get(None, cluster, org)
        return web.json_response(
            {"org_name": org, "default_role": "user", "maintenance": False, **_limits(quota)}
        )

    def _place(self, request: web.Request) -> tuple[str, str | None]:
        name, org = request.match_info["cluster"], request.match_info.get("org")
        cluster = self._platform.settings.clusters.get(name)
        if cluster is None or org not in (None, *cluster.orgs):
            raise refuse(404, f"There is no such place: cluster {name!r}, organisation {org!r}")
        return name, org


def _limits(quota: Quota) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if quota.total_running_jobs is not None:
        limits["total_running_jobs"] = quota.total_running_jobs
    balance = {"spent_credits": str(quota.spent_credits)}
    if quota.credits is not None:
        balance["credits"] = str(quota.credits)
    return {"quota": limits, "balance": balance}
