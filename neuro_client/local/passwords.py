"""Passwords at rest: only what a slow function makes of them is kept."""

from __future__ import annotations

import asyncio
import hashlib


async def stretched(password: str, salt: str) -> str:
    """Return what is kept of a password; it takes some milliseconds, on purpose."""

    def stretch() -> str:
        return hashlib.scrypt(
            password.encode("utf-8", "replace"), salt=salt.encode(), n=2**12, r=8, p=1
        ).hex()

    return await asyncio.to_thread(stretch)
