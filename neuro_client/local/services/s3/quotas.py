"""How much a bucket may hold."""

from __future__ import annotations

from .errors import GARAGE, S3Error
from .models import Bucket, Object
from .records import Transaction


def quota_reached(flavour: str, what: str = "Bucket size", numbers: str = "") -> S3Error:
    """Return the error that a bucket is full."""
    if flavour == GARAGE:  # garage-workspace.md §5
        return S3Error("QuotaExceeded", f"Forbidden: {what} quota is reached{numbers}")
    return S3Error("QuotaExceeded", "The quota of the bucket is reached")


def check_quota(tx: Transaction, bucket: Bucket, new: Object, old: Object | None) -> None:
    """Refuse an object that does not fit into a bucket in place of the old one."""
    if bucket.max_size is None and bucket.max_objects is None:
        return
    row = tx.fetch_one(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM s3_objects WHERE bucket=?", (bucket.name,)
    )
    assert row is not None
    more = new.size - (old.size if old is not None else 0)
    if bucket.max_objects is not None and old is None and row[0] >= bucket.max_objects:
        numbers = f", maximum objects for this bucket: {bucket.max_objects}"
        raise quota_reached(bucket.flavour, "Object", numbers)
    if bucket.max_size is not None and more > 0 and row[1] + more > bucket.max_size:
        numbers = (
            f", maximum total size of objects for this bucket: {bucket.max_size}. The bucket is "
            f"already {row[1]} bytes, and this object would add {more} bytes."
        )
        raise quota_reached(bucket.flavour, numbers=numbers)
