"""Buckets and keys of the S3 endpoint, for the platform's other services; ``platform.s3``."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from urllib.parse import quote

from yarl import URL

from ..base import Platform
from .errors import AWS, GARAGE, S3Error
from .files import Files
from .models import Bucket, Grant, Key, Usage
from .signing import presigned_query
from .store import S3Store

__all__ = [
    "BucketExists",
    "BucketNotEmpty",
    "Grant",
    "Key",
    "NoSuchBucket",
    "NoSuchKey",
    "S3Control",
    "Usage",
]

# Where a region of Amazon's is named, older programs presign with signatures that ended in 2020.
REGION = "local"
_OWN_KEY = "presigning"


class NoSuchBucket(KeyError):
    """Report a bucket that does not exist."""


class BucketExists(ValueError):
    """Report a name that is taken."""


class BucketNotEmpty(ValueError):
    """Report a bucket that still holds objects."""


class NoSuchKey(KeyError):
    """Report an access key that does not exist."""


class S3Control:
    """Manage what the endpoint serves; ``region`` is that of the buckets of Amazon's kind."""

    region = REGION

    def __init__(self, platform: Platform, store: S3Store, files: Files) -> None:
        self._platform = platform
        self._store = store
        self._files = files

    @property
    def url(self) -> URL:
        """Return the root of the endpoint."""
        return self._platform.listener("s3")

    async def create_bucket(
        self,
        name: str,
        *,
        flavour: str = AWS,
        max_size: int | None = None,
        max_objects: int | None = None,
    ) -> None:
        """Make a bucket that answers as the servers of a *flavour* do, ``aws`` or ``garage``.

        Raises:
            BucketExists: the name is taken.
        """
        if flavour not in (AWS, GARAGE):
            raise ValueError(f"There is no flavour {flavour!r}; use {AWS} or {GARAGE}")
        made = Bucket(name, flavour, time.time(), max_size=max_size, max_objects=max_objects)
        if not await self._store.add_bucket(made):
            raise BucketExists(name)

    async def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket, and with it its unfinished uploads.

        Raises:
            NoSuchBucket: there is none.
            BucketNotEmpty: it holds objects.
        """
        try:
            files = await self._store.delete_bucket(name)
        except S3Error as error:
            if error.code == "BucketNotEmpty":
                raise BucketNotEmpty(name) from None
            raise NoSuchBucket(name) from None
        await asyncio.to_thread(self._files.remove, files)

    async def set_public(self, name: str, public: bool) -> None:
        """Let everybody read and list a bucket, or not."""
        await self._set(name, public=public)

    async def set_quotas(self, name: str, max_size: int | None, max_objects: int | None) -> None:
        """Limit bytes and objects; None lifts a limit."""
        await self._set(name, max_size=max_size, max_objects=max_objects)

    async def _set(self, name: str, **values: object) -> None:
        try:
            await self._store.set_bucket(name, **values)
        except S3Error:
            raise NoSuchBucket(name) from None

    async def usage(self, name: str) -> Usage:
        """Count what a bucket holds."""
        try:
            return await self._store.usage(name)
        except S3Error:
            raise NoSuchBucket(name) from None

    async def quotas(self, name: str) -> tuple[int | None, int | None]:
        """Return the limits of bytes and objects; None where there is none."""
        try:
            found = await self._store.bucket(name)
        except S3Error:
            raise NoSuchBucket(name) from None
        return found.max_size, found.max_objects

    async def abort_uploads(self, name: str, *, before: float) -> int:
        """Drop the unfinished uploads that began before a time; return how many there were."""
        old = [one for one in await self._store.uploads(name, "") if one.started < before]
        for upload in old:
            await asyncio.to_thread(self._files.remove, await self._store.abort(upload.id))
        return len(old)

    async def key(self, access_key_id: str) -> Key | None:
        """Return a key, None if there is none."""
        found = await self._store.access(access_key_id)
        return None if found is None else found.key

    async def create_key(
        self,
        grants: Mapping[str, Grant],
        *,
        expires_in: float | None = None,
        prefix: str = "AKIA",
        may_create_buckets: bool = False,
    ) -> Key:
        """Make a key; one with ``expires_in`` seconds to live has a session token."""
        if prefix == "GK":  # Garage's keys are hexadecimal
            key_id, secret = f"GK{secrets.token_hex(12)}", secrets.token_hex(32)
        else:
            key_id = prefix + "".join(
                secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16)
            )
            secret = secrets.token_urlsafe(30)
        token, expires_at = None, None
        if expires_in is not None:
            token, expires_at = secrets.token_urlsafe(48), time.time() + expires_in
        key = Key(key_id, secret, token, expires_at)
        await self._store.add_key(key, grants, may_create=may_create_buckets)
        return key

    async def set_grants(self, access_key_id: str, grants: Mapping[str, Grant]) -> None:
        """Replace what a key may do."""
        if not await self._store.set_grants(access_key_id, grants):
            raise NoSuchKey(access_key_id)

    async def delete_key(self, access_key_id: str) -> None:
        """Remove a key."""
        if not await self._store.delete_key(access_key_id):
            raise NoSuchKey(access_key_id)

    async def presign(
        self, bucket: str, object_key: str, expires_in: int, *, method: str = "GET"
    ) -> URL:
        """Return an address that lets whoever has it make one kind of request."""
        key = await self._own_key(bucket)
        path = f"/{quote(bucket, safe='')}/{quote(object_key, safe='/-_.~')}"
        host = self.url.raw_authority
        query = presigned_query(
            key.access_key_id, key.secret_access_key, self.region, host, path, method, expires_in
        )
        return URL(f"{str(self.url).rstrip('/')}{path}?{query}", encoded=True)

    async def _own_key(self, bucket: str) -> Key:
        """Return the platform's own key, with every right on a bucket."""
        try:
            await self._store.bucket(bucket)
        except S3Error:
            raise NoSuchBucket(bucket) from None
        found = await self._store.access(_OWN_KEY)
        if found is None:
            key = Key(_OWN_KEY, secrets.token_urlsafe(30))
            await self._store.add_key(key, {}, may_create=False)
        else:
            key = found.key
        if found is None or bucket not in found.grants:
            await self._store.grant(_OWN_KEY, bucket, Grant(True, True, True))
        return key
