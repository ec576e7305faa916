"""Tokens of the platform: JWTs it signs itself, of which it keeps only hashes.

Facts: config-and-auth.md §5. The user's name is a claim that clients read without verification, so
it must be there; whether a token is valid is decided by its signature and by the table of hashes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import attrs

from .state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    kind TEXT NOT NULL,
    resource TEXT,
    expires_at REAL
);
"""
_CACHE_SIZE = 10_000


@attrs.frozen
class Caller:
    """Name who makes a request."""

    username: str
    token_hash: str = attrs.field(repr=False)


class Tokens:
    """Issue and check tokens."""

    def __init__(self, state: State, key: bytes) -> None:
        self._state = state
        self._key = key
        self._cache: dict[str, tuple[str, float]] = {}
        self._changes = 0

    async def issue(
        self, username: str, lifetime: float | None = None, resource: str | None = None
    ) -> str:
        """Make an access token, valid for ``lifetime`` seconds, for ever without."""
        now = time.time()
        claims: dict[str, Any] = {
            "identity": username,
            "iat": int(now),
            "jti": secrets.token_hex(8),
        }
        expires_at = None if lifetime is None else now + lifetime
        if expires_at is not None:
            claims["exp"] = int(expires_at)
        header = _segment({"alg": "HS256", "typ": "JWT"})
        body = f"{header}.{_segment(claims)}"
        token = f"{body}.{self._signature(body)}"
        await self._keep(token, username, "access", expires_at, resource)
        return token

    async def issue_refresh(self, username: str) -> str:
        """Make an opaque token that renews access tokens."""
        token = secrets.token_urlsafe(32)
        await self._keep(token, username, "refresh", None, None)
        return token

    async def caller(self, token: str) -> Caller | None:
        """Return whose access token it is, None for an unknown or expired one."""
        digest = hash_token(token)
        found = self._cache.get(digest)
        if found is None:
            before = self._changes
            username = await self._username(token, digest, "access")
            if username is None:
                return None
            found = username
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            if before == self._changes:
                self._cache[digest] = found
        username_, expires_at = found
        return Caller(username_, digest) if expires_at > time.time() else None

    async def user_of_refresh(self, token: str) -> str | None:
        """Return whose refresh token it is, None for an unknown one."""
        found = await self._username(token, hash_token(token), "refresh")
        return found[0] if found is not None else None

    async def revoke_all(self, username: str) -> None:
        """Forget every token of a user."""
        await self._state.execute("DELETE FROM tokens WHERE username=?", (username,))
        self._changes += 1
        self._cache.clear()

    async def _username(self, token: str, digest: str, kind: str) -> tuple[str, float] | None:
        if kind == "access":
            body, _, signature = token.rpartition(".")
            if not hmac.compare_digest(
                signature.encode("utf-8", "replace"), self._signature(body).encode()
            ):
                return None
        row = await self._state.fetch_one(
            "SELECT username, expires_at FROM tokens WHERE hash=? AND kind=?", (digest, kind)
        )
        if row is None:
            return None
        expires_at = row["expires_at"]
        return row["username"], float("inf") if expires_at is None else float(expires_at)

    async def _keep(
        self,
        token: str,
        username: str,
        kind: str,
        expires_at: float | None,
        resource: str | None,
    ) -> None:
        async with self._state.transaction() as tx:
            await tx.execute("DELETE FROM tokens WHERE expires_at < ?", (time.time(),))
            await tx.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)",
                (hash_token(token), username, kind, resource, expires_at),
            )

    def _signature(self, body: str) -> str:
        digest = hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).digest()
        return _base64(digest)


def signing_key(path: Path) -> bytes:
    """Read the platform's key, made on the first start; blocks."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if key:
            return key
        handle = os.open(path, os.O_WRONLY)
    with os.fdopen(handle, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key


def hash_token(token: str) -> str:
    """Return the form in which a token is kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _segment(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
