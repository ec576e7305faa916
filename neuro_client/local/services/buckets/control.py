"""Change buckets and credentials, in the records and at the provider, so that both always agree.

The provider of the platform's own buckets is its S3 endpoint. Each change is announced in the
record, made at the provider, and settled in the record; what a kill left announced is ended at the
next start.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import attrs
from yarl import URL

from ..base import Platform
from ..s3.control import BucketNotEmpty, Grant, NoSuchBucket, NoSuchKey
from .external import sign
from .models import OWN_PROVIDER, Bucket, Credentials, NameTakenError, ProviderError
from .store import BucketStore

log = logging.getLogger(__name__)
_LONGEST_WORD = 27


class BucketControl:
    """Own the buckets of all clusters; it is ``platform.buckets``.

    ``credentials_life`` is how many seconds new temporary credentials are valid.
    """

    def __init__(self, platform: Platform) -> None:
        self.credentials_life = 3600.0
        self.store = BucketStore(platform.state)
        self._platform = platform
        # A bucket that changes is changed by one request at a time.
        self._changing = asyncio.Lock()

    async def recover(self) -> None:
        """End what a kill left begun; a bucket that was never told to anybody goes."""
        for bucket in await self.store.unfinished():
            try:
                if bucket.pending == "create":
                    await self._drop(bucket)
                elif bucket.pending == "delete":
                    await self._remove(bucket)
                else:
                    await self._publish(bucket)
            except ProviderError as error:
                log.info("bucket %s stays as it is: %s", bucket.id, error)
                await self.store.update(attrs.evolve(bucket, pending=None))

    async def create(self, cluster: str, owner: str, org: str | None, name: str | None) -> Bucket:
        """Make a bucket; ``NameTakenError`` if the owner has one of that name."""
        bucket = _new(cluster, owner, org, name, OWN_PROVIDER, _provider_name(owner, name))
        announced = attrs.evolve(bucket, pending="create")
        await self.store.insert(announced)
        try:
            await self._platform.s3.create_bucket(bucket.provider_name)
            await self.store.update(bucket)
        except Exception:
            await self._drop(announced)
            raise
        return bucket

    async def add(
        self,
        cluster: str,
        owner: str,
        org: str | None,
        name: str | None,
        *,
        provider: str,
        provider_name: str,
        credentials: Mapping[str, str],
    ) -> Bucket:
        """Register a bucket made elsewhere; ``NameTakenError`` if the owner has one so named."""
        bucket = _new(cluster, owner, org, name, provider, provider_name)
        bucket = attrs.evolve(bucket, imported=credentials)
        await self.store.insert(bucket)
        return bucket

    async def set_public(self, bucket: Bucket, public: bool) -> Bucket:
        """Let everybody read a bucket, or not."""
        if bucket.imported is not None:
            if bucket.public != public:
                raise ProviderError(f"{bucket.provider} does not let us change {bucket.id}")
            return bucket
        async with self._changing:
            changed = attrs.evolve(bucket, public=public, pending="public")
            await self.store.update(changed)
            return await self._publish(changed)

    async def delete(self, bucket: Bucket) -> None:
        """Delete a bucket, which must be empty unless it was made elsewhere."""
        async with self._changing:
            bucket = await self.store.get(bucket.cluster, bucket.id) or bucket
            announced = attrs.evolve(bucket, pending="delete")
            await self.store.update(announced)
            try:
                await self._remove(announced)
            except Exception:
                await self.store.update(bucket)
                raise

    async def temporary(self, bucket: Bucket, *, read_only: bool) -> dict[str, str]:
        """Make credentials that expire; those of a bucket made elsewhere are its own."""
        if bucket.imported is not None:
            return {"bucket_name": bucket.provider_name, **bucket.imported}
        key = await self._platform.s3.create_key(
            _grants([bucket], read_only=read_only),
            expires_in=self.credentials_life,
            prefix="ASIA",
        )
        return {
            **self.opening(bucket, key.access_key_id, key.secret_access_key),
            "session_token": key.session_token,
            "expiration": datetime.fromtimestamp(key.expires_at, UTC).isoformat(),
        }

    def opening(self, bucket: Bucket, key_id: str, secret: str) -> dict[str, str]:
        """Return what opens a bucket of the platform's own with a key."""
        return {
            "bucket_name": bucket.provider_name,
            "endpoint_url": str(self._platform.s3.url).rstrip("/"),
            "region_name": self._platform.s3.region,
            "access_key_id": key_id,
            "secret_access_key": secret,
        }

    async def sign(self, bucket: Bucket, key: str, expires_in: int) -> URL:
        """Return an address that gives an object to whoever has it."""
        if bucket.imported is not None:
            return await asyncio.to_thread(sign, bucket, key, expires_in)
        try:
            url: URL = await self._platform.s3.presign(bucket.provider_name, key, expires_in)
        except NoSuchBucket as error:
            raise _refused("GetObject", error) from None
        return url

    async def issue(
        self,
        cluster: str,
        owner: str,
        name: str | None,
        buckets: Sequence[Bucket],
        *,
        read_only: bool,
    ) -> Credentials:
        """Make persistent credentials; ``NameTakenError`` if the owner has some so named."""
        async with self._changing:
            if name is not None and await self.store.credentials_at(cluster, owner, name):
                raise NameTakenError(name)
            key = await self._platform.s3.create_key(_grants(buckets, read_only=read_only))
            new = Credentials(
                f"bucket-credentials-{uuid.uuid4()}",
                cluster,
                owner,
                name,
                read_only,
                key.access_key_id,
                key.secret_access_key,
                tuple(buckets),
            )
            try:
                await self.store.insert_credentials(new)
            except BaseException:
                await self._forget_key(new)
                raise
            return new

    async def withdraw(self, found: Credentials) -> None:
        """Delete persistent credentials; their key is of no use from then on."""
        async with self._changing:
            await self._forget_key(found)
            await self.store.delete_credentials(found)

    async def _drop(self, bucket: Bucket) -> None:
        with suppress(NoSuchBucket):
            await self._platform.s3.delete_bucket(bucket.provider_name)
        await self.store.delete(bucket)

    async def _publish(self, bucket: Bucket) -> Bucket:
        settled = attrs.evolve(bucket, pending=None)
        try:
            await self._platform.s3.set_public(bucket.provider_name, bucket.public)
        except NoSuchBucket as error:
            raise _refused("PutBucketPolicy", error) from None
        await self.store.update(settled)
        return settled

    async def _remove(self, bucket: Bucket) -> None:
        if bucket.imported is None:
            try:
                await self._platform.s3.delete_bucket(bucket.provider_name)
            except NoSuchBucket:
                pass
            except BucketNotEmpty as error:
                raise _refused("DeleteBucket", error) from None
        orphans = []
        for found in await self.store.credentials_for(bucket):
            left = [other for other in found.buckets if other.id != bucket.id]
            if left:
                grants = _grants(left, read_only=found.read_only)
                with suppress(NoSuchKey):  # it was about to be deleted
                    await self._platform.s3.set_grants(found.access_key_id, grants)
            else:
                await self._forget_key(found)
                orphans.append(found)
        await self.store.delete(bucket, orphans)

    async def _forget_key(self, found: Credentials) -> None:
        with suppress(NoSuchKey):
            await self._platform.s3.delete_key(found.access_key_id)


def _new(
    cluster: str, owner: str, org: str | None, name: str | None, provider: str, provider_name: str
) -> Bucket:
    now = datetime.now(UTC).isoformat()
    return Bucket(f"bucket-{uuid.uuid4()}", cluster, owner, org, name, provider, provider_name, now)


def _provider_name(owner: str, name: str | None) -> str:
    """Make a name that the provider accepts and has not seen (buckets.md §3.2)."""
    digest = hashlib.sha256(owner.encode()).hexdigest()[:10]
    word = (name or "").replace("_", "-")[:_LONGEST_WORD].strip("-")
    return "-".join(part for part in ("neuro-pl", digest, word, secrets.token_hex(6)) if part)


def _grants(buckets: Sequence[Bucket], *, read_only: bool) -> dict[str, Grant]:
    grant = Grant(read=True, write=not read_only, owner=False)
    return {bucket.provider_name: grant for bucket in buckets}


def _refused(operation: str, error: Exception) -> ProviderError:
    """Word a refusal as the provider's own client does."""
    code = type(error).__name__
    return ProviderError(f"An error occurred ({code}) when calling {operation}: {error}")
