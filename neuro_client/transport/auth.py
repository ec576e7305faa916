"""What a Transport needs to know about credentials; how they are obtained is not its business."""

from __future__ import annotations

import base64
from typing import Protocol


class Credentials(Protocol):
    """Supply the ``Authorization`` header of every attempt."""

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the header's value, valid for at least ``min_ttl`` seconds; empty for none."""
        ...

    async def renew(self, rejected: str) -> bool:
        """Get a fresh value after a 401 for ``rejected``; False when there is no other."""
        ...


class FixedCredentials:
    """Send one value that cannot be renewed."""

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def bearer(cls, token: str) -> FixedCredentials:
        """Build the header of an access token."""
        return cls(f"Bearer {token}")

    @classmethod
    def basic(cls, username: str, password: str) -> FixedCredentials:
        """Build the header of a user name and a password, both UTF-8."""
        pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        return cls(f"Basic {pair}")

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        return self._value

    async def renew(self, rejected: str) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
