"""The ``client.users`` subsystem: rights, roles and quotas (public-api.md §10).

Facts: disks-secrets-images-users-accounts.md §4, config-and-auth.md §10.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs
from yarl import URL

from .config import Config
from .errors import ClientError, ProtocolError
from .json_service import address
from .models import Action, Permission, Quota, Share
from .transport import Answer, Transport
from .wire import structure


@attrs.frozen
class _Permission:
    uri: URL
    action: Action

    def record(self) -> Permission:
        return Permission(self.uri, self.action)


@attrs.frozen(kw_only=True)
class _Share(_Permission):
    user: str


@attrs.frozen
class _Subroles:
    subroles: list[str]


@attrs.frozen
class _Limits:
    total_running_jobs: int | None = None


@attrs.frozen
class _Balance:
    credits: str | None = None


@attrs.frozen
class _Account:
    quota: _Limits | None = None
    balance: _Balance | None = None

    def record(self) -> Quota:
        credits = self.balance.credits if self.balance else None
        return Quota(
            structure(credits, Decimal) if credits else None,
            self.quota.total_running_jobs if self.quota else None,
        )


class Users:
    """Share what is yours, and see what was shared; obtained as ``client.users``.

    ``user`` may also be a role, such as ``ann/readers``. A name with a colon is a ``ValueError``.
    """

    def __init__(self, transport: Transport, config: Config) -> None:
        self._transport = transport
        self._config = config

    def _url(self, user: str | None = None, *path: str) -> URL:
        root = self._config.api_url / "users"
        return root if user is None else address(root, _in_path(user), *path)

    async def get_acl(
        self, user: str, scheme: str | None = None, *, uri: URL | None = None
    ) -> Sequence[Permission]:
        """Return what *user* may do, on *uri* and below it, or on all URIs of a scheme.

        Raises:
            ValueError: both *scheme* and *uri* are given.
        """
        url = self._url(user, "permissions")
        answer = await self._transport.json("GET", url, params=_filter(scheme, uri))
        return [item.record() for item in structure(answer, list[_Permission])]

    async def get_shares(
        self, user: str, scheme: str | None = None, *, uri: URL | None = None
    ) -> Sequence[Share]:
        """Return what others may do with that which is *user*'s; filters as in ``get_acl``."""
        url = self._url(user, "permissions", "shared")
        answer = await self._transport.json("GET", url, params=_filter(scheme, uri))
        return [Share(item.user, item.record()) for item in structure(answer, list[_Share])]

    async def get_subroles(self, user: str) -> Sequence[str]:
        """Return the roles below *user*."""
        answer = await self._transport.json("GET", self._url(user, "subroles"))
        return structure(answer, _Subroles).subroles

    async def share(self, user: str, permission: Permission) -> Permission:
        """Give *user* a right, and return the right that the platform has given."""
        answer = await self._transport.send(
            "POST",
            self._url(user, "permissions"),
            json=[{"uri": str(permission.uri), "action": permission.action.value}],
            # What was given twice is given once.
            idempotent=True,
        )
        _expect(answer, 201)
        given = structure(await answer.json(), list[_Permission])
        if not given:
            raise ProtocolError("The answer to sharing names no permission")
        return given[0].record()

    async def revoke(self, user: str, uri: URL) -> None:
        """Take back what was given to *user* on exactly this URI."""
        url = self._url(user, "permissions")
        params = {"uri": str(uri)}
        _expect(await self._transport.send("DELETE", url, params=params, idempotent=False), 204)

    async def add(self, role_name: str) -> None:
        """Make a role, such as ``ann/readers``."""
        _in_path(role_name)
        body = {"name": role_name}
        _expect(await self._transport.send("POST", self._url(), json=body, retry=None), 201)

    async def remove(self, role_name: str) -> None:
        """Remove a role with all that was given to it."""
        url = self._url(role_name)
        _expect(await self._transport.send("DELETE", url, idempotent=False), 204)

    async def get_quota(self) -> Quota:
        """Return the user's limits on the current cluster, in the current organisation."""
        url = self._place()
        if url is None:
            return Quota()
        user = address(url, "users", self._config.username)
        return await self._quota(user, {"with_user_info": "false"})

    async def get_org_quota(self) -> Quota | None:
        """Return the limits of the current organisation; None where there is none."""
        if self._config.org_name is None:
            return None
        url = self._place()
        return Quota() if url is None else await self._quota(url, None)

    def _place(self) -> URL | None:
        """Return where the admin service has the current cluster or organisation."""
        if self._config.admin_url is None:
            return None
        place = ["clusters", self._config.cluster_name]
        if self._config.org_name is not None:
            place += ["orgs", self._config.org_name]
        return address(self._config.admin_url, *place)

    async def _quota(self, url: URL, params: dict[str, str] | None) -> Quota:
        answer = await self._transport.json("GET", url, params=params)
        return structure(answer, _Account).record()


def _expect(answer: Answer, status: int) -> None:
    """Refuse another success than the one that says that it was done."""
    if answer.status != status:
        raise ClientError(
            f"{answer.method} {answer.url} answered {answer.status} instead of {status}; "
            "whether it was done is unknown",
            status=answer.status,
            method=answer.method,
            url=str(answer.url),
        )


def _in_path(user: str) -> str:
    if ":" in user:
        raise ValueError(f"{user!r} has a colon, which no name of a user or role may have")
    return user.replace("/", ":")


def _filter(scheme: str | None, uri: URL | None) -> dict[str, str] | None:
    if scheme is not None and uri is not None:
        raise ValueError("Give a scheme or a URI, not both")
    if scheme is not None:
        return {"uri": f"{scheme}:"}
    return None if uri is None else {"uri": str(uri)}
