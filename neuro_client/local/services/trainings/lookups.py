"""What a client looks up: projects, departments, clusters, kinds and priorities (§7.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from yarl import URL

from .answers import Refusal, timestamp
from .calls import Call
from .checking.fields import CATEGORIES
from .filters import page
from .org import Department, Organization, Project, Quota
from .render import FRAMEWORK, NODE_POOL, TENANT, TYPE
from .resources import PRIORITIES


class Lookups:
    """Answer requests about the tenant."""

    def __init__(self, org: Organization) -> None:
        self._org = org
        self.cluster_url = URL()

    async def projects(self, call: Call) -> web.Response:
        """Answer with the projects the caller may see."""
        allowed = call.caller.rights.projects
        found = [
            self._project(project)
            for project in self._org.projects.values()
            if allowed is None or project.id in allowed
        ]
        return _part(call, "projects", found)

    async def project(self, call: Call) -> web.Response:
        """Answer with one project."""
        project = self._org.project(call.parts["key"])
        if project is None:
            raise Refusal(404, f"There is no project {call.parts['key']}")
        return web.json_response(self._project(project))

    async def departments(self, call: Call) -> web.Response:
        """Answer with the departments."""
        found = [self._department(one) for one in self._org.departments.values()]
        return _part(call, "departments", found)

    async def department(self, call: Call) -> web.Response:
        """Answer with one department."""
        key = call.parts["key"]
        found = self._org.departments.get(int(key)) if key.isascii() and key.isdigit() else None
        if found is None:
            raise Refusal(404, f"There is no department {key}")
        return web.json_response(self._department(found))

    async def clusters(self, call: Call) -> web.Response:
        """Answer with the clusters, a plain list."""
        return web.json_response([self._cluster(key) for key in self._org.clusters])

    async def cluster(self, call: Call) -> web.Response:
        """Answer with one cluster."""
        if call.parts["key"] not in self._org.clusters:
            raise Refusal(404, f"There is no cluster {call.parts['key']}")
        return web.json_response(self._cluster(call.parts["key"]))

    async def node_pools(self, call: Call) -> web.Response:
        """Answer with the node pools, one for each cluster."""
        return web.json_response(
            [
                {"id": str(number), "name": NODE_POOL, "clusterId": key, "phase": "Ready"}
                for number, key in enumerate(self._org.clusters, start=1)
            ]
        )

    async def types(self, call: Call) -> web.Response:
        """Answer with the kinds of workloads."""
        kind = {"name": TYPE, "framework": FRAMEWORK, "category": "Train", "priority": "train"}
        return web.json_response({"workloadTypes": [kind]})

    async def priorities(self, call: Call) -> web.Response:
        """Answer with the priorities, highest first."""
        found = [
            {"name": name, "value": rank}
            for name, rank in sorted(PRIORITIES.items(), key=lambda one: -one[1])
        ]
        return web.json_response({"workloadPriorities": found})

    async def categories(self, call: Call) -> web.Response:
        """Answer with the categories."""
        return web.json_response({"workloadCategories": [{"name": name} for name in CATEGORIES]})

    def _project(self, project: Project) -> dict[str, Any]:
        cluster = self._org.clusters[project.cluster]
        department = self._org.departments[project.department]
        return {
            "id": str(project.id),
            "name": project.name,
            "clusterId": cluster.id,
            "clusterName": cluster.name,
            "departmentId": str(department.id),
            "departmentName": department.name,
            "parent": {"id": str(department.id), "name": department.name, "type": "department"},
            "namespace": project.namespace,
            "requestedNamespace": project.namespace,
            "createdAt": timestamp(project.created_at),
            "resources": [_deserved(project.quota)],
            "status": {"phase": "Ready", "namespace": project.namespace},
            "defaultNodePools": [NODE_POOL],
        }

    def _department(self, department: Department) -> dict[str, Any]:
        clusters = list(self._org.clusters)
        return {
            "id": str(department.id),
            "name": department.name,
            "clusterId": clusters[0],
            "createdAt": timestamp(department.created_at),
            "resources": [_deserved(department.quota)],
        }

    def _cluster(self, key: str) -> dict[str, Any]:
        cluster = self._org.clusters[key]
        return {
            "uuid": cluster.id,
            "tenantId": TENANT,
            "name": cluster.name,
            "createdAt": timestamp(cluster.created_at),
            "domain": str(self.cluster_url).rstrip("/"),
            "version": "2.18",
            "status": {"state": "Connected"},
        }


def _deserved(quota: Quota) -> Mapping[str, Any]:
    """Write a quota as the real service counts: milli-cores, mebibytes; -1 is not limited."""

    def value(amount: float | None, unit: float = 1.0) -> float:
        return -1 if amount is None else amount * unit

    return {
        "nodePool": {"id": "1", "name": NODE_POOL},
        "gpu": {"deserved": value(quota.gpus), "limit": -1, "overQuotaWeight": 1},
        "cpu": {"deserved": value(quota.cpus, 1000), "limit": -1, "overQuotaWeight": 1},
        "memory": {"deserved": value(quota.memory, 1 / 2**20), "limit": -1, "overQuotaWeight": 1},
    }


def _part(call: Call, name: str, items: list[dict[str, Any]]) -> web.Response:
    offset, limit = page(call.query)
    body: dict[str, Any] = {name: items[offset : offset + limit]}
    if len(items) > offset + limit:
        body["next"] = offset + limit
    return web.json_response(body)
