"""Keep the values of secrets, encrypted with a key of the data folder."""

from __future__ import annotations

import asyncio
import json
import os

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from yarl import URL

from ...runners import RunnerError
from ...tokens import signing_key
from ..base import Platform

SCHEMA = """
CREATE TABLE IF NOT EXISTS secrets (
    cluster TEXT NOT NULL,
    org TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (cluster, org, owner, key)
);
"""
_NONCE = 12


@attrs.frozen
class Secret:
    """Name a secret; the values stay in the database."""

    cluster: str
    org: str | None
    owner: str
    key: str

    @property
    def uri(self) -> URL:
        """Give the URI that rights are held on."""
        return home_uri(self.cluster, self.org, self.owner) / self.key

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Give the columns that tell it from others; no organisation is the empty text."""
        return (self.cluster, self.org or "", self.owner, self.key)


class SecretControl:
    """Own the secrets of all clusters; it is ``platform.secrets``."""

    def __init__(self, platform: Platform, key: bytes) -> None:
        self._state = platform.state
        self._cipher = AESGCM(key)

    @classmethod
    async def create(cls, platform: Platform) -> SecretControl:
        """Read the key of the data folder, made on the first start."""
        return cls(platform, await asyncio.to_thread(signing_key, platform.data / "secrets.key"))

    async def all(self, cluster: str) -> list[Secret]:
        """Return the secrets of a cluster."""
        query = "SELECT org, owner, key FROM secrets WHERE cluster=? ORDER BY org, owner, key"
        rows = await self._state.fetch_all(query, (cluster,))
        return [Secret(cluster, row["org"] or None, row["owner"], row["key"]) for row in rows]

    async def put(self, secret: Secret, value: bytes) -> None:
        """Keep a value, in the place of an earlier one."""
        nonce = os.urandom(_NONCE)
        # Bound to its place: a row put elsewhere in the database does not open.
        kept = nonce + self._cipher.encrypt(nonce, value, _bound(secret.row))
        await self._state.execute(
            "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)", (*secret.row, kept)
        )

    async def remove(self, secret: Secret) -> bool:
        """Forget a secret; False if there is none."""
        rule = "cluster=? AND org=? AND owner=? AND key=?"
        return bool(await self._state.execute(f"DELETE FROM secrets WHERE {rule}", secret.row))

    async def value(self, uri: URL) -> bytes | None:
        """Return the value that a URI names, None if there is none.

        Raises:
            RunnerError: it was kept under another key.
        """
        home, _, key = uri.path.strip("/").rpartition("/")
        row = await self._state.fetch_one(
            "SELECT * FROM secrets WHERE cluster=? AND key=? "
            "AND iif(org='', owner, org || '/' || owner)=?",
            (uri.host or "", key, home),
        )
        if row is None:
            return None
        kept = bytes(row["value"])
        place = (row["cluster"], row["org"], row["owner"], row["key"])
        try:
            return self._cipher.decrypt(kept[:_NONCE], kept[_NONCE:], _bound(place))
        except InvalidTag:
            raise RunnerError(
                f"secret {uri} was kept under another key than the one in secrets.key; add it again"
            ) from None


def home_uri(cluster: str, org: str | None, owner: str) -> URL:
    """Return the URI that an owner's secrets lie below."""
    path = "/" + "/".join(part for part in (org, owner) if part)
    return URL.build(scheme="secret", host=cluster, path=path)


def _bound(place: tuple[str, ...]) -> bytes:
    return json.dumps(place).encode()
