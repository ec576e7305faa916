"""Who may use the platform: users with a bucket, their API keys, and logins (§1)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import attrs

from ...passwords import stretched
from ...state import State
from .hosts import BucketHost, BucketKey, HostError

SCHEMA = """
CREATE TABLE IF NOT EXISTS workspace_users (
    username TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    bucket TEXT NOT NULL,
    access_key_id TEXT,
    retired_key_id TEXT,
    email TEXT UNIQUE,
    salt TEXT,
    password TEXT
);
CREATE TABLE IF NOT EXISTS workspace_keys (
    hash TEXT PRIMARY KEY,
    username TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS workspace_sessions (
    hash TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    expires_at REAL NOT NULL
);
"""
KEY_PREFIXES = ("rsk_live_", "rsk_dev_")
SESSION_LIFETIME = 30 * 24 * 3600.0
_NOT_IN_BUCKETS = re.compile(r"[^a-z0-9-]+")


@attrs.frozen
class User:
    """Somebody with a bucket."""

    username: str
    id: str
    bucket: str
    access_key_id: str
    email: str | None = None


class Accounts:
    """Keep users, keys and sessions, and the keys of the users' buckets."""

    def __init__(
        self, state: State, host: BucketHost, key: bytes, now: Callable[[], float] = time.time
    ) -> None:
        self.host = host
        self.token_lifetime = 15 * 60.0
        self._state = state
        self._key = hmac.new(key, b"workspaces", hashlib.sha256).digest()
        self._now = now
        self._secrets: dict[str, BucketKey] = {}
        self._rotating = asyncio.Lock()

    # -- users and buckets --------------------------------------------------------------------

    async def add_user(self, username: str) -> User:
        """Return a user, made now with a bucket of his own if there is none of that name."""
        slug = _NOT_IN_BUCKETS.sub("-", username.lower()).strip("-")[:40] or "user"
        await self._state.execute(
            "INSERT OR IGNORE INTO workspace_users (username, id, bucket) VALUES (?, ?, ?)",
            (username, secrets.token_hex(12), f"{slug}-{secrets.token_hex(4)}"),
        )
        row = await self._state.fetch_one(
            "SELECT * FROM workspace_users WHERE username=?", (username,)
        )
        assert row is not None
        await self.host.ensure_bucket(row["bucket"])
        if row["retired_key_id"] is not None:  # a rotation was cut off
            await self._retire(username, row["retired_key_id"])
        if row["access_key_id"] is None or await self.host.key(row["access_key_id"]) is None:
            made = await self.host.create_key(row["bucket"])
            await self._take(username, made, None)
        return await self.user(username)

    async def user(self, username: str) -> User:
        """Return a user; ``KeyError`` if there is none of that name."""
        row = await self._state.fetch_one(
            "SELECT username, id, bucket, access_key_id, email FROM workspace_users "
            "WHERE username=? AND access_key_id IS NOT NULL",
            (username,),
        )
        if row is None:
            raise KeyError(username)
        return User(*row)

    async def bucket_key(self, user: User) -> BucketKey:
        """Return the key of a user's bucket as it is now; `HostError` if somebody removed it."""
        current = (await self.user(user.username)).access_key_id
        if current not in self._secrets:
            found = await self.host.key(current)
            if found is None:
                raise HostError(
                    f"the key {current} of bucket {user.bucket} is gone; a restart makes another"
                )
            self._secrets[current] = found
        return self._secrets[current]

    async def rotate(self, user: User) -> BucketKey:
        """Give a user's bucket a new key; the old one is of no use once this returns."""
        async with self._rotating:
            old = (await self.user(user.username)).access_key_id
            made = await self.host.create_key(user.bucket)
            await self._take(user.username, made, old)
            self._secrets.pop(old, None)
            await self._retire(user.username, old)
        return made

    async def _take(self, username: str, key: BucketKey, old: str | None) -> None:
        await self._state.execute(
            "UPDATE workspace_users SET access_key_id=?, retired_key_id=? WHERE username=?",
            (key.access_key_id, old, username),
        )

    async def _retire(self, username: str, access_key_id: str) -> None:
        await self.host.delete_key(access_key_id)
        await self._state.execute(
            "UPDATE workspace_users SET retired_key_id=NULL WHERE username=?", (username,)
        )

    # -- API keys -----------------------------------------------------------------------------

    async def add_key(self, username: str, *, live: bool = False) -> str:
        """Make an API key, which is told only now."""
        key = f"{KEY_PREFIXES[0] if live else KEY_PREFIXES[1]}{secrets.token_hex(24)}"
        await self._state.execute(
            "INSERT INTO workspace_keys VALUES (?, ?)", (_hash(key), username)
        )
        return key

    async def remove_key(self, key: str) -> None:
        """Make an API key worthless."""
        await self._state.execute("DELETE FROM workspace_keys WHERE hash=?", (_hash(key),))

    async def user_of_key(self, key: str) -> User | None:
        """Return whose API key it is, None for an unknown one."""
        row = await self._state.fetch_one(
            "SELECT username FROM workspace_keys WHERE hash=?", (_hash(key),)
        )
        return None if row is None else await self.user(row["username"])

    # -- logins -------------------------------------------------------------------------------

    async def set_password(self, username: str, email: str, password: str) -> None:
        """Let a user log in with an e-mail address and a password."""
        salt = secrets.token_hex(16)
        await self._state.execute(
            "UPDATE workspace_users SET email=?, salt=?, password=? WHERE username=?",
            (email, salt, await stretched(password, salt), username),
        )

    async def log_in(self, email: str, password: str) -> User | None:
        """Return who logs in, None if the password is wrong."""
        row = await self._state.fetch_one(
            "SELECT username, salt, password FROM workspace_users WHERE email=?", (email,)
        )
        salt = "" if row is None else row["salt"]
        given = await stretched(password, salt)  # takes as long for who is not known
        if row is None or not hmac.compare_digest(row["password"], given):
            return None
        return await self.user(row["username"])

    def issue(self, user: User) -> str:
        """Make an access token."""
        claims = {
            "sub": user.username,
            "exp": self._now() + self.token_lifetime,
            "jti": secrets.token_hex(8),
        }
        body = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{body}.{self._signature(body)}"

    async def user_of_token(self, token: str) -> User | None:
        """Return whose access token it is, None for a wrong or expired one."""
        body, _, signature = token.rpartition(".")
        wanted = self._signature(body)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), wanted.encode()):
            return None
        coded = body.partition(".")[2]
        claims: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
        )
        return await self.user(claims["sub"]) if claims["exp"] > self._now() else None

    async def open_session(self, user: User) -> str:
        """Make what the refresh cookie holds."""
        token = secrets.token_urlsafe(32)
        async with self._state.transaction() as tx:
            await tx.execute("DELETE FROM workspace_sessions WHERE expires_at < ?", (self._now(),))
            await tx.execute(
                "INSERT INTO workspace_sessions VALUES (?, ?, ?)",
                (_hash(token), user.username, self._now() + SESSION_LIFETIME),
            )
        return token

    async def user_of_session(self, token: str) -> User | None:
        """Return whose refresh cookie it is, None for an unknown or expired one."""
        row = await self._state.fetch_one(
            "SELECT username, expires_at FROM workspace_sessions WHERE hash=?", (_hash(token),)
        )
        if row is None or row["expires_at"] <= self._now():
            return None
        return await self.user(row["username"])

    async def close_sessions(self, username: str) -> None:
        """Forget the refresh cookies of a user."""
        await self._state.execute("DELETE FROM workspace_sessions WHERE username=?", (username,))

    def _signature(self, body: str) -> str:
        digest = hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _segment(content: dict[str, Any]) -> str:
    data = json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
