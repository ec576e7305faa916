"""Small objects on their way to the disk: a file each, and one transaction for several."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import attrs

from ...threads import taken
from .bodies import Receiver, Stored
from .files import Files
from .lanes import Lane
from .models import Bucket, Object, Segment
from .store import Check, S3Store

_QUICK = 2**17
"""Bytes up to which the work is quicker than the hop to a thread that works beside others."""


@attrs.frozen(eq=False)
class Write:
    """Hold a small object whose bytes have all arrived, and what may refuse it."""

    bucket: Bucket
    key: str
    receiver: Receiver
    pieces: Sequence[bytes]
    headers: Mapping[str, str]
    check: Check


class Writer:
    """Write small objects and put them in place."""

    def __init__(self, store: S3Store, files: Files) -> None:
        self._store = store
        self._files = files
        self._lane = Lane("s3-writing", self._write_each)

    def close(self) -> None:
        """Let the thread end."""
        self._lane.close()

    async def write(self, new: Write) -> Object:
        """Write one; it is made to its end although cancelled."""
        if (new.receiver.promise.size or 0) <= _QUICK:
            return await self._lane.do(new)
        (result,) = await taken(lambda: self._write_each([new]), lambda _: None)
        if isinstance(result, Exception):
            raise result
        return result

    def _write_each(self, several: Sequence[Write]) -> list[Object | Exception]:
        """Write several, each with an outcome of its own; blocks."""
        results = [self._stored(new) for new in several]
        made = [(number, new) for number, new in enumerate(results) if isinstance(new, Object)]
        placed = self._store.put_each(
            [(several[number].bucket, new, several[number].check) for number, new in made]
        )
        gone: list[str] = []
        for (number, new), free in zip(made, placed, strict=True):
            if isinstance(free, Exception):
                results[number] = free
                gone += new.files
            else:
                gone += free
        if gone:
            self._files.remove(gone)
        return results

    def _stored(self, new: Write) -> Object | Exception:
        try:
            stored = new.receiver.store_now(self._files, new.pieces)
        except Exception as error:
            return error
        return made_object(new.key, stored, new.headers)


def made_object(key: str, stored: Stored, headers: Mapping[str, str]) -> Object:
    """Return the object that a body makes."""
    segments = [Segment(stored.file, stored.size)]
    return Object(key, stored.size, stored.etag, time.time(), headers, stored.checksums, segments)
