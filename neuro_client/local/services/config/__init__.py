"""The configuration a client starts from (config-and-auth.md §3, dialect of the 22 releases)."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from ...errors import unauthorized
from ...requests import caller_of
from ...settings import ClusterSettings, PresetSettings
from ..base import Platform, Service

MIB = 2**20
# Where the command line waits for the browser to come back (config-and-auth.md §3.1).
CALLBACK_PORTS = (54540, 54541, 54542)
CLIENT_ID = "local-cli"
_PLAIN_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


def callback_urls() -> list[str]:
    """Return the addresses a browser may be sent back to."""
    return [f"http://127.0.0.1:{port}" for port in CALLBACK_PORTS]


def create(platform: Platform) -> Service:
    """Build the service."""
    handlers = _Handlers(platform)
    return Service(
        name="config",
        routes=[
            web.get("/ping", _pong),
            web.get("/api/v1/ping", _pong),
            web.get("/api/v1/secured-ping", _secured_pong),
            web.get("/api/v1/config", handlers.config),
            web.post("/api/v1/config/clusters/sync", handlers.sync),
        ],
        public=("/ping", "/api/v1/ping", "/api/v1/config"),
    )


async def _pong(request: web.Request) -> web.Response:
    return web.Response(text="Pong")


async def _secured_pong(request: web.Request) -> web.Response:
    return web.Response(text="Secured Pong")


class _Handlers:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def config(self, request: web.Request) -> web.Response:
        """Answer everybody with the way to log in, users with their clusters too."""
        root = self._root(request)
        answer: dict[str, Any] = {
            "authorized": False,
            "auth_url": str(root / "auth/authorize"),
            "token_url": str(root / "auth/token"),
            "logout_url": str(root / "auth/logout"),
            "client_id": CLIENT_ID,
            "audience": str(self._platform.url),
            "callback_urls": callback_urls(),
            "headless_callback_url": str(root / "auth/code"),
        }
        if caller_of(request) is not None:
            answer["authorized"] = True
            answer["admin_url"] = str(root / "apis/admin/v1")
            answer["clusters"] = [
                self._cluster(cluster, root)
                for cluster in self._platform.settings.clusters.values()
            ]
        return web.json_response(answer)

    async def sync(self, request: web.Request) -> web.Response:
        """Do what there is to do when clusters have changed: nothing, they cannot."""
        if caller_of(request) is None:
            raise unauthorized()
        return web.Response(text="OK")

    def _root(self, request: web.Request) -> URL:
        """Return the address that the caller reached us by, which may be a proxy's."""
        host = request.headers.get(hdrs.HOST, "")
        if not _PLAIN_HOST.fullmatch(host):
            return self._platform.url
        try:
            root = URL(f"{self._platform.url.scheme}://{host}")
            # Its parts are read when an address is made of it.
            _ = str(root / "ping")
            return root
        except ValueError:
            return self._platform.url

    def _cluster(self, cluster: ClusterSettings, root: URL) -> dict[str, Any]:
        api = root / "api/v1"
        return {
            "name": cluster.name,
            "orgs": list(cluster.orgs),
            "registry_url": str(self._platform.registry(cluster.name)),
            "storage_url": _of(api, "storage", cluster),
            "users_url": str(api / "users"),
            "monitoring_url": str(api / "monitoring" / cluster.name / "jobs"),
            "secrets_url": _of(api, "secrets", cluster),
            "disks_url": _of(api, "disk", cluster),
            "buckets_url": _of(api, "buckets", cluster),
            "resource_presets": [
                _preset(preset) for preset in self._platform.settings.presets.values()
            ],
        }


def _of(api: URL, service: str, cluster: ClusterSettings) -> str:
    return str(api / service / cluster.name)


def _preset(preset: PresetSettings) -> dict[str, Any]:
    return {
        "name": preset.name,
        "credits_per_hour": str(preset.credits_per_hour),
        "cpu": preset.cpu,
        "memory": preset.memory,
        "memory_mb": preset.memory // MIB,
        "scheduler_enabled": preset.scheduler_enabled,
        "preemptible_node": preset.preemptible_node,
        "is_preemptible": preset.scheduler_enabled,
        "is_preemptible_node_required": preset.preemptible_node,
    }
