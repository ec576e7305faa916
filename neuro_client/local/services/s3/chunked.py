"""The ``aws-chunked`` encoding: chunks with sizes, signatures and a trailer."""

from __future__ import annotations

import hashlib
import re

from .errors import S3Error
from .signing import Signature, chunk_signature, same, trailer_signature

_MOST_HEAD = 4096
_MOST_TRAILER = 16
_SIZE = re.compile(r"[0-9a-fA-F]{1,16}")
_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def _malformed() -> S3Error:
    return S3Error("InvalidRequest", "The aws-chunked encoding of the body is not valid")


class Chunked:
    """Decode a body as it arrives, and check the signature of each chunk.

    What a chunk holds is passed on before its signature is known; a wrong one raises at its end,
    and whoever has written the bytes drops them.
    """

    def __init__(self, payload: str, signature: Signature | None, key: bytes) -> None:
        if payload not in (_SIGNED, _SIGNED_TRAILER, _UNSIGNED_TRAILER):
            raise S3Error("InvalidArgument", f"x-amz-content-sha256 cannot be {payload}")
        self.trailer: dict[str, str] = {}
        self._signed = payload != _UNSIGNED_TRAILER
        self._trailing = payload != _SIGNED
        if self._signed and signature is None:
            raise S3Error("InvalidArgument", "A signed stream needs a signed request")
        self._signature = signature
        self._previous = signature.signature if signature is not None else ""
        self._key = key
        self._buffer = bytearray()
        self._left = -1  # bytes of the present chunk; -1: its head is next
        self._wanted = ""
        self._digest = hashlib.sha256()
        self._last = False
        self._done = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the wire and return what they hold of the content."""
        found: list[bytes] = []
        if self._done:
            raise _malformed()
        self._buffer += data
        while self._buffer and not self._done:
            if self._last:
                if not self._read_trailer():
                    break
            elif self._left < 0:
                if not self._read_head():
                    break
            elif self._left > 0:
                piece = bytes(self._buffer[: self._left])
                del self._buffer[: self._left]
                self._left -= len(piece)
                if self._signed:
                    self._digest.update(piece)
                found.append(piece)
            else:  # the line end behind a chunk
                if len(self._buffer) < 2:
                    break
                if self._buffer[:2] != b"\r\n":
                    raise _malformed()
                del self._buffer[:2]
                self._end_chunk()
                self._left = -1
        return found

    def _read_head(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size, _, extension = line.partition(";")
        if not _SIZE.fullmatch(size):
            raise _malformed()
        self._left = int(size, 16)
        self._wanted = extension.partition("chunk-signature=")[2].strip()
        if self._signed and not self._wanted:
            raise _malformed()
        self._digest = hashlib.sha256()
        if self._left == 0:
            self._end_chunk()
            self._last = True
        return True

    def _end_chunk(self) -> None:
        if not self._signed:
            return
        assert self._signature is not None
        expected = chunk_signature(
            self._key, self._signature, self._previous, self._digest.hexdigest()
        )
        self._compare(expected, self._wanted)
        self._previous = expected

    def _read_trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._end_trailer()
            self._done = True
            return False
        name, colon, value = line.partition(":")
        if not colon or not self._trailing or len(self.trailer) == _MOST_TRAILER:
            raise _malformed()
        if (name := name.strip().lower()) in self.trailer:
            raise _malformed()
        self.trailer[name] = value.strip()
        return True

    def _end_trailer(self) -> None:
        wanted = self.trailer.pop("x-amz-trailer-signature", None)
        if not (self._signed and self._trailing):
            return
        assert self._signature is not None
        lines = "".join(f"{name}:{value}\n" for name, value in self.trailer.items()).encode()
        expected = trailer_signature(self._key, self._signature, self._previous, lines)
        self._compare(expected, wanted or "")

    def _compare(self, expected: str, given: str) -> None:
        if not same(expected, given):
            raise S3Error(
                "SignatureDoesNotMatch", "The signature of a chunk does not match its bytes."
            )

    def _line(self) -> str | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise _malformed()
            return None
        line = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 2]
        return line

    def finish(self) -> None:
        """Take note of the end of the body; ``IncompleteBody`` if chunks are missing."""
        if self._last and not self._done and not self._buffer:
            # Some clients leave the empty line behind the last chunk out.
            self._end_trailer()
            self._done = True
        if not self._done or self._buffer:
            raise S3Error("IncompleteBody", "The request body terminated unexpectedly")
