"""Bucket records and credentials: what the bucket service itself is asked (buckets.md §4)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Protocol

from yarl import URL

from ..concurrency import scoped_iterator
from ..config import Config
from ..errors import IllegalArgumentError
from ..models import UNSET, Unset
from ..transport import Transport
from .models import Bucket, BucketCredentials, BucketProvider, PersistentBucketCredentials
from .opened import OpenBuckets
from .service import BucketService

_NAME = re.compile(r"[a-z][a-z0-9_-]{2,39}")


class BucketParser(Protocol):
    """Expand ``blob:`` URIs; a part of `Parser`."""

    def normalize_uri(self, uri: URL, *, allowed_schemes: Iterable[str] = ()) -> URL:
        """Return the long form; raise ``ValueError`` for another scheme."""
        ...


class BucketRecords:
    """Manage buckets and the credentials for them; the base of `Buckets`."""

    Provider = BucketProvider

    def __init__(self, transport: Transport, config: Config, parse: BucketParser) -> None:
        self._transport = transport
        self._config = config
        self._parse = parse
        self._services: dict[str, BucketService] = {}
        self._buckets = OpenBuckets(transport)

    async def close(self) -> None:
        """Close what was opened at providers; the client does this."""
        await self._buckets.close()

    def _service(self, cluster_name: str | None) -> BucketService:
        name = cluster_name or self._config.cluster_name
        base = self._config.get_cluster(name).buckets_url
        if name not in self._services:
            self._services[name] = BucketService(self._transport, base, name)
        return self._services[name]

    def _org(self, org_name: str | None | Unset) -> str | None:
        return self._config.org_name if isinstance(org_name, Unset) else org_name

    # Buckets

    @scoped_iterator
    async def list(self, cluster_name: str | None = None) -> AsyncIterator[Bucket]:
        """Iterate over the buckets that the user can see."""
        async with self._service(cluster_name).list() as buckets:
            async for bucket in buckets:
                yield bucket

    async def create(
        self,
        name: str | None = None,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
    ) -> Bucket:
        """Make a bucket, with a name of its owner's own or none.

        Raises:
            ValueError: the name is not 3 to 40 of ``a-z 0-9 - _``, the first a letter; or the owner
                has a bucket of that name.
        """
        _check_name(name)
        self._buckets.forget()
        return await self._service(cluster_name).create(name, self._org(org_name))

    async def import_external(
        self,
        provider: BucketProvider,
        provider_bucket_name: str,
        credentials: Mapping[str, str],
        name: str | None = None,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
    ) -> Bucket:
        """Register a bucket that exists; which *credentials* it needs tells buckets.md §3.3."""
        _check_name(name)
        self._buckets.forget()
        return await self._service(cluster_name).import_external(
            BucketProvider(provider), provider_bucket_name, credentials, name, self._org(org_name)
        )

    async def get(
        self,
        bucket_id_or_name: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> Bucket:
        """Return a bucket."""
        return await self._service(cluster_name).get(bucket_id_or_name, bucket_owner)

    async def rm(
        self,
        bucket_id_or_name: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> None:
        """Remove an empty bucket; of an imported one only the record."""
        self._buckets.forget()
        await self._service(cluster_name).delete(bucket_id_or_name, bucket_owner)

    async def set_public_access(
        self,
        bucket_id_or_name: str,
        public_access: bool,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> Bucket:
        """Give everybody the right to read and list, or take it back."""
        self._buckets.forget()
        return await self._service(cluster_name).set_public(
            bucket_id_or_name, public_access, bucket_owner
        )

    async def request_tmp_credentials(
        self,
        bucket_id_or_name: str,
        cluster_name: str | None = None,
        bucket_owner: str | None = None,
    ) -> BucketCredentials:
        """Ask for credentials of the provider, good for about an hour."""
        service = self._service(cluster_name)
        return await service.temporary_credentials(bucket_id_or_name, bucket_owner)

    # Credentials that stay

    @scoped_iterator
    async def persistent_credentials_list(
        self, cluster_name: str | None = None
    ) -> AsyncIterator[PersistentBucketCredentials]:
        """Iterate over the user's persistent credentials."""
        async with self._service(cluster_name).persistent_list() as found:
            async for item in found:
                yield item

    async def persistent_credentials_create(
        self,
        bucket_ids: Iterable[str],
        name: str | None = None,
        cluster_name: str | None = None,
        read_only: bool | None = False,
    ) -> PersistentBucketCredentials:
        """Make credentials for some buckets, which are named by their ids."""
        ids = [bucket_ids] if isinstance(bucket_ids, str) else list(bucket_ids)
        if not ids:
            raise ValueError("persistent credentials need at least one bucket")
        service = self._service(cluster_name)
        return await service.persistent_create(ids, name, bool(read_only))

    async def persistent_credentials_get(
        self, credential_id_or_name: str, cluster_name: str | None = None
    ) -> PersistentBucketCredentials:
        """Return persistent credentials."""
        return await self._service(cluster_name).persistent_get(credential_id_or_name)

    async def persistent_credentials_rm(
        self, credential_id_or_name: str, cluster_name: str | None = None
    ) -> None:
        """Remove persistent credentials; they open nothing any more."""
        await self._service(cluster_name).persistent_delete(credential_id_or_name)


def _check_name(name: str | None) -> None:
    if name is not None and _NAME.fullmatch(name) is None:
        raise IllegalArgumentError(
            f"{name!r} cannot be the name of a bucket: 3 to 40 of a-z, 0-9, '-' and '_', the first "
            "a letter"
        )
