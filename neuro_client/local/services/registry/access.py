"""Who asks the registry, and what they may do with a repository (…-accounts.md §3.2)."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress

from aiohttp import hdrs, web
from yarl import URL

from ..base import Platform
from .errors import RegistryError

CHALLENGE = 'Basic realm="Docker Registry"'


async def authenticate(platform: Platform, request: web.Request) -> str:
    """Return the caller's name; the token is the password, the name beside it means nothing."""
    kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind and kind.lower() != "basic":
        raise web.HTTPBadRequest(text=f"The registry takes Basic authorization, not {kind}")
    token = ""
    with suppress(binascii.Error, UnicodeDecodeError):
        token = base64.b64decode(value, validate=True).decode().partition(":")[2]
    caller = await platform.tokens.caller(token) if token else None
    if caller is None:
        raise RegistryError("UNAUTHORIZED", "authentication required", WWW_Authenticate=CHALLENGE)
    return caller.username


class Rights:
    """Tell what a user may do in one cluster's registry."""

    def __init__(self, platform: Platform, cluster: str) -> None:
        self._platform = platform
        self._cluster = cluster

    def uri(self, repository: str) -> URL:
        """Return what a repository is called where rights are given."""
        return URL.build(scheme="image", host=self._cluster, path=f"/{repository}")

    async def require(self, username: str, repository: str, action: str) -> None:
        """Refuse with ``DENIED`` unless the user may read or write a repository."""
        if not await self._platform.access.allowed(username, self.uri(repository), action):
            raise RegistryError(
                "DENIED", f"{username} has no right to {action} {self.uri(repository)}"
            )

    async def readable(self, username: str, repositories: list[str]) -> list[str]:
        """Return those of the repositories that the user may read."""
        may_read = await self._platform.access.readable(username)
        return [name for name in repositories if may_read(self.uri(name))]
