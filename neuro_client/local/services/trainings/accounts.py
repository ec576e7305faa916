"""Who may use the control plane: applications, users with a password, and their tokens (§2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

import attrs

from ...passwords import stretched
from ...state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS training_applications (
    client_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    rights TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS training_passwords (
    username TEXT PRIMARY KEY,
    salt TEXT NOT NULL,
    hash TEXT NOT NULL
);
"""
OWN_APPLICATION = "local"
_ACCESS, _REFRESH = "access", "refresh"
_REFRESH_LIFETIME = 30 * 24 * 3600.0


@attrs.frozen
class Rights:
    """What somebody may do."""

    projects: frozenset[int] | None = None
    """None is every project."""
    read_only: bool = False
    generic: bool = True
    """Whether the endpoints for all kinds of workloads are open too."""


@attrs.frozen
class Caller:
    """Who makes a request: a user, or an application with an id of its own."""

    name: str
    client_id: str | None = None
    rights: Rights = Rights()


@attrs.frozen
class Application:
    """An application that signs in with a secret."""

    client_id: str
    name: str
    hash: str = attrs.field(repr=False)
    rights: Rights


class Accounts:
    """Keep applications and passwords, issue and check tokens."""

    def __init__(self, state: State, key: bytes) -> None:
        self._state = state
        self._key = hmac.new(key, b"trainings", hashlib.sha256).digest()
        self._applications: dict[str, Application] = {}

    async def open(self) -> None:
        """Read what is there."""
        for row in await self._state.fetch_all("SELECT * FROM training_applications"):
            self._applications[row["client_id"]] = Application(
                row["client_id"], row["name"], row["hash"], _rights(json.loads(row["rights"]))
            )

    async def own_application(self, secret: Any) -> tuple[str, str]:
        """Return the platform's own application; its secret stays while ``secret`` is it."""
        own = next((a for a in self._applications.values() if a.name == OWN_APPLICATION), None)
        if own is not None and isinstance(secret, str) and _matches(own.hash, secret):
            return own.client_id, secret
        client_id = own.client_id if own is not None else None
        return await self.add_application(OWN_APPLICATION, Rights(), client_id=client_id)

    async def add_application(
        self, name: str, rights: Rights, *, client_id: str | None = None
    ) -> tuple[str, str]:
        """Make an application; return its id and its secret, which is told only now."""
        client_id = client_id or f"{name}-{secrets.token_hex(6)}"
        secret = secrets.token_hex(20)
        projects = None if rights.projects is None else sorted(rights.projects)
        kept = {**attrs.asdict(rights), "projects": projects}
        await self._state.execute(
            "INSERT OR REPLACE INTO training_applications VALUES (?, ?, ?, ?)",
            (client_id, name, _hash(secret), json.dumps(kept)),
        )
        self._applications[client_id] = Application(client_id, name, _hash(secret), rights)
        return client_id, secret

    async def set_password(self, username: str, password: str) -> None:
        """Let a user sign in with a password."""
        salt = secrets.token_hex(16)
        await self._state.execute(
            "INSERT OR REPLACE INTO training_passwords VALUES (?, ?, ?)",
            (username, salt, await stretched(password, salt)),
        )

    def application(self, client_id: str, secret: str) -> Caller | None:
        """Return who signs in with a secret, None if it is wrong."""
        found = self._applications.get(client_id)
        if found is None or not _matches(found.hash, secret):
            return None
        return Caller(found.name, found.client_id, found.rights)

    async def user(self, username: str, password: str) -> Caller | None:
        """Return who signs in with a password, None if it is wrong."""
        row = await self._state.fetch_one(
            "SELECT salt, hash FROM training_passwords WHERE username = ?", (username,)
        )
        if row is None:
            return None
        same = hmac.compare_digest(row["hash"], await stretched(password, row["salt"]))
        return Caller(username) if same else None

    def issue(self, caller: Caller, lifetime: float) -> str:
        """Make an access token; ``lifetime`` in seconds."""
        return self._issue(caller, _ACCESS, lifetime)

    def issue_refresh(self, caller: Caller) -> str:
        """Make a token that renews access tokens."""
        return self._issue(caller, _REFRESH, _REFRESH_LIFETIME)

    def caller(self, token: str, *, refresh: bool = False) -> Caller | None:
        """Return whose token it is, None for a wrong or expired one."""
        body, _, signature = token.rpartition(".")
        wanted = self._signature(body)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), wanted.encode()):
            return None
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body.partition(".")[2]))
        kind = _REFRESH if refresh else _ACCESS
        if claims["typ"] != kind or claims["exp"] <= time.time():
            return None
        if not claims["app"]:
            return Caller(claims["sub"])
        found = self._applications.get(claims["sub"])
        return None if found is None else Caller(found.name, found.client_id, found.rights)

    def _issue(self, caller: Caller, kind: str, lifetime: float) -> str:
        now = time.time()
        claims = {
            "sub": caller.client_id or caller.name,
            "app": caller.client_id is not None,
            "typ": kind,
            "iat": int(now),
            "exp": int(now + lifetime) if lifetime >= 1 else now + lifetime,
            "jti": secrets.token_hex(8),
        }
        body = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        digest = hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _segment(content: dict[str, Any]) -> str:
    """Write a part of a token that any base64 decoder reads: no padding, no ``-`` or ``_``."""
    text = json.dumps(content, separators=(",", ":"))
    for letter in ">?~\x7f":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    text += " " * (-len(text) % 3)
    return base64.urlsafe_b64encode(text.encode()).decode()


def _rights(kept: dict[str, Any]) -> Rights:
    projects: Iterable[int] | None = kept.pop("projects")
    return Rights(**kept, projects=None if projects is None else frozenset(projects))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _matches(kept: str, secret: str) -> bool:
    return hmac.compare_digest(kept, _hash(secret))
