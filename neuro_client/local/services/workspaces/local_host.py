"""Buckets on the platform's own S3 endpoint, which answers for them as Garage does."""

from __future__ import annotations

import time

from yarl import URL

from ..base import Platform
from ..s3.control import BucketExists, Grant, NoSuchKey, S3Control
from ..s3.errors import GARAGE
from .hosts import REGION, BucketKey, BucketUsage


class LocalHost:
    """Manage buckets in this process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def region(self) -> str:
        """Return the region that requests are signed for."""
        return REGION

    @property
    def url(self) -> URL:
        """Return the root of the S3 endpoint."""
        return self._control.url

    @property
    def _control(self) -> S3Control:
        control: S3Control = self._platform.s3
        return control

    async def ensure_bucket(self, name: str) -> None:
        """Make a bucket unless it is there."""
        try:
            await self._control.create_bucket(name, flavour=GARAGE)
        except BucketExists:
            return

    async def create_key(self, bucket: str) -> BucketKey:
        """Make a key that may do everything with a bucket."""
        made = await self._control.create_key({bucket: Grant(True, True, True)}, prefix="GK")
        return BucketKey(made.access_key_id, made.secret_access_key)

    async def key(self, access_key_id: str) -> BucketKey | None:
        """Return a key, None if there is none."""
        found = await self._control.key(access_key_id)
        return None if found is None else BucketKey(found.access_key_id, found.secret_access_key)

    async def delete_key(self, access_key_id: str) -> None:
        """Remove a key; one that is gone already is no error."""
        try:
            await self._control.delete_key(access_key_id)
        except NoSuchKey:
            return

    async def set_quotas(self, bucket: str, max_size: int | None, max_objects: int | None) -> None:
        """Limit bytes and objects; None lifts a limit."""
        await self._control.set_quotas(bucket, max_size, max_objects)

    async def usage(self, bucket: str) -> BucketUsage:
        """Count what a bucket holds."""
        found = await self._control.usage(bucket)
        max_size, max_objects = await self._control.quotas(bucket)
        return BucketUsage(
            found.bytes, found.objects, found.unfinished_bytes, max_size, max_objects
        )

    async def sweep(self, bucket: str, older_than: float) -> int:
        """Abort unfinished uploads older than so many seconds; return how many there were."""
        return await self._control.abort_uploads(bucket, before=time.time() - older_than)
