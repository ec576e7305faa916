"""Records of the bucket service and of what lies in buckets (public-api.md §12)."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime

import attrs
from yarl import URL


class BucketProvider(str, enum.Enum):
    """Name the kind of object service that holds a bucket."""

    AWS = "aws"
    MINIO = "minio"
    AZURE = "azure"
    GCP = "gcp"
    OPEN_STACK = "open_stack"
    SEAWEEDFS = "seaweedfs"


@attrs.frozen
class Bucket:
    """Describe a bucket record of the platform; ``name`` is None if it has an id only."""

    Provider = BucketProvider

    id: str
    owner: str
    cluster_name: str
    org_name: str | None
    provider: BucketProvider
    created_at: datetime
    imported: bool
    public: bool = False
    name: str | None = None

    @property
    def uri(self) -> URL:
        """Return ``blob://cluster[/org]/owner/name``, with the id where there is no name."""
        return self._uri(self.name or self.id)

    def _uri(self, name: str) -> URL:
        parts = (part for part in (self.org_name, self.owner, name) if part)
        return URL.build(scheme="blob", host=self.cluster_name, path="/" + "/".join(parts))

    def get_key_for_uri(self, uri: URL) -> str:
        """Return what of a URI is behind this bucket's own, percent-encoded as it is there.

        Raises:
            ValueError: the URI begins neither with the bucket's name nor with its id.
        """
        text = str(uri)
        for base in (self.uri, self._uri(self.id)):
            if text.startswith(str(base)):
                return text[len(str(base)) :].lstrip("/")
        raise ValueError(f"{uri} does not lie in the bucket {self.uri}")


@attrs.frozen
class BucketEntry(ABC):
    """Describe what a listing of a bucket has; ``size`` is in bytes."""

    key: str
    bucket: Bucket
    size: int
    created_at: datetime | None = None
    modified_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return the last component of the key, without a trailing slash."""
        return self.key.rstrip("/").rpartition("/")[2]

    @property
    def uri(self) -> URL:
        """Return the URI of the bucket followed by the key."""
        return URL(f"{self.bucket.uri}/{self.key}")

    @abstractmethod
    def is_dir(self) -> bool:
        """Tell whether it stands for a folder."""

    @abstractmethod
    def is_file(self) -> bool:
        """Tell whether it has content."""


@attrs.frozen
class BlobObject(BucketEntry):
    """Describe an object; an empty one whose key ends in a slash is the marker of a folder."""

    def is_dir(self) -> bool:
        """Tell whether it is the marker of a folder."""
        return self.key.endswith("/") and self.size == 0

    def is_file(self) -> bool:
        """Tell whether it is no marker."""
        return not self.is_dir()


@attrs.frozen
class BlobCommonPrefix(BucketEntry):
    """Stand for all keys that go on behind a slash; ``size`` is 0."""

    def is_dir(self) -> bool:
        """Tell that it is a folder."""
        return True

    def is_file(self) -> bool:
        """Tell that it has no content."""
        return False


@attrs.frozen
class BucketUsage:
    """Count what a bucket holds, so far."""

    total_bytes: int
    object_count: int


@attrs.frozen
class BucketCredentials:
    """Hold what opens a bucket at its provider (buckets.md §3.8); the values are not shown."""

    bucket_id: str
    provider: BucketProvider
    credentials: Mapping[str, str] = attrs.field(repr=lambda found: f"<{', '.join(sorted(found))}>")


@attrs.frozen
class PersistentBucketCredentials:
    """Hold credentials that stay valid until they are removed, one set for each bucket."""

    id: str
    owner: str
    cluster_name: str
    name: str | None
    read_only: bool
    credentials: list[BucketCredentials]
