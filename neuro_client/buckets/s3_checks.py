"""Checksums of what is sent to and read from S3: CRC32 where the service knows it, else MD5."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..errors import ChecksumMismatchError
from ..transfer import Chunk, Part

HEADER = "x-amz-checksum-crc32"
MODE = "x-amz-checksum-mode"
_ENCRYPTION = "x-amz-server-side-encryption"
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
MD5_LIMIT = 2**23
"""Bytes above which an object is not read through MD5, which is slower than most lines."""


def crc32(chunks: Sequence[Chunk]) -> str:
    """Return the checksum as S3 writes it."""
    value = 0
    for chunk in chunks:
        value = zlib.crc32(chunk, value)
    return _encoded(value)


def _encoded(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def md5(chunks: Sequence[Chunk]) -> str:
    """Return the MD5 in hexadecimal, as in an ETag."""
    found = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def sha256(chunks: Sequence[Chunk]) -> str:
    """Return the SHA-256 in hexadecimal, as signatures have it."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def md5_of_etag(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 that an ETag is; one of an object encrypted with a managed key is none."""
    if headers.get(_ENCRYPTION, "AES256") != "AES256":
        return None
    match = _MD5.fullmatch(headers.get("ETag", ""))
    return match[1] if match else None


def tag_of(etag: str, checksum: str | None) -> str:
    """Return what `transfer.Part` remembers of a part."""
    return f"{etag} {checksum}" if checksum else etag


def read_tag(part: Part) -> tuple[str, str | None]:
    """Return the ETag and the checksum of a part."""
    etag, _, checksum = (part.tag or "").partition(" ")
    return etag, checksum or None


def joined_etag(parts: Sequence[Part]) -> str | None:
    """Return the ETag of an object made of *parts*, None where theirs are not MD5s."""
    found = hashlib.md5(usedforsecurity=False)
    for part in parts:
        match = _MD5.fullmatch(read_tag(part)[0])
        if match is None:
            return None
        found.update(bytes.fromhex(match[1]))
    return f'"{found.hexdigest()}-{len(parts)}"'


def joined_crc32(parts: Sequence[Part]) -> str | None:
    """Return the composite checksum of an object made of *parts*, None where one has none."""
    value = 0
    for part in parts:
        checksum = read_tag(part)[1]
        if checksum is None:
            return None
        value = zlib.crc32(base64.b64decode(checksum), value)
    return f"{_encoded(value)}-{len(parts)}"


class Check(Protocol):
    """Be told the bytes of an object, and judge them at their end."""

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        ...

    def finish(self, what: str) -> None:
        """Raise `ChecksumMismatchError` if they are not those that the service has."""
        ...


class _Crc32:
    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._value = 0

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        self._value = zlib.crc32(chunk, self._value)

    def finish(self, what: str) -> None:
        """Compare with what the service told."""
        _compare(what, _encoded(self._value), self._expected)


class _Md5:
    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._found = hashlib.md5(usedforsecurity=False)

    def update(self, chunk: Chunk) -> None:
        """Take note of the next bytes."""
        self._found.update(chunk)

    def finish(self, what: str) -> None:
        """Compare with the ETag."""
        _compare(what, self._found.hexdigest(), self._expected)


def _compare(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ChecksumMismatchError(
            f"{what}: the bytes that arrived have the checksum {found} instead of {expected}; "
            "read it again"
        )


def check_of(headers: Mapping[str, str], size: int) -> Check | None:
    """Choose how a whole object is checked while it is read; None if it cannot be."""
    checksum = headers.get(HEADER)
    if checksum is not None and "-" not in checksum:  # not the checksum of checksums
        return _Crc32(checksum)
    digest = md5_of_etag(headers)
    return _Md5(digest) if digest is not None and size <= MD5_LIMIT else None
