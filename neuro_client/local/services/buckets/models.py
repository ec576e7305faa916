"""Records of buckets and of persistent credentials (buckets.md §3.1 and §3.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from yarl import URL

OWN_PROVIDER = "minio"
S3_PROVIDERS = ("aws", "minio", "open_stack", "seaweedfs")
PROVIDERS = (*S3_PROVIDERS, "azure", "gcp")


class ProviderError(Exception):
    """Report that the provider of a bucket refused."""


class NameTakenError(Exception):
    """Report that the owner has a bucket of that name."""


@attrs.frozen
class Bucket:
    """Describe a bucket.

    ``imported`` holds the credentials of a bucket that was made elsewhere, None for the platform's
    own. ``pending`` names a change that has begun: ``create``, ``public`` or ``delete``.
    """

    id: str
    cluster: str
    owner: str
    org: str | None
    name: str | None
    provider: str
    provider_name: str
    created_at: str
    public: bool = False
    imported: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    pending: str | None = None

    def uris(self) -> list[URL]:
        """List the URIs a right may be held on, that by name first."""
        home = home_uri(self.cluster, self.org, self.owner)
        return [home / word for word in (self.name, self.id) if word]


@attrs.frozen
class Credentials:
    """Describe persistent credentials; one key opens all ``buckets``."""

    id: str
    cluster: str
    owner: str
    name: str | None
    read_only: bool
    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    buckets: Sequence[Bucket] = ()


def home_uri(cluster: str, org: str | None, owner: str) -> URL:
    """Return the URI that an owner's buckets lie below."""
    path = "/" + "/".join(part for part in (org, owner) if part)
    return URL.build(scheme="blob", host=cluster, path=path)
