"""Checksums that travel with objects (aistore.md §8.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from ...transfer import Chunk
from ..extras import hashes

TYPE = "Ais-Checksum-Type"
VALUE = "Ais-Checksum-Value"
NONE = "none"
USUAL = "xxhash2"
"""What a bucket has unless its owner chose another; 3.x calls the same hash ``xxhash``."""


class Hasher(Protocol):
    """Be fed with a content and tell its hash."""

    def update(self, data: Chunk, /) -> Any:
        """Take more of the content."""

    def hexdigest(self) -> str:
        """Return the hash so far."""


class _CRC32C:
    def __init__(self, module: Any) -> None:
        self._found = module.Checksum()

    def update(self, data: Chunk) -> None:
        self._found.update(bytes(data))

    def hexdigest(self) -> str:
        return str(self._found.hexdigest().decode())


def _crc32c() -> Hasher | None:
    # It comes with the extra `google`; computed in Python it would be slower than any line.
    try:
        return _CRC32C(import_module("google_crc32c"))
    except ImportError:
        return None


_MAKERS: dict[str, Callable[[], Hasher | None]] = {
    "xxhash": lambda: hashes().xxh64(),
    "xxhash2": lambda: hashes().xxh64(),
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "crc32c": _crc32c,
}
KIND_OF_LENGTH = {8: "crc32c", 16: "xxhash", 32: "md5", 64: "sha256", 128: "sha512"}
"""By the length in hexadecimal digits: listings tell a checksum without its kind."""
TYPES = frozenset(_MAKERS)
"""The kinds that can be asked for by name."""


def hasher(kind: str) -> Hasher | None:
    """Return a fresh hash, None for a kind that cannot be computed here."""
    maker = _MAKERS.get(kind)
    return None if maker is None else maker()


def same_hash(one: str, other: str) -> bool:
    """Tell whether two kinds are one function."""
    return one == other or {one, other} == {"xxhash", "xxhash2"}


def of(kind: str, data: Chunk) -> str | None:
    """Return the checksum of bytes at hand."""
    found = hasher(kind)
    if found is None:
        return None
    found.update(data)
    return found.hexdigest()
