"""The ``client.service_accounts`` subsystem: logins for programs (public-api.md §11).

Facts: disks-secrets-images-users-accounts.md §5.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime

import attrs
from yarl import URL

from .concurrency import scoped_iterator
from .config import Config
from .errors import IllegalArgumentError
from .json_service import address, listed
from .transport import Transport
from .wire import structure

_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@attrs.frozen
class ServiceAccount:
    """Describe a service account; what is given to its ``role`` is what its token may do."""

    id: str
    name: str | None
    owner: str
    default_cluster: str
    role: str
    created_at: datetime
    role_deleted: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class _Account:
    id: str
    owner: str
    default_cluster: str
    role: str
    created_at: datetime
    name: str | None = None
    role_deleted: bool = False

    def record(self) -> ServiceAccount:
        return ServiceAccount(
            self.id,
            self.name,
            self.owner,
            self.default_cluster,
            self.role,
            self.created_at,
            role_deleted=self.role_deleted,
        )


@attrs.frozen(kw_only=True)
class _Created(_Account):
    token: str = attrs.field(repr=False)


class ServiceAccounts:
    """Make, look up and remove service accounts; obtained as ``client.service_accounts``."""

    def __init__(self, transport: Transport, config: Config) -> None:
        self._transport = transport
        self._config = config

    def _url(self, *path: str) -> URL:
        return address(self._config.service_accounts_url, *path)

    @scoped_iterator
    async def list(self) -> AsyncIterator[ServiceAccount]:
        """Iterate over the user's service accounts."""
        async with listed(self._transport, self._url(), _Account) as accounts:
            async for account in accounts:
                yield account.record()

    async def create(
        self, name: str | None = None, default_cluster: str | None = None
    ) -> tuple[ServiceAccount, str]:
        """Make an account and return it with its token, which cannot be asked for again.

        The token has the form of the configuration that jobs are passed: put it into
        ``NEURO_PASSED_CONFIG``, or give it to ``Factory.login_with_passed_config``. The request is
        sent once: a lost answer may mean that the account was made.

        Raises:
            ValueError: the name is not made of ``a-z 0-9 - .``, as a host's is.
            ConflictError: the user has an account of that name.
        """
        if name is not None and not _NAME.fullmatch(name):
            raise IllegalArgumentError(
                f"{name!r} cannot be the name of a service account: a-z, 0-9 and '-' between "
                "dots, as in the name of a host"
            )
        body = {"name": name, "default_cluster": default_cluster or self._config.cluster_name}
        answer = await self._transport.json("POST", self._url(), json=body, retry=None)
        made = structure(answer, _Created)
        return made.record(), made.token

    async def get(self, id_or_name: str) -> ServiceAccount:
        """Return an account; ``ResourceNotFound`` if there is none of the user's."""
        answer = await self._transport.json("GET", self._url(id_or_name))
        return structure(answer, _Account).record()

    async def rm(self, id_or_name: str) -> None:
        """Remove an account; its token is of no use from then on."""
        await self._transport.send("DELETE", self._url(id_or_name), idempotent=False)
