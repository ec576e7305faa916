"""Read what the bucket service writes (buckets.md §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from ..errors import ProtocolError
from ..wire import structure
from .models import Bucket, BucketCredentials, BucketProvider, PersistentBucketCredentials


@attrs.frozen
class _Bucket:
    id: str
    owner: str
    provider: str
    created_at: datetime
    name: str | None = None
    org_name: str | None = None
    imported: bool = False
    public: bool = False


@attrs.frozen
class _Credentials:
    bucket_id: str
    provider: str
    credentials: Mapping[str, str]


@attrs.frozen
class _Persistent:
    id: str
    owner: str
    credentials: list[_Credentials]
    name: str | None = None
    read_only: bool = False


def decode_bucket(data: object, cluster_name: str) -> Bucket:
    """Read a BUCKET; an unknown provider is a plain ``ValueError``, as in the seed."""
    found = structure(data, _Bucket)
    return Bucket(
        id=found.id,
        owner=found.owner,
        cluster_name=cluster_name,
        org_name=found.org_name or None,
        provider=BucketProvider(found.provider),
        created_at=found.created_at,
        imported=found.imported,
        public=found.public,
        name=found.name,
    )


def decode_credentials(data: object) -> BucketCredentials:
    """Read CREDENTIALS."""
    return _credentials(structure(data, _Credentials))


def _credentials(found: _Credentials) -> BucketCredentials:
    return BucketCredentials(found.bucket_id, BucketProvider(found.provider), found.credentials)


def decode_persistent(data: object, cluster_name: str) -> PersistentBucketCredentials:
    """Read PERSISTENT."""
    found = structure(data, _Persistent)
    return PersistentBucketCredentials(
        id=found.id,
        owner=found.owner,
        cluster_name=cluster_name,
        name=found.name,
        read_only=found.read_only,
        credentials=[_credentials(item) for item in found.credentials],
    )


def unwrap(document: Any) -> Sequence[Any]:
    """Return the records of a listing that came as one document."""
    if not isinstance(document, list):
        raise ProtocolError("the answer of the bucket service is not a list")
    return document
