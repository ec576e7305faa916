"""Samples, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import ChecksumMismatchError, NeuroError, SourceChangedError
from ..batch.tar import BrokenArchive
from ..errors import ErrObjNotFound


@attrs.frozen
class Sample:
    """Hold one sample: contents by their extensions, without the dot and in small letters.

    ``key`` is what its files are called without extensions, of a plain object its whole name;
    ``source`` is the object or the shard that it was read from.
    """

    key: str
    members: Mapping[str, bytes] = attrs.field(repr=False)
    source: str = ""

    @property
    def data(self) -> bytes:
        """Return the content of a sample that has only one."""
        if len(self.members) != 1:
            raise ValueError(f"{self.key!r} has {sorted(self.members)}; choose one of its members")
        return next(iter(self.members.values()))

    @property
    def size(self) -> int:
        """Return the bytes of all contents."""
        return sum(map(len, self.members.values()))


class SampleError(NeuroError, ValueError):
    """Report a sample, or the rest of a shard, that cannot be read; ``__cause__`` tells why.

    ``key`` is "" if it concerns all that would follow in ``source``.
    """

    def __init__(self, message: str, source: str = "", key: str = "") -> None:
        super().__init__(message)
        self.source = source
        self.key = key

    def __reduce__(self) -> tuple[type[SampleError], tuple[str, str, str]]:
        return type(self), (str(self), self.source, self.key)


BAD = (ErrObjNotFound, ChecksumMismatchError, SourceChangedError, BrokenArchive)
"""What is wrong with a content; anything else is trouble of the network or of the cluster."""


def unreadable(error: Exception, source: str, key: str = "") -> SampleError:
    """Report that a content cannot be read."""
    found = SampleError(f"The sample {key or source!r} cannot be read: {error}", source, key)
    found.__cause__ = error
    return found


def split_name(name: str) -> tuple[str, str]:
    """Return key and extension: all behind the first dot of the last part of the name."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension.lower()
