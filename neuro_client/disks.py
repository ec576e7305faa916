"""The ``client.disks`` subsystem: persistent disks that jobs mount (public-api.md §11).

Facts: disks-secrets-images-users-accounts.md §1.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
from yarl import URL

from .concurrency import scoped_iterator
from .config import Config
from .errors import AuthorizationError, IllegalArgumentError, QuotaExceededError
from .json_service import address, chosen_org, listed, resource_uri
from .models import UNSET, Unset
from .transport import Transport
from .wire import structure

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


class DiskStatus(enum.Enum):
    """Name the state of a disk; a value unknown here is UNKNOWN."""

    PENDING = "Pending"
    READY = "Ready"
    BROKEN = "Broken"
    UNKNOWN = "Unknown"

    @classmethod
    def _missing_(cls, value: object) -> DiskStatus:
        return cls.UNKNOWN


@attrs.frozen
class Disk:
    """Describe a disk; ``storage`` and ``used_bytes`` are in bytes.

    A disk that no job has used for ``timeout_unused`` is removed by the platform; None keeps it.
    ``cluster_name`` is the client's current cluster, whichever was asked (public-api.md §11).
    """

    Status = DiskStatus

    id: str
    storage: int
    owner: str
    status: DiskStatus
    cluster_name: str
    org_name: str | None
    created_at: datetime
    last_usage: datetime | None = None
    name: str | None = None
    timeout_unused: timedelta | None = None
    used_bytes: int | None = None

    @property
    def uri(self) -> URL:
        """Return ``disk://cluster[/org]/owner/id``."""
        return resource_uri("disk", self.cluster_name, self.org_name, self.owner, self.id)


@attrs.frozen
class _Disk:
    id: str
    storage: int
    owner: str
    status: str
    created_at: datetime
    org_name: str | None = None
    last_usage: datetime | None = None
    name: str | None = None
    life_span: float | None = None
    used_bytes: int | None = None

    def record(self, cluster_name: str) -> Disk:
        return Disk(
            id=self.id,
            storage=self.storage,
            owner=self.owner,
            status=DiskStatus(self.status),
            cluster_name=cluster_name,
            org_name=self.org_name or None,
            created_at=self.created_at,
            last_usage=self.last_usage,
            name=self.name,
            timeout_unused=None if self.life_span is None else timedelta(seconds=self.life_span),
            used_bytes=self.used_bytes,
        )


class Disks:
    """Make, look up and remove persistent disks; obtained as ``client.disks``.

    ``cluster_name`` None is the current cluster; ``owner`` tells whose disk a name is, by default
    the user's own.
    """

    def __init__(self, transport: Transport, config: Config) -> None:
        self._transport = transport
        self._config = config

    def _url(self, cluster_name: str | None, *path: str) -> URL:
        cluster = self._config.get_cluster(cluster_name or self._config.cluster_name)
        return address(cluster.disks_url, *path)

    def _read(self, answer: object) -> Disk:
        return structure(answer, _Disk).record(self._config.cluster_name)

    @scoped_iterator
    async def list(self, cluster_name: str | None = None) -> AsyncIterator[Disk]:
        """Iterate over the disks that the user can see."""
        async with listed(self._transport, self._url(cluster_name), _Disk) as disks:
            async for disk in disks:
                yield disk.record(self._config.cluster_name)

    async def create(
        self,
        storage: int,
        timeout_unused: timedelta | None = None,
        name: str | None = None,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
        *,
        life_span: timedelta | None = None,
    ) -> Disk:
        """Make a disk of at least *storage* bytes.

        ``life_span`` is another name of *timeout_unused*. The request is sent once: a lost answer
        may mean that the disk was made.

        Raises:
            ValueError: a size or time below 0, or a name that is not 3 to 40 of ``a-z 0-9 -``.
            ConflictError: the user has a disk of that name.
            QuotaExceededError: the disks of the user would be larger than allowed.
        """
        if timeout_unused is not None and life_span is not None:
            raise TypeError("timeout_unused and life_span are one and the same; give one")
        unused = life_span if timeout_unused is None else timeout_unused
        _check(storage, unused, name)
        body = {
            "storage": storage,
            "life_span": None if unused is None else unused.total_seconds(),
            "name": name,
            "org_name": chosen_org(self._config, org_name),
        }
        url = self._url(cluster_name)
        with _quota_errors(storage):
            return self._read(await self._transport.json("POST", url, json=body, retry=None))

    async def get(
        self, disk_id_or_name: str, cluster_name: str | None = None, owner: str | None = None
    ) -> Disk:
        """Return a disk; ``ResourceNotFound`` if there is none."""
        url = self._url(cluster_name, disk_id_or_name)
        return self._read(await self._transport.json("GET", url, params=_owner(owner)))

    async def rm(
        self, disk_id_or_name: str, cluster_name: str | None = None, owner: str | None = None
    ) -> None:
        """Remove a disk and what is on it; ``ConflictError`` while a job uses it."""
        url = self._url(cluster_name, disk_id_or_name)
        await self._transport.send("DELETE", url, params=_owner(owner), idempotent=False)


def _owner(owner: str | None) -> dict[str, str] | None:
    return None if owner is None else {"owner": owner}


def _check(storage: int, unused: timedelta | None, name: str | None) -> None:
    if isinstance(storage, bool) or not isinstance(storage, int):
        raise TypeError(f"the size of a disk is a whole number of bytes, not {storage!r}")
    if storage < 0:
        raise IllegalArgumentError(f"the size of a disk cannot be {storage} bytes")
    if unused is not None and unused < timedelta(0):
        raise IllegalArgumentError(f"the time that a disk may be unused cannot be {unused}")
    if name is not None and not (3 <= len(name) <= 40 and _NAME.fullmatch(name)):
        raise IllegalArgumentError(
            f"{name!r} cannot be the name of a disk: 3 to 40 of a-z, 0-9 and single '-' between "
            "them, the first a letter"
        )


@contextmanager
def _quota_errors(needed: int) -> Iterator[None]:
    """Tell a quota that is used up from rights that are missing; both are a 403."""
    try:
        yield
    except AuthorizationError as error:
        said: Any = None
        with suppress(ValueError):
            said = json.loads(error.body or "")
        if not isinstance(said, dict) or said.get("code") != "over_limit":
            raise
        raise QuotaExceededError(
            f"{said.get('description') or 'The quota of disks is used up'} "
            f"({error.method} {error.url} answered 403; remove disks, or ask for a larger quota)",
            needed=needed,
            status=error.status,
            code="over_limit",
            request_id=error.request_id,
            method=error.method,
            url=error.url,
            body=error.body,
        ) from error
