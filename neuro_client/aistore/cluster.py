"""The cluster: its map, health, buckets, jobs and nodes (aistore.md §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..errors import NeuroError
from . import wire
from .connection.placement import owner
from .connection.requests import RequestClient
from .jobs.records import kind_of
from .models import BucketModel, ETLInfo, JobStatus, Smap
from .names import AIS, Namespace, provider_of
from .versions import server_version

_PRIMARY_READY = {"prr": "true"}


class Cluster:
    """Ask about the whole cluster."""

    def __init__(self, client: RequestClient) -> None:
        self._client = client

    @property
    def client(self) -> RequestClient:
        """Return what sends the requests."""
        return self._client

    async def get_info(self) -> Smap:
        """Return the map of the cluster."""
        return await self._client.fetch_map()

    async def version(self) -> str | None:
        """Return the release of the servers, as in ``5.0``, None if they do not tell."""
        found = await server_version(self._client)
        return None if found is None else f"{found[0]}.{found[1]}"

    async def get_primary_url(self) -> str:
        """Return the address of the primary proxy."""
        return (await self.get_info()).proxy_si.public_net.direct_url

    async def get_target(self, object_uname: str) -> str | None:
        """Return the id of the target that an object belongs to, None if no target is in service.

        ``object_uname`` is the full name, as of ``Object.uname``.
        """
        found = owner(object_uname, (await self.get_info()).tmap.values())
        return None if found is None else found.daemon_id

    async def list_buckets(
        self,
        provider: str = AIS,
        *,
        namespace: Namespace | None = None,
        presence: int | None = None,
    ) -> list[BucketModel]:
        """Return the buckets of a provider, of all for "".

        ``presence`` 0 adds remote ones that the cluster does not know yet, 2 leaves them out.
        """
        params = {"provider": provider_of(provider) if provider else ""}
        if namespace is not None:
            params["namespace"] = namespace.path
        if presence is not None:
            params["presence"] = str(presence)
        body = wire.action("list")
        return wire.read_buckets(
            await self._client.json("GET", "buckets", params=params, json_body=body)
        )

    async def list_jobs_status(
        self, job_kind: str = "", target_id: str = "", *, refresh: bool = False
    ) -> list[JobStatus]:
        """Return the states of the jobs of a kind, or of all; ``refresh`` asks the targets anew."""
        params = {"what": "status_all", **({"frc": "true"} if refresh else {})}
        return wire.read_statuses(
            await self._client.json(
                "GET", "cluster", params=params, json_body=_query(job_kind, target_id, False)
            )
        )

    async def list_running_jobs(self, job_kind: str = "", target_id: str = "") -> list[str]:
        """Return the running jobs as ``kind[id]``, listings on the server among them."""
        found = await self._client.json(
            "GET",
            "cluster",
            params={"what": "running_all"},
            json_body=_query(job_kind, target_id, True),
        )
        return [str(item) for item in wire.items(found, "the list of running jobs")]

    async def list_etls(self) -> list[ETLInfo]:
        """Return all ETLs; servers of today tell stopped ones too, by their ``stage``."""
        return wire.read_etls(await self._client.json("GET", "etl"))

    async def list_running_etls(self) -> list[ETLInfo]:
        """Return the running ETLs."""
        return [etl for etl in await self.list_etls() if etl.stage in ("", "Running")]

    async def is_aistore_running(self) -> bool:
        """Tell whether the cluster has started; False for whatever goes wrong."""
        try:
            await self._client.request("GET", "health", params=_PRIMARY_READY, again=False)
        except NeuroError:
            return False
        return True

    async def is_ready(self) -> bool:
        """Tell whether the proxy that is asked serves requests."""
        try:
            await self._client.request("GET", "health", params={"readiness": "true"}, again=False)
        except NeuroError:
            return False
        return True

    async def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait until the cluster has started; ``TimeoutError`` after so many seconds."""
        pause = 0.05
        async with asyncio.timeout(timeout):
            while not await self.is_aistore_running():
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)

    async def get_uptime(self) -> float:
        """Return the seconds since the cluster started."""
        answer = await self._client.request("GET", "health")
        text = answer.headers.get("Ais-Cluster-Uptime", "0")
        return int(text) / 1e9 if text.isdigit() else 0.0

    async def ask_node(self, node_id: str, what: str, **params: str) -> Any:
        """Ask a node by way of the proxy, as for ``node_status`` or ``sysinfo``; returns JSON."""
        return await self._client.json(
            "GET",
            "reverse/daemon",
            params={"what": what, **params},
            headers={"Ais-Node-Id": node_id},
        )

    async def get_performance(self, target_id: str = "") -> Mapping[str, Any]:
        """Return what each target, or one, says of its load, by id (``node_status``)."""
        targets = [target_id] if target_id else list((await self.get_info()).tmap)
        return {target: await self.ask_node(target, "node_status") for target in targets}

    async def get_node_log(self, node_id: str, severity: str = "info") -> str:
        """Return the end of a node's log."""
        answer = await self._client.request(
            "GET",
            "reverse/daemon",
            params={"what": "log", "severity": severity},
            headers={"Ais-Node-Id": node_id},
        )
        return await answer.text()

    async def get_config(self) -> Mapping[str, Any]:
        """Return the configuration of the cluster."""
        found = await self._client.json("GET", "daemon", params={"what": "cluster_config"})
        return wire.mapping(found, "the configuration")


def _query(kind: str, node: str, active: bool) -> dict[str, object]:
    # Lists know the names of actions only (aistore.md §22.16).
    return {"kind": kind_of(kind), "node": node, "show_active": active}
