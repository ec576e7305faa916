"""Tokens of clusters that ask for them, from their AuthN service (aistore.md §16.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from yarl import URL

from ...errors import ProtocolError
from ...threads import run_blocking
from ...transport import ClientTimeout, FixedCredentials, Transport, open_session
from .. import wire
from ..errors import map_error
from .settings import Settings, check_endpoint


class AuthN:
    """Get and revoke tokens; obtained by ``AuthN.connect``."""

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport = transport
        self._url = url

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        token: str | None = None,
        ca_cert: str | None = None,
        skip_verify: bool = False,
    ) -> AsyncIterator[AuthN]:
        """Open the service at ``url``, with the token of an administrator for its lists."""
        root = check_endpoint(url)
        settings = Settings((root,), ca_cert=ca_cert, skip_verify=skip_verify)
        tls = await run_blocking(settings.tls)
        timeout = ClientTimeout(
            total=None,
            connect=None,
            sock_connect=settings.connect_timeout,
            sock_read=settings.read_timeout,
        )
        credentials = FixedCredentials.bearer(token) if token else None
        async with open_session(timeout=timeout, tls=tls) as session:
            yield cls(Transport(None, credentials, map_error, session=session, trace=None), root)

    async def login(
        self, username: str, password: str, *, expires_in: timedelta | None = None
    ) -> str:
        """Return a token for a user."""
        body: dict[str, Any] = {"password": password}
        if expires_in is not None:
            body["expires_in"] = int(expires_in.total_seconds() * 1e9)
        found = await self._json("POST", f"users/{quote(username, safe='')}", body)
        token = wire.mapping(found, "the answer to a login").get("token")
        if not isinstance(token, str) or not token:
            raise ProtocolError("the answer to a login has no token; is this an AuthN service?")
        return token

    async def revoke(self, token: str) -> None:
        """Make a token invalid."""
        await self._transport.send("DELETE", self._address("tokens"), json={"token": token})

    async def list_users(self) -> list[Any]:
        """Return the users, as the service tells them."""
        return list(wire.items(await self._json("GET", "users"), "the list of users"))

    async def list_roles(self) -> list[Any]:
        """Return the roles, as the service tells them."""
        return list(wire.items(await self._json("GET", "roles"), "the list of roles"))

    async def _json(self, method: str, path: str, body: object = None) -> Any:
        options: dict[str, Any] = {} if body is None else {"json": body}
        answer = await self._transport.send(method, self._address(path), **options)
        return wire.document(await answer.read(), f"The answer to {method} /v1/{path}")

    def _address(self, path: str) -> URL:
        return URL(f"{self._url}/v1/{path}", encoded=True)
