"""Who has signed in to the pages: by a link that works once, then by a cookie.

Links and sessions are gone when the platform ends. Only their hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import attrs

LINK_LIFETIME = 300.0
"""Seconds in which a link can be used."""
SESSION_LIFETIME = 12 * 3600.0
_MOST = 1000

T = TypeVar("T", "_Link", "_Entry")


@attrs.frozen
class _Link:
    user: str
    path: str
    expires_at: float


@attrs.frozen
class _Entry:
    user: str
    expires_at: float


@attrs.frozen
class Session:
    """Be a signed-in browser: whose it is, and what its forms must bring along."""

    user: str
    form_token: str = attrs.field(repr=False)


class SignIns:
    """Hand out links and know the sessions that came of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._links: dict[str, _Link] = {}
        self._sessions: dict[str, _Entry] = {}
        # A browser sends its cookies to every port of a host: each platform needs its own.
        self.cookie = f"neuro-dashboard-{secrets.token_hex(4)}"

    def new_link(self, user: str, path: str) -> str:
        """Return the secret of a link that signs ``user`` in and leads to ``path``."""
        secret = secrets.token_urlsafe(32)
        self._tidy(self._links)
        self._links[_hash(secret)] = _Link(user, path, self._clock() + LINK_LIFETIME)
        return secret

    def redeem(self, secret: str) -> tuple[str, str] | None:
        """Open a session for a link; return the cookie's value and where to go.

        None for a link that is unknown, used, or too old.
        """
        link = self._links.pop(_hash(secret), None)
        if link is None or link.expires_at < self._clock():
            return None
        value = secrets.token_urlsafe(32)
        self._tidy(self._sessions)
        self._sessions[_hash(value)] = _Entry(link.user, self._clock() + SESSION_LIFETIME)
        return value, link.path

    def session(self, value: str | None) -> Session | None:
        """Return the session of a cookie's value, None if there is none."""
        entry = self._sessions.get(_hash(value)) if value else None
        if value is None or entry is None or entry.expires_at < self._clock():
            return None
        digest = hmac.new(self._key, value.encode("utf-8", "replace"), hashlib.sha256)
        return Session(entry.user, digest.hexdigest())

    def end(self, value: str | None) -> None:
        """Forget a session."""
        if value:
            self._sessions.pop(_hash(value), None)

    def _tidy(self, table: dict[str, T]) -> None:
        """Drop what has expired, and the oldest if there are too many."""
        now = self._clock()
        for key in [key for key, item in table.items() if item.expires_at < now]:
            del table[key]
        while len(table) >= _MOST:
            del table[next(iter(table))]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
