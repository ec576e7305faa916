"""Records of the platform's configuration: clusters, presets, the login.

Facts: public-api.md §4, config-and-auth.md §3 and §7.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import attrs
from yarl import URL

MIB = 2**20


class Dialect(enum.Enum):
    """Name the wire dialect of a platform; chosen from its ``/config`` answer."""

    V22 = "22"
    V26 = "26"


@attrs.frozen
class Preset:
    """Describe one choice of resources; ``memory`` is in bytes."""

    credits_per_hour: Decimal
    cpu: float
    memory: int
    scheduler_enabled: bool = False
    preemptible_node: bool = False
    gpu: int | None = None
    gpu_model: str | None = None
    tpu_type: str | None = None
    tpu_software_version: str | None = None

    @property
    def memory_mb(self) -> int:
        """Return the memory in whole MiB."""
        return self.memory // MIB

    @property
    def is_preemptible(self) -> bool:
        """Tell whether jobs share the capacity in turns; the older name of the field."""
        return self.scheduler_enabled


@attrs.frozen
class Cluster:
    """Describe a cluster: its services and presets; None in ``orgs`` is membership without org."""

    name: str
    orgs: list[str | None]
    registry_url: URL
    storage_url: URL
    users_url: URL
    monitoring_url: URL
    secrets_url: URL
    disks_url: URL
    buckets_url: URL
    presets: Mapping[str, Preset]


DEFAULT_CALLBACK_URLS = tuple(URL(f"http://127.0.0.1:{port}") for port in (54540, 54541, 54542))


@attrs.frozen
class AuthConfig:
    """Describe how to log in at a platform (OAuth)."""

    auth_url: URL
    token_url: URL
    logout_url: URL
    client_id: str
    audience: str
    headless_callback_url: URL
    success_redirect_url: URL | None = None
    callback_urls: tuple[URL, ...] = DEFAULT_CALLBACK_URLS


@attrs.frozen
class ServerConfig:
    """Hold one answer of the ``/config`` endpoint; ``authorized`` is None where it says nothing."""

    auth: AuthConfig
    clusters: Mapping[str, Cluster]
    admin_url: URL | None = None
    authorized: bool | None = None
    dialect: Dialect = Dialect.V22


@attrs.frozen
class Token:
    """Hold an access token with its expiry (epoch seconds) and what renews it."""

    access: str = attrs.field(repr=False)
    expires_at: float
    refresh: str = attrs.field(default="", repr=False)


@attrs.frozen
class Login:
    """Hold everything a login stores on disk, see ``config.store``."""

    auth: AuthConfig
    token: Token
    url: URL
    admin_url: URL | None
    version: str
    cluster_name: str | None
    org_name: str | None
    clusters: Mapping[str, Cluster]
