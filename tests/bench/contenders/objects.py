"""What the contenders of the objects' benchmark are asked to do; see `tests.bench.aistore`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .task import Order

WORKERS = 16
"""Requests at a time, of every contender: the published client has as many threads."""


@dataclass(frozen=True)
class Job:
    """Say which objects: ``count`` of ``size`` bytes in ``bucket``, or the file at ``local``."""

    work: str
    url: str
    bucket: str
    count: int
    size: int
    local: Path

    @classmethod
    def of(cls, order: Order) -> Job:
        """Read an order."""
        bucket, count, size = order.remote.split("/")
        return cls(order.work, order.base, bucket, int(count), int(size), Path(order.local))

    @property
    def names(self) -> list[str]:
        """Return the names of the objects."""
        return [f"folder-{number % 40}/object-{number}" for number in range(self.count)]

    def check(self, found: int) -> None:
        """Refuse a result with another number of bytes, or of names, than there are."""
        expected = self.count if self.work in ("list", "head") else self.count * self.size
        if found != expected:
            raise RuntimeError(f"{self.work}: {found} instead of {expected}")


LARGE = "large"
"""The name of the large object."""


def content(size: int) -> bytes:
    """Return what every small object holds."""
    return bytes(range(256)) * (size // 256)
