"""Access tokens of a control plane: asked for when needed, renewed early, by one request at a time.

Facts: runai-trainings.md §2.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import attrs

from ..concurrency import SingleFlight
from ..errors import (
    AuthenticationError,
    ClientError,
    IllegalArgumentError,
    ResourceNotFound,
    ResponseError,
)
from ..retry import is_transient
from ..transport import Transport
from ..wire import structure

RENEW_EARLY = 60.0
"""Seconds before its expiry at which a token is renewed."""

ASSUMED_LIFE = 3600.0
"""Seconds that a token lives whose expiry nobody tells."""

USER_CLIENT_ID = "cli"
"""The client that a user name and a password are for where none is given."""

_V1, _V2 = "/api/v1/token", "/api/v2/token"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_RENEWAL = "renewal"


class TokenEndpoint(enum.StrEnum):
    """Name the endpoint that tokens come from; AUTO tries the older, then the newer ones."""

    AUTO = "auto"
    V1 = "v1"
    V2 = "v2"


@attrs.frozen
class AccessToken:
    """Hold a token and its life in seconds from now, None where neither answer nor token tells."""

    text: str = attrs.field(repr=False)
    life: float | None = None


class Grant(Protocol):
    """Be what one sends to get a token: a path, and the body for that endpoint."""

    async def ask(self, transport: Transport) -> AccessToken:
        """Make one request for a token."""
        ...


@attrs.frozen
class JsonGrant:
    """Ask the older endpoint, which takes and gives JSON in camel case."""

    body: Mapping[str, str] = attrs.field(repr=False)

    async def ask(self, transport: Transport) -> AccessToken:
        """Make the request; it may be repeated, for it changes nothing."""
        answer = await transport.json(
            "POST", _V1, json=dict(self.body), idempotent=True, redirects=False
        )
        found = structure(answer, _V1Answer)
        return AccessToken(found.accessToken, found.expiresIn)


@attrs.frozen
class FormGrant:
    """Ask the newer endpoint, which is that of OAuth 2."""

    form: Mapping[str, str] = attrs.field(repr=False)

    async def ask(self, transport: Transport) -> AccessToken:
        """Make the request; it may be repeated, for it changes nothing."""
        answer = await transport.json(
            "POST",
            _V2,
            body=urlencode(self.form).encode("ascii"),
            headers=_FORM,
            idempotent=True,
            redirects=False,
        )
        found = structure(answer, _V2Answer)
        return AccessToken(found.access_token, found.expires_in)


@attrs.frozen
class _V1Answer:
    accessToken: str
    expiresIn: float | None = None


@attrs.frozen
class _V2Answer:
    access_token: str
    expires_in: float | None = None


def application_grants(
    client_id: str, client_secret: str, endpoint: TokenEndpoint
) -> tuple[Grant, ...]:
    """Return how an application, service account or access key gets a token, best first."""
    older = (
        JsonGrant({"grantType": "app_token", "AppId": client_id, "AppSecret": client_secret}),
        JsonGrant(
            {
                "grantType": "client_credentials",
                "clientID": client_id,
                "clientSecret": client_secret,
            }
        ),
    )
    newer = FormGrant(
        {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
    )
    return _choose(older, newer, endpoint)


def user_grants(
    username: str, password: str, client_id: str, endpoint: TokenEndpoint
) -> tuple[Grant, ...]:
    """Return how a user gets a token, best first."""
    user = {"username": username, "password": password}
    older = (JsonGrant({"grantType": "password", "clientID": client_id, **user}),)
    newer = FormGrant({"grant_type": "password", "client_id": client_id, **user})
    return _choose(older, newer, endpoint)


def _choose(older: tuple[Grant, ...], newer: Grant, endpoint: TokenEndpoint) -> tuple[Grant, ...]:
    if endpoint is TokenEndpoint.V1:
        return older
    return (newer,) if endpoint is TokenEndpoint.V2 else (*older, newer)


class GrantedTokens:
    """Be the credentials of a Transport: a token that is asked for again before it expires.

    ``transport`` reaches the same control plane without credentials. Of several grants the first
    that the server knows is kept.
    """

    def __init__(
        self,
        grants: Sequence[Grant],
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grants = tuple(grants)
        self._transport = transport
        self._clock = clock
        self._flights: SingleFlight[None] = SingleFlight()
        self._text = ""
        self._renew_at = self._expires_at = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the bearer header; its token lives for another minute, or half its life."""
        if not self._text or self._clock() >= self._renew_at:
            try:
                await self._flights.run(_RENEWAL, self._renew)
            except Exception as error:
                # A token that is still good outlasts a token endpoint that is down.
                if not is_transient(error) or self._clock() >= self._expires_at:
                    raise
        return f"Bearer {self._text}"

    async def renew(self, rejected: str) -> bool:
        """Get another token than the rejected one, once for all requests it was sent with."""
        if rejected == f"Bearer {self._text}":
            await self._flights.run(_RENEWAL, self._renew)
        return True

    async def _renew(self) -> None:
        token = await self._ask()
        life = token.life if token.life is not None else life_of_jwt(token.text)
        life = ASSUMED_LIFE if life is None else max(0.0, life)
        # Where tokens live shorter than what is kept in hand, half a life must do.
        self._expires_at = self._clock() + life
        self._renew_at = self._expires_at - min(RENEW_EARLY, life / 2)
        self._text = token.text

    async def _ask(self) -> AccessToken:
        refusal: ResponseError | None = None
        for grant in self._grants:
            try:
                token = await grant.ask(self._transport)
            except ResponseError as error:
                if not _knows_another_way(error):
                    raise _refused(error) from None
                # The first answer that is about the credentials says more than "no such route".
                if refusal is None or isinstance(refusal, ResourceNotFound):
                    refusal = error
            else:
                self._grants = (grant,)
                return token
        assert refusal is not None
        raise _refused(refusal) from None


def _knows_another_way(error: ResponseError) -> bool:
    """Tell whether another grant may be accepted: this one is unknown there, or the endpoint."""
    if isinstance(error, AuthenticationError | ResourceNotFound):
        return True
    if type(error) is ClientError:
        return True
    return type(error) is IllegalArgumentError


def _refused(error: ResponseError) -> ResponseError:
    """Say what to do when no token was given; other failures stay as they are."""
    refused = isinstance(error, AuthenticationError | ResourceNotFound | ClientError)
    if not refused and type(error) is not IllegalArgumentError:
        return error
    return AuthenticationError(
        f"No access token was given: {error}; check url, client_id and client_secret "
        "(or username and password)",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        method=error.method,
        url=error.url,
        body=error.body,
    )


def life_of_jwt(token: str) -> float | None:
    """Return how many seconds a JWT lives from now by its claims, None when it does not tell.

    Where it says when it was issued, its life counts from its arrival, so that a wrong clock on
    this machine does no harm.
    """
    parts = token.split(".")
    try:
        claims: Any = json.loads(
            base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode("utf-8")
        )
        expires = float(claims["exp"])
        begins = claims.get("iat")
        return expires - (time.time() if begins is None else float(begins))
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return None
