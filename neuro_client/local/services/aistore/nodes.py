"""What nodes tell of themselves: health, map, configuration, logs (aistore.md §6)."""

from __future__ import annotations

import asyncio
import os
import platform as machine
import shutil
import time
from typing import Any

from aiohttp import web

from .cluster import Cluster, Node
from .errors import AISError, bad_request
from .messages import flag, json_answer

_NODE_HEADER = "Ais-Node-Id"


class NodeHandlers:
    """Answer questions about nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def health(self, request: web.Request) -> web.Response:
        """Answer a liveness or readiness check, whatever the verb."""
        cluster = self._cluster
        asks = flag(request.query, "prr") or flag(request.query, "readiness")
        if asks and not cluster.started:
            raise AISError(503, f"{cluster.proxy.label}: cluster is not ready yet")
        uptime = str(cluster.uptime)
        return web.Response(headers={"Ais-Cluster-Uptime": uptime, "Ais-Node-Uptime": uptime})

    async def reverse(self, request: web.Request, rest: str) -> web.Response:
        """Answer for another node, which a header names."""
        if rest.strip("/") != "daemon":
            raise bad_request(f"invalid path {request.path!r}")
        name = request.headers.get(_NODE_HEADER, "")
        nodes = {node.id: node for node in [self._cluster.proxy, *self._cluster.targets]}
        if name not in nodes:
            raise AISError(404, f'node "{name}" does not exist', "errNodeNotFound")
        return await self.daemon(request, nodes[name])

    async def daemon(self, request: web.Request, node: Node) -> web.Response:
        """Answer a question of ``what``."""
        what = request.query.get("what", "")
        cluster = self._cluster
        match what:
            case "smap":
                return json_answer(cluster.smap())
            case "bmd":
                return json_answer(self._buckets())
            case "config" | "cluster_config":
                return json_answer(self._config())
            case "target_ips":
                hosts = [str(cluster.node_url(one).host) for one in cluster.targets]
                return json_answer(",".join(hosts), plain=True)
            case "snode":
                smap = cluster.smap()
                return json_answer({**smap["pmap"], **smap["tmap"]}[node.id])
            case "sysinfo":
                return json_answer(await asyncio.to_thread(self._system))
            case "node_status" | "status":
                return json_answer(await asyncio.to_thread(self._status, node))
            case "stats" | "node_stats" | "node_stats_v322":
                return json_answer({"tracker": self._metrics(node), "snode": node.id})
            case "metrics":
                return json_answer({})
            case "disk" | "disk_rwutil" | "disk_util":
                return json_answer({})
            case "log":
                line = f"I {time.strftime('%H:%M:%S')} {node.label} is a local stand-in\n"
                return web.Response(text=line)
        raise bad_request(f'invalid what "{what}"')

    def _version(self) -> str:
        return ".".join(map(str, self._cluster.version))

    def _status(self, node: Node) -> dict[str, Any]:
        snode = self._cluster.smap()
        return {
            "snode": {**snode["pmap"], **snode["tmap"]}[node.id],
            "cluster_info": {"smap": {"version": str(self._cluster.map_version)}},
            "sys_info": self._system(),
            "status": "online",
            "deployment": "local stand-in",
            "ais_version": self._version(),
            "build_time": "",
            "tracker": self._metrics(node),
            "capacity": self._capacity(),
        }

    def _metrics(self, node: Node) -> dict[str, Any]:
        names = ("put.n", "get.n", "del.n", "lst.n", "put.size", "get.size")
        return {name: {"v": "0"} for name in names} | {
            "up.ns.time": {"v": str(self._cluster.uptime)}
        }

    def _capacity(self) -> dict[str, Any]:
        usage = shutil.disk_usage(self._cluster.folder)
        percent = round(usage.used * 100 / usage.total)
        return {"used": str(usage.used), "avail": str(usage.free), "pct_used": percent}

    def _system(self) -> dict[str, Any]:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return {
            "mem_used": "0",
            "mem_avail": str(pages),
            "pct_mem_used": 0.0,
            "pct_cpu_used": 0.0,
            "system": machine.system(),
            "ais_version": self._version(),
        }

    def _buckets(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for bucket in self._cluster.store.buckets():
            space = f"@{bucket.bck.uuid}#{bucket.bck.namespace}"
            place = found.setdefault(bucket.bck.provider, {}).setdefault(space, {})
            place[bucket.bck.name] = bucket.props
        return {
            "version": str(len(found)),
            "uuid": self._cluster.smap()["uuid"],
            "providers": found,
        }

    def _config(self) -> dict[str, Any]:
        cluster = self._cluster
        return {
            "backend": {},
            "checksum": {"type": cluster.checksum, "validate_cold_get": False},
            "versioning": {"enabled": True, "validate_warm_get": False},
            "auth": {"enabled": cluster.require_tokens},
            "net": {"http": {"use_https": cluster.url.scheme == "https"}},
            "timeout": {"cplane_operation": "2s", "max_keepalive": "4s", "max_host_busy": "20s"},
            "uuid": cluster.smap()["uuid"],
            "config_version": "1",
            "ext": None,
        }
