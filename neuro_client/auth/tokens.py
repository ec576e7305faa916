"""The access token of a login: valid when handed out, refreshed by one request at a time.

Facts: config-and-auth.md §5.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ..concurrency import SingleFlight
from ..config import store
from ..config.models import Token
from ..threads import run_blocking

EXPIRY_FACTOR = 0.75
UNLIMITED = 3 * 365 * 24 * 3600.0
_IDENTITY_CLAIMS = ("identity", "https://platform.neuromation.io/user")
# After a refresh that another request already made, the same answer serves all who ask for it.
_REFRESH = "refresh"

Refresh = Callable[[str], Awaitable[Token]]


def token_from_answer(access: str, expires_in: float, refresh: str, now: float) -> Token:
    """Build a token that counts as expired after three quarters of its life."""
    return Token(access, now + EXPIRY_FACTOR * expires_in, refresh)


def static_token(access: str) -> Token:
    """Build a token that never expires and cannot be refreshed."""
    return token_from_answer(access, UNLIMITED, "", time.time())


def user_of_token(access: str) -> str:
    """Return the user a JWT was issued for; its signature is the server's business.

    Raises:
        ValueError: it is no JWT, or names nobody.
    """
    parts = access.split(".")
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        for claim in _IDENTITY_CLAIMS:
            if claim in payload:
                return str(payload[claim])
    except (IndexError, binascii.Error, ValueError, TypeError):
        pass
    raise ValueError("The access token does not say whose it is; log in with a platform token")


class PlatformTokens:
    """Be the ``Credentials`` of the platform's Transport and the ``TokenSource`` of ``Config``.

    Any number of requests that meet an expired or refused token share one refresh. Another
    process that shares the login may have refreshed already; its token is adopted.
    """

    def __init__(
        self,
        token: Token,
        refresh: Refresh,
        folder: Path | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = token
        self._refresh = refresh
        self._folder = folder
        self._clock = clock
        self._flights: SingleFlight[None] = SingleFlight()
        self._life = float("inf")

    @property
    def current(self) -> Token:
        """Return the token at hand, expired or not."""
        return self._token

    async def token(self) -> str:
        """Return a token that is valid now; ``AuthError`` when it cannot be refreshed."""
        await self._ensure(0.0)
        return self._token.access

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the bearer header, with a token valid for ``min_ttl`` seconds where possible."""
        await self._ensure(min_ttl)
        return f"Bearer {self._token.access}" if self._token.access else ""

    async def renew(self, rejected: str) -> bool:
        """Refresh after a refusal of the header ``rejected``; False when there is no other."""
        if rejected != f"Bearer {self._token.access}":
            return True
        if not self._token.refresh:
            return False
        await self._flights.run(_REFRESH, lambda: self._renew(self._token))
        return True

    async def _ensure(self, min_ttl: float) -> None:
        token = self._token
        if not token.refresh:
            return
        # Where the server's tokens live shorter than what is asked for, half a life must do.
        if token.expires_at - self._clock() > min(min_ttl, self._life / 2):
            return
        await self._flights.run(_REFRESH, lambda: self._renew(token))

    async def _renew(self, stale: Token) -> None:
        if self._token.access != stale.access:
            return
        stored = None
        if self._folder is not None:
            stored = await run_blocking(store.load_token, self._folder)
        if (
            stored is not None
            and stored.access != stale.access
            and stored.expires_at > self._clock()
        ):
            self._token = stored
            return
        fresh = await self._refresh(stale.refresh)
        self._token = fresh
        self._life = max(0.0, fresh.expires_at - self._clock())
        if self._folder is not None:
            await run_blocking(store.save_token, self._folder, fresh)
