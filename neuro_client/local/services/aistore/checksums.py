"""The checksums of the cluster (aistore.md §8.2), hashed as bytes come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import xxhash

from ..s3 import checksums as crc


class Digest(Protocol):
    """Be what hashlib's objects are."""

    def update(self, data: Any, /) -> None:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far."""
        ...


class _Crc32c:
    def __init__(self) -> None:
        self._crc = crc.new("crc32c")

    def update(self, data: Any, /) -> None:
        """Add bytes."""
        self._crc.update(data)

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far."""
        return self._crc.digest().hex()


class _Nothing:
    def update(self, data: Any, /) -> None:
        """Take no notice."""

    def hexdigest(self) -> str:
        """Return that there is none."""
        return ""


NONE = "none"
_MADE: dict[str, Callable[[], Digest]] = {
    NONE: _Nothing,
    "xxhash": xxhash.xxh64,
    "xxhash2": xxhash.xxh64,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32c": _Crc32c,
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}
TYPES = tuple(_MADE)


def new(kind: str) -> Digest:
    """Begin a checksum; ``kind`` is one of `TYPES`."""
    return _MADE[kind]()
