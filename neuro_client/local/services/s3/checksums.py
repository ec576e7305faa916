"""The checksums that S3 knows, and how those of parts make that of an object."""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

_google: Any
try:
    import google_crc32c as _google
except ImportError:  # slower, and the same
    _google = None

PREFIX = "x-amz-checksum-"
_CRC32C = 0x82F63B78
_CRC64NVME = 0x9A6C9329AC4BC9B5


class Digest(Protocol):
    """Be what hashlib's objects are."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""
        ...


class _Crc:
    """Compute a CRC by a function of bytes and the value so far."""

    def __init__(self, function: Callable[[Any, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes."""
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        """Return the value, big-endian."""
        return self._value.to_bytes(self._size, "big")


@functools.cache
def _table(polynomial: int) -> Sequence[int]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        found.append(value)
    return found


def _reflected(polynomial: int, bits: int) -> Callable[[Any, int], int]:
    mask = (1 << bits) - 1

    def update(data: Any, value: int) -> int:
        table = _table(polynomial)
        value ^= mask
        for byte in data:
            value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
        return value ^ mask

    return update


def _crc32c(data: Any, value: int) -> int:
    if _google is None:
        return _reflected(_CRC32C, 32)(data, value)
    return int(_google.extend(value, bytes(data)))


_MADE: dict[str, Callable[[], Digest]] = {
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": lambda: _Crc(_crc32c, 4),
    "crc64nvme": lambda: _Crc(_reflected(_CRC64NVME, 64), 8),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}
ALGORITHMS = tuple(_MADE)
_POLYNOMIALS = {"crc32": (0xEDB88320, 32), "crc32c": (_CRC32C, 32), "crc64nvme": (_CRC64NVME, 64)}


def new(algorithm: str) -> Digest:
    """Begin a checksum; ``algorithm`` is one of `ALGORITHMS`."""
    return _MADE[algorithm]()


def encoded(digest: bytes) -> str:
    """Return a checksum as headers have it."""
    return base64.b64encode(digest).decode("ascii")


def composite(algorithm: str, checksums: Sequence[str]) -> str:
    """Return the checksum of the checksums of parts."""
    found = new(algorithm)
    for checksum in checksums:
        found.update(base64.b64decode(checksum))
    return f"{encoded(found.digest())}-{len(checksums)}"


def joined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return the checksum of a whole object from those of its parts and their sizes."""
    polynomial, bits = _POLYNOMIALS[algorithm]
    value = 0
    for checksum, size in parts:
        part = int.from_bytes(base64.b64decode(checksum), "big")
        value = _shifted(value, size, polynomial, bits) ^ part
    return encoded(value.to_bytes(bits // 8, "big"))


def can_join(algorithm: str) -> bool:
    """Tell whether the checksum of an object follows from those of its parts."""
    return algorithm in _POLYNOMIALS


def _shifted(value: int, size: int, polynomial: int, bits: int) -> int:
    """Return the CRC of what *value* is the CRC of, followed by *size* zero bytes.

    Appending zeros is linear: the matrix of one zero bit is squared for each binary digit.
    """
    matrix = [polynomial, *(1 << bit for bit in range(bits - 1))]
    count = 8 * size
    while count:
        if count & 1:
            value = _times(matrix, value)
        matrix = [_times(matrix, column) for column in matrix]
        count >>= 1
    return value


def _times(matrix: Sequence[int], vector: int) -> int:
    found = 0
    index = 0
    while vector:
        if vector & 1:
            found ^= matrix[index]
        vector >>= 1
        index += 1
    return found
