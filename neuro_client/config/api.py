"""What the client is configured to: the current cluster and organisation, and how they change.

Facts: public-api.md §4, config-and-auth.md §9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import attrs
from yarl import URL

from ..errors import ConfigError
from ..threads import run_blocking
from . import store
from .models import Cluster, Dialect, Login, Preset, ServerConfig, Token

NO_ORG = "NO_ORG"


class TokenSource(Protocol):
    """Supply the access token, refreshed when it has expired."""

    async def token(self) -> str:
        """Return a token that is valid now."""
        ...

    @property
    def current(self) -> Token:
        """Return the token at hand, expired or not."""
        ...


class Config:
    """Answer what is configured; obtained as ``client.config``.

    The user's files (``user.toml``, ``.neuro.toml``) are read when the client opens and by
    ``get_user_config``; properties never touch the disk, so they are safe on the event loop.
    """

    def __init__(
        self,
        folder: Path,
        login: Login,
        tokens: TokenSource,
        fetch: Callable[[], Awaitable[ServerConfig]],
        load_user_config: Callable[[], Mapping[str, Any]],
        *,
        username: Callable[[str], str],
        user_config: Mapping[str, Any],
        dialect: Dialect = Dialect.V22,
    ) -> None:
        self._folder = folder
        self._login = login
        self._tokens = tokens
        self._fetch = fetch
        self._load_user_config = load_user_config
        self._username = username
        self._user_config = user_config
        self.dialect = dialect

    def __repr__(self) -> str:
        return f"<Config {self._login.url} cluster={self._login.cluster_name!r}>"

    @property
    def path(self) -> Path:
        """Return the config folder."""
        return self._folder

    @property
    def username(self) -> str:
        """Return the user's name; ``ValueError`` if the token does not say it."""
        return self._username(self._tokens.current.access)

    @property
    def api_url(self) -> URL:
        """Return the root of the platform's API."""
        return self._login.url

    @property
    def admin_url(self) -> URL | None:
        """Return the root of the admin service, None when the platform has none."""
        return self._login.admin_url

    @property
    def service_accounts_url(self) -> URL:
        """Return the root of the service accounts."""
        return self._login.url / "service_accounts"

    @property
    def auth_config(self) -> Any:
        """Return how to log in and out here (``AuthConfig``)."""
        return self._login.auth

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        """Return the user's clusters by name, as of the last login or ``fetch``."""
        return MappingProxyType(dict(self._login.clusters))

    @property
    def cluster_name(self) -> str:
        """Return the current cluster; ``RuntimeError`` if the login has none."""
        if not self._login.clusters:
            raise RuntimeError(
                "The login has no cluster; ask for access to one, then `await config.fetch()`"
            )
        override = self._override("cluster-name")
        name = override if override is not None else self._login.cluster_name
        if name is None:
            raise RuntimeError("No cluster is chosen; call switch_cluster()")
        return name

    @property
    def org_name(self) -> str | None:
        """Return the current organisation, None for direct membership of the cluster."""
        override = self._override("org-name")
        if override is not None:
            return None if override == NO_ORG else override
        return self._login.org_name

    @property
    def cluster_orgs(self) -> list[str | None]:
        """Return the organisations through which the user belongs to the current cluster."""
        return list(self._current.orgs)

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Return the presets of the current cluster by name."""
        return MappingProxyType(dict(self._current.presets))

    @property
    def registry_url(self) -> URL:
        """Return the image registry of the current cluster."""
        return self._current.registry_url

    @property
    def storage_url(self) -> URL:
        """Return the storage of the current cluster."""
        return self._current.storage_url

    @property
    def monitoring_url(self) -> URL:
        """Return the monitoring service of the current cluster; it ends in ``/jobs``."""
        return self._current.monitoring_url

    @property
    def secrets_url(self) -> URL:
        """Return the secrets service of the current cluster."""
        return self._current.secrets_url

    @property
    def disk_api_url(self) -> URL:
        """Return the disks service of the current cluster."""
        return self._current.disks_url

    @property
    def bucket_api_url(self) -> URL:
        """Return the buckets service of the current cluster."""
        return self._current.buckets_url

    def get_cluster(self, cluster_name: str) -> Cluster:
        """Return a cluster by name; ``RuntimeError`` names the known ones for an unknown name."""
        try:
            return self._login.clusters[cluster_name]
        except KeyError:
            known = ", ".join(sorted(self._login.clusters)) or "none"
            raise RuntimeError(
                f"There is no cluster {cluster_name!r} in the login (known: {known}); "
                "`await config.fetch()` reads the list anew"
            ) from None

    async def token(self) -> str:
        """Return a valid access token, refreshed if need be; ``AuthError`` if that fails."""
        return await self._tokens.token()

    async def get_user_config(self) -> Mapping[str, Any]:
        """Read the user's files anew and return them merged; ``ConfigError`` for a bad one."""
        self._user_config = await run_blocking(self._load_user_config)
        return self._user_config

    async def fetch(self) -> None:
        """Read clusters and presets from the server and store them.

        Raises:
            RuntimeError: the current cluster is not among them any more; nothing is stored then.
        """
        server = await self._fetch()
        if self._login.clusters and self.cluster_name not in server.clusters:
            raise RuntimeError(
                f"The cluster {self.cluster_name!r} is not available any more; "
                "log out and in again, or switch the cluster first"
            )
        self.dialect = server.dialect
        await self._store(
            attrs.evolve(self._login, clusters=server.clusters, admin_url=server.admin_url)
        )

    async def check_server(self) -> None:
        """Compare the stored configuration with the server's if another release stored it.

        Raises:
            ConfigError: they differ; log in again.
        """
        if self._login.version == store.FORMAT_VERSION:
            return
        server = await self._fetch()
        if server.clusters != self._login.clusters or server.auth != self._login.auth:
            raise ConfigError(
                "The platform's configuration has changed since the login was stored by "
                f"version {self._login.version}; log out and in again"
            )
        await self._store(attrs.evolve(self._login, version=store.FORMAT_VERSION))

    async def switch_cluster(self, name: str) -> None:
        """Make another cluster the current one and keep the organisation where possible.

        Raises:
            RuntimeError: the name is unknown, or a project's ``.neuro.toml`` fixes the cluster.
        """
        self._refuse_override("cluster-name", "cluster")
        orgs = self.get_cluster(name).orgs
        org = self.org_name
        if org not in orgs:
            org = None if None in orgs or not orgs else min(o for o in orgs if o is not None)
        await self._store(attrs.evolve(self._login, cluster_name=name, org_name=org))

    async def switch_org(self, name: str | None) -> None:
        """Make another organisation of the current cluster the current one; None leaves it.

        Raises:
            RuntimeError: it is not one of the cluster's, or ``.neuro.toml`` fixes it.
        """
        self._refuse_override("org-name", "organisation")
        if name not in self._current.orgs:
            known = ", ".join(str(org) for org in self._current.orgs)
            raise RuntimeError(
                f"The cluster {self.cluster_name!r} has no organisation {name!r} (it has {known})"
            )
        await self._store(attrs.evolve(self._login, org_name=name))

    @property
    def _current(self) -> Cluster:
        return self.get_cluster(self.cluster_name)

    async def _store(self, login: Login) -> None:
        login = attrs.evolve(login, token=self._tokens.current)
        await run_blocking(store.save, self._folder, login)
        self._login = login

    def _override(self, key: str) -> str | None:
        job = self._user_config.get("job", {})
        value = job.get(key)
        return None if value is None else str(value)

    def _refuse_override(self, key: str, what: str) -> None:
        if self._override(key) is not None:
            raise RuntimeError(
                f"The {what} is fixed by job.{key} in the project's .neuro.toml; "
                "change it there, or work outside that folder"
            )
