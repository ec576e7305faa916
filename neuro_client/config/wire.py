"""The ``/config`` answer and the JSON columns of the login database, to records and back.

Facts: config-and-auth.md §3 (answer) and §7.2 (columns). The two JSON forms of a cluster differ in
the name and the shape of the presets only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
from yarl import URL

from ..wire import structure
from .models import DEFAULT_CALLBACK_URLS, AuthConfig, Cluster, Dialect, Preset, ServerConfig


@attrs.frozen
class _Tpu:
    type: str
    software_version: str


@attrs.frozen
class _Preset:
    name: str
    cpu: float
    memory: int
    credits_per_hour: Decimal = Decimal(0)
    scheduler_enabled: bool = False
    preemptible_node: bool = False
    gpu: int | None = None
    gpu_model: str | None = None
    tpu: _Tpu | None = None
    tpu_type: str | None = None
    tpu_software_version: str | None = None

    def record(self) -> Preset:
        return Preset(
            credits_per_hour=self.credits_per_hour,
            cpu=self.cpu,
            memory=self.memory,
            scheduler_enabled=self.scheduler_enabled,
            preemptible_node=self.preemptible_node,
            gpu=self.gpu,
            gpu_model=self.gpu_model,
            tpu_type=self.tpu.type if self.tpu else self.tpu_type,
            tpu_software_version=(
                self.tpu.software_version if self.tpu else self.tpu_software_version
            ),
        )


@attrs.frozen(kw_only=True)
class _ClusterUrls:
    name: str
    orgs: list[str | None] = attrs.Factory(lambda: [None])
    registry_url: URL
    storage_url: URL
    users_url: URL
    monitoring_url: URL
    secrets_url: URL
    disks_url: URL
    buckets_url: URL

    def with_presets(self, presets: Sequence[_Preset]) -> Cluster:
        urls = {field.name: getattr(self, field.name) for field in attrs.fields(_ClusterUrls)}
        return Cluster(**urls, presets={preset.name: preset.record() for preset in presets})


@attrs.frozen(kw_only=True)
class _AnsweredCluster(_ClusterUrls):
    resource_presets: list[_Preset]


@attrs.frozen(kw_only=True)
class _StoredCluster(_ClusterUrls):
    presets: list[_Preset]


@attrs.frozen(kw_only=True)
class _Answer:
    auth_url: URL
    token_url: URL
    logout_url: URL
    client_id: str
    audience: str
    headless_callback_url: URL
    callback_urls: list[URL] | None = None
    success_redirect_url: str | None = None
    admin_url: URL | None = None
    authorized: bool | None = None
    clusters: list[_AnsweredCluster] = attrs.Factory(list)


def server_config_from_answer(document: Any) -> ServerConfig:
    """Read a ``/config`` answer; ``ProtocolError`` names what is missing or of a wrong type."""
    answer = structure(document, _Answer)
    return ServerConfig(
        auth=_auth_config(answer),
        clusters={
            cluster.name: cluster.with_presets(cluster.resource_presets)
            for cluster in answer.clusters
        },
        admin_url=answer.admin_url,
        authorized=answer.authorized,
        dialect=Dialect.V26 if "projects" in document else Dialect.V22,
    )


def _auth_config(answer: _Answer) -> AuthConfig:
    success = answer.success_redirect_url
    return AuthConfig(
        auth_url=answer.auth_url,
        token_url=answer.token_url,
        logout_url=answer.logout_url,
        client_id=answer.client_id,
        audience=answer.audience,
        headless_callback_url=answer.headless_callback_url,
        success_redirect_url=URL(success) if success else None,
        callback_urls=tuple(answer.callback_urls or DEFAULT_CALLBACK_URLS),
    )


def auth_config_to_text(auth: AuthConfig) -> str:
    """Write the ``auth_config`` column."""
    success = auth.success_redirect_url
    return json.dumps(
        {
            "auth_url": str(auth.auth_url),
            "token_url": str(auth.token_url),
            "logout_url": str(auth.logout_url),
            "client_id": auth.client_id,
            "audience": auth.audience,
            "headless_callback_url": str(auth.headless_callback_url),
            "success_redirect_url": str(success) if success else None,
            "callback_urls": [str(url) for url in auth.callback_urls],
        }
    )


def auth_config_from_text(text: str) -> AuthConfig:
    """Read the ``auth_config`` column; ``ValueError`` if it is not what we write."""
    return _auth_config(structure(json.loads(text), _Answer))


def clusters_to_text(clusters: Mapping[str, Cluster]) -> str:
    """Write the ``clusters`` column."""
    return json.dumps([_stored_cluster(cluster) for cluster in clusters.values()])


def clusters_from_text(text: str) -> dict[str, Cluster]:
    """Read the ``clusters`` column; ``ValueError`` if it is not what we write."""
    stored = structure(json.loads(text), list[_StoredCluster])
    return {cluster.name: cluster.with_presets(cluster.presets) for cluster in stored}


def _stored_cluster(cluster: Cluster) -> dict[str, Any]:
    record: dict[str, Any] = {"name": cluster.name, "orgs": list(cluster.orgs)}
    for field in attrs.fields(_ClusterUrls):
        if field.name.endswith("_url"):
            record[field.name] = str(getattr(cluster, field.name))
    record["presets"] = [
        {
            "name": name,
            **attrs.asdict(preset),
            "credits_per_hour": str(preset.credits_per_hour),
        }
        for name, preset in cluster.presets.items()
    ]
    return record
