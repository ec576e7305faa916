"""Buckets of the platform, and the blobs in them at whatever provider."""

from .api import Buckets
from .models import (
    BlobCommonPrefix,
    BlobObject,
    Bucket,
    BucketCredentials,
    BucketEntry,
    BucketProvider,
    BucketUsage,
    PersistentBucketCredentials,
)

__all__ = [
    "BlobCommonPrefix",
    "BlobObject",
    "Bucket",
    "BucketCredentials",
    "BucketEntry",
    "BucketProvider",
    "BucketUsage",
    "Buckets",
    "PersistentBucketCredentials",
]
