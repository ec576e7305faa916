"""What trainings find on the cluster: secrets, config maps and volume claims (§5.2, §5.7)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...runners import RunnerError
from ...state import State

SCHEMA = """
CREATE TABLE IF NOT EXISTS training_assets (
    kind TEXT NOT NULL,
    project INTEGER NOT NULL,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (kind, project, name)
) WITHOUT ROWID;
"""
SECRET, CONFIG_MAP = "secret", "config map"
_NONCE = 12
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class Assets:
    """Keep the assets of all projects, encrypted with a key of the data folder."""

    def __init__(self, state: State, folder: Path, key: bytes) -> None:
        self._state = state
        self._cipher = AESGCM(hmac.new(key, b"training assets", hashlib.sha256).digest())
        self._claims = folder / "claims"

    async def put(self, kind: str, project: int, name: str, content: Mapping[str, str]) -> None:
        """Add a secret or a config map, or replace it."""
        nonce = os.urandom(_NONCE)
        kept = nonce + self._cipher.encrypt(nonce, json.dumps(dict(content)).encode(), None)
        await self._state.execute(
            "INSERT OR REPLACE INTO training_assets VALUES (?, ?, ?, ?)",
            (kind, project, name, kept),
        )

    async def get(self, kind: str, project: int, name: str) -> dict[str, str]:
        """Give the content; `RunnerError` if there is none of that name."""
        row = await self._state.fetch_one(
            "SELECT content FROM training_assets WHERE kind = ? AND project = ? AND name = ?",
            (kind, project, name),
        )
        if row is None:
            seam = "add_secret" if kind == SECRET else "add_config_map"
            raise RunnerError(
                f"{kind} {name!r} was not found; on the local platform it is made with"
                f" platform.trainings.{seam}()"
            )
        kept = row["content"]
        text = self._cipher.decrypt(kept[:_NONCE], kept[_NONCE:], None)
        content: dict[str, str] = json.loads(text)
        return content

    async def value(self, kind: str, project: int, name: str, key: str) -> str:
        """Give one entry; `RunnerError` if there is none of that name."""
        content = await self.get(kind, project, name)
        if key not in content:
            raise RunnerError(f"{kind} {name!r} has no key {key!r}")
        return content[key]

    def claim(self, project: int, name: str) -> Path:
        """Give the folder of a volume claim, whether it exists or not."""
        if not _FOLDER.fullmatch(name):
            raise RunnerError(f"{name!r} cannot name a volume claim")
        return self._claims / str(project) / name
