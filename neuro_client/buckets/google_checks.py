"""Checksums of what is sent to and read from Google: CRC32C where it is fast, else MD5."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol

from ..errors import ChecksumMismatchError
from ..threads import run_blocking
from ..transfer import Chunk, Part
from ..transfer.models import MiB

CRC32C = "crc32c"
MD5 = "md5"
MD5_LIMIT = 8 * MiB
"""Bytes above which an object is not read through MD5, which is slower than most lines."""
_INLINE = 2**18
"""Bytes up to which a checksum is computed on the loop: a hop to a thread would cost more."""
_POLYNOMIAL = 0x82F63B78
_ONE = 1 << 31


class Digest(Protocol):
    """Be told the bytes of an object."""

    @property
    def name(self) -> str:
        """Return the name of the checksum as Google writes it."""
        ...

    @property
    def value(self) -> str:
        """Return the checksum of the bytes so far as Google writes it."""
        ...

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        ...


class _Crc32c:
    name = CRC32C

    def __init__(self, extend: Callable[[int, bytes], int]) -> None:
        self._extend = extend
        self._sum = 0

    @property
    def value(self) -> str:
        """Return the checksum in base64."""
        return _encoded(self._sum)

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        self._sum = self._extend(self._sum, chunk if isinstance(chunk, bytes) else bytes(chunk))


class _Md5:
    name = MD5

    def __init__(self) -> None:
        self._found = hashlib.md5(usedforsecurity=False)

    @property
    def value(self) -> str:
        """Return the checksum in base64."""
        return base64.b64encode(self._found.digest()).decode("ascii")

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        self._found.update(chunk)


@cache
def load() -> Callable[[int, bytes], int] | None:
    """Return the compiled CRC32C, None if there is none; reads files the first time."""
    try:
        import google_crc32c
    except ImportError:
        return None
    module: Any = google_crc32c
    extend: Callable[[int, bytes], int] = module.extend
    return extend if module.implementation == "c" else None


def new_digest(name: str | None = None) -> Digest:
    """Begin the best checksum there is, or the one of that name."""
    extend = load()
    if extend is None or name == MD5:
        return _Md5()
    return _Crc32c(extend)


async def digest_of(data: bytes) -> Digest:
    """Compute the checksum of bytes at hand."""
    digest = new_digest()
    if len(data) <= _INLINE:
        digest.update(data)
    else:
        await run_blocking(digest.update, data)
    return digest


def told_by(headers: Mapping[str, str]) -> dict[str, str]:
    """Read ``x-goog-hash``: one header with all checksums, or one for each."""
    values = [value for name, value in headers.items() if name.lower() == "x-goog-hash"]
    pairs = (item.strip().partition("=") for value in values for item in value.split(","))
    return {name: value for name, _, value in pairs}


def digest_for_read(headers: Mapping[str, str], size: int | None) -> Digest | None:
    """Choose how a whole object is checked while it is read; None if it cannot be."""
    told = told_by(headers)
    if CRC32C in told and load() is not None:
        return new_digest()
    if MD5 in told and size is not None and size <= MD5_LIMIT:
        return new_digest(MD5)
    return None


def compare(what: str, digest: Digest, told: Mapping[str, str], advice: str) -> None:
    """Raise `ChecksumMismatchError` if the service has told another checksum."""
    expected = told.get(digest.name)
    if expected is not None and expected != digest.value:
        raise ChecksumMismatchError(
            f"{what}: the {digest.name} is {digest.value} here and {expected} there; {advice}"
        )


def receipt(digest: Digest, etag: str = "") -> str:
    """Return what `transfer.Part` remembers of a part."""
    return f"{digest.name}={digest.value} {etag}".rstrip()


def etag_of(part: Part) -> str:
    """Return the ETag in a receipt."""
    return (part.tag or "").partition(" ")[2]


def joined(parts: Sequence[Part]) -> tuple[str, str] | None:
    """Return name and value of the checksum of an object made of *parts*, None if unknown."""
    found = [_checksum(part) for part in parts]
    if len(found) == 1:
        return found[0]
    total = 0
    for part, checksum in zip(parts, found, strict=True):
        if checksum is None or checksum[0] != CRC32C:
            return None
        value = int.from_bytes(base64.b64decode(checksum[1]), "big")
        total = _times(_shift(part.size), total) ^ value
    return CRC32C, _encoded(total)


def _checksum(part: Part) -> tuple[str, str] | None:
    name, sign, value = (part.tag or "").partition(" ")[0].partition("=")
    return (name, value) if sign else None


def compare_whole(what: str, parts: Sequence[Part], told: Mapping[str, str]) -> None:
    """Raise `ChecksumMismatchError` if an object has another checksum than its parts."""
    expected = joined(parts)
    if expected is None:
        return
    name, value = expected
    if told.get(name, value) != value:
        raise ChecksumMismatchError(
            f"{what}: the object was made of other bytes than were sent ({name} {told[name]} "
            f"instead of {value}); send it again"
        )


def _encoded(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def _times(a: int, b: int) -> int:
    """Multiply two polynomials over bits, lowest power first, modulo that of CRC32C."""
    product = 0
    power = _ONE
    while power:
        if a & power:
            product ^= b
        power >>= 1
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=64)
def _shift(size: int) -> int:
    """Return what a checksum is multiplied by when *size* bytes come behind: x to the 8 *size*."""
    result, square, exponent = _ONE, _ONE >> 1, 8 * size
    while exponent:
        if exponent & 1:
            result = _times(result, square)
        square = _times(square, square)
        exponent >>= 1
    return result
