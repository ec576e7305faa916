"""Who may use the control plane: users with an id and an API key, and their tokens (§3.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from typing import Any

import attrs
from aiohttp import hdrs, web

from ...state import State
from .answers import INVALID, UNAUTHENTICATED, Refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS grid_users (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    since REAL NOT NULL
);
"""
_DURATION = re.compile(r"([0-9]{1,9})(\.[0-9]+)?s?")
_LIFETIME = 24 * 3600.0
_WRONG = "the user id or the API key is wrong"


@attrs.frozen
class User:
    """Somebody with an API key."""

    id: str
    name: str
    since: float
    hash: str = attrs.field(repr=False)


class Accounts:
    """Keep API keys as hashes; issue and check tokens."""

    def __init__(self, state: State, key: bytes) -> None:
        self._state = state
        self._key = key
        self._users: dict[str, User] = {}

    async def open(self) -> None:
        """Read who is known."""
        rows = await self._state.fetch_all("SELECT id, username, since, hash FROM grid_users")
        self._users = {row["id"]: User(*row) for row in rows}

    @property
    def users(self) -> list[User]:
        """Return everybody with an API key, the platform's own user first."""
        return list(self._users.values())

    def named(self, username: str) -> User | None:
        """Look a user up by name."""
        return next((user for user in self._users.values() if user.name == username), None)

    def get(self, user_id: str) -> User | None:
        """Look a user up by id."""
        return self._users.get(user_id)

    async def key_for(self, username: str, known: str | None = None) -> tuple[str, str]:
        """Return id and API key of a user, made new unless ``known`` is the key."""
        user = self.named(username)
        if user is not None and known and _matches(user.hash, known):
            return user.id, known
        api_key = str(uuid.uuid4())
        found = User(
            str(uuid.uuid4()) if user is None else user.id,
            username,
            time.time() if user is None else user.since,
            _hash(api_key),
        )
        await self._state.execute(
            "INSERT OR REPLACE INTO grid_users (id, username, hash, since) VALUES (?, ?, ?, ?)",
            (found.id, found.name, found.hash, found.since),
        )
        self._users[found.id] = found
        return found.id, api_key

    def sign_in(self, user: Any, api_key: Any) -> User:
        """Return who has this id, or name, and API key; raises 401."""
        if isinstance(user, str) and isinstance(api_key, str):
            found = self._users.get(user) or self.named(user)
            if found is not None and _matches(found.hash, api_key):
                return found
        raise Refusal(UNAUTHENTICATED, _WRONG)

    def caller(self, request: web.Request) -> tuple[User, str]:
        """Return who makes a request, and the API key if that is what it carries; raises 401."""
        kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.lower() == "basic":
            try:
                user, _, api_key = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                raise Refusal(UNAUTHENTICATED, "the Authorization header cannot be read") from None
            return self.sign_in(user, api_key), api_key
        if kind.lower() == "bearer":
            found = self._bearer(value.strip())
            if found is None:
                raise Refusal(UNAUTHENTICATED, "the token is wrong or has expired")
            return found, ""
        raise Refusal(UNAUTHENTICATED, "sign in with a user id and an API key, or with a token")

    def issue(self, user: User, duration: Any) -> str:
        """Make a token; ``duration`` is as clients say it, ``"3600s"``. Raises 400."""
        lifetime = _LIFETIME
        if duration not in (None, ""):
            match = _DURATION.fullmatch(str(duration))
            if match is None:
                raise Refusal(INVALID, f"duration must be like '3600s', not {duration!r}")
            lifetime = float(match[0].removesuffix("s"))
        claims = {"sub": user.id, "exp": time.time() + lifetime, "jti": secrets.token_hex(8)}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{body}.{self._signature(body)}"

    def _bearer(self, token: str) -> User | None:
        body, _, signature = token.rpartition(".")
        wanted = self._signature(body)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), wanted.encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(body))
        return self._users.get(claims["sub"]) if claims["exp"] > time.time() else None

    def _signature(self, body: str) -> str:
        text = f"grid:{body}".encode("utf-8", "replace")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _matches(kept: str, secret: str) -> bool:
    return hmac.compare_digest(kept, _hash(secret))
