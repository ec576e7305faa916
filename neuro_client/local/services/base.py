"""What a service of the platform is, and what it may use of the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from ..access import Access
    from ..faults import Faults
    from ..pages import Dashboard
    from ..quotas import Quotas
    from ..settings import ClusterSettings, Settings
    from ..state import State
    from ..tokens import Tokens


@attrs.frozen
class Service:
    """Describe one service.

    ``routes`` have full paths from the root, so that a cluster can be part of them. ``lifespan`` is
    entered once the state is open and left before it closes. ``own_listener`` gives the service a
    port of its own, for systems whose clients own the root of a host. ``ready`` is its block of
    ``ready.json``; ``schema`` its tables; ``public`` the path prefixes that need no token.
    """

    name: str
    routes: Sequence[web.AbstractRouteDef]
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None
    own_listener: bool = False
    ready: Callable[[], Mapping[str, Any]] | None = None
    schema: str = ""
    public: Sequence[str] = ()


@attrs.frozen
class Quota:
    """Hold the limits of a user or an organisation; None is unlimited."""

    total_running_jobs: int | None = None
    credits: Decimal | None = None
    spent_credits: Decimal = Decimal(0)


class Platform(Protocol):
    """Be what services may use; ``LocalPlatform`` is it."""

    data: Path
    username: str
    settings: Settings
    faults: Faults
    state: State
    access: Access
    tokens: Tokens
    quotas: Quotas
    jobs: Any
    s3: Any
    buckets: Any
    disks: Any
    secrets: Any
    aistore: Any
    trainings: Any
    workspaces: Any
    artifacts: Any
    dashboard: Dashboard

    @property
    def api_url(self) -> URL:
        """Return the root of the API."""
        ...

    @property
    def url(self) -> URL:
        """Return the root of the main listener."""
        ...

    def listener(self, service: str) -> URL:
        """Return the root of a service's own listener."""
        ...

    def registry(self, cluster: str) -> URL:
        """Return the root of a cluster's image registry."""
        ...

    async def close_listener(self, service: str) -> None:
        """Break the connections of a service with a listener of its own, and refuse new ones."""
        ...

    async def open_listener(self, service: str) -> None:
        """Let a service answer again."""
        ...

    def cluster(self, name: str) -> ClusterSettings:
        """Return a cluster; ``KeyError`` if there is none of that name."""
        ...

    def storage_root(self, cluster: str) -> Path:
        """Return the folder that holds a cluster's storage."""
        ...

    async def issue_token(
        self, username: str, *, resource: str | None = None, expires_in: float | None = None
    ) -> str:
        """Make a token for a user; ``expires_in`` in seconds."""
        ...

    async def quota(self, username: str | None, cluster: str, org: str | None) -> Quota:
        """Return the limits of a user, or of an organisation when ``username`` is None."""
        ...
