"""Where the users' buckets are: the platform's own S3 endpoint, or a real Garage."""

from __future__ import annotations

from typing import Protocol

import attrs
from yarl import URL

REGION = "garage"


class HostError(ConnectionError):
    """Report that the buckets cannot be managed; the text says why."""


@attrs.frozen
class BucketKey:
    """Hold an access key of a bucket."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)


@attrs.frozen
class BucketUsage:
    """Count what a bucket holds; a limit of None is none."""

    bytes: int
    objects: int
    unfinished_bytes: int
    max_size: int | None
    max_objects: int | None


class BucketHost(Protocol):
    """Manage buckets of Garage's kind, and keys with every right on one of them."""

    @property
    def region(self) -> str:
        """Return the region that requests are signed for."""
        ...

    @property
    def url(self) -> URL:
        """Return the root of the S3 endpoint."""
        ...

    async def ensure_bucket(self, name: str) -> None:
        """Make a bucket unless it is there."""
        ...

    async def create_key(self, bucket: str) -> BucketKey:
        """Make a key that may do everything with a bucket."""
        ...

    async def key(self, access_key_id: str) -> BucketKey | None:
        """Return a key, None if there is none."""
        ...

    async def delete_key(self, access_key_id: str) -> None:
        """Remove a key; one that is gone already is no error."""
        ...

    async def set_quotas(self, bucket: str, max_size: int | None, max_objects: int | None) -> None:
        """Limit bytes and objects; None lifts a limit."""
        ...

    async def usage(self, bucket: str) -> BucketUsage:
        """Count what a bucket holds."""
        ...

    async def sweep(self, bucket: str, older_than: float) -> int:
        """Abort unfinished uploads older than so many seconds; return how many there were."""
        ...
