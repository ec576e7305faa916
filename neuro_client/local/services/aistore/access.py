"""Who may do what: tokens at the proxy, and the access mask of a bucket (aistore.md §16.9)."""

from __future__ import annotations

from aiohttp import hdrs, web

from .cluster import Cluster
from .errors import AISError
from .models import Bucket

_BITS = {
    hdrs.METH_GET: 0,
    hdrs.METH_HEAD: 1,
    hdrs.METH_PUT: 2,
    hdrs.METH_DELETE: 4,
    hdrs.METH_POST: 5,
    hdrs.METH_PATCH: 7,
}
LIST_OBJECTS = 9


async def admit(cluster: Cluster, request: web.Request) -> None:
    """Refuse a request without a valid token, if the cluster wants one."""
    if not cluster.require_tokens:
        return
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind != "Bearer" or not token:
        raise AISError(401, "token required", "ErrNoToken")
    if not await cluster.knows(token.strip()):
        raise AISError(401, "invalid or expired token", "ErrInvalidToken")


def check_object_access(bucket: Bucket, method: str) -> None:
    """Refuse what the mask of a bucket does not allow for its objects."""
    if method in _BITS and not _mask(bucket) & 1 << _BITS[method]:
        raise AISError(
            403, f"object access denied: {method} in {bucket.bck}", "ErrObjectAccessDenied"
        )


def check_list_access(bucket: Bucket) -> None:
    """Refuse a list that the mask of a bucket does not allow."""
    if not _mask(bucket) & 1 << LIST_OBJECTS:
        raise AISError(403, f"bucket access denied: list {bucket.bck}", "ErrBucketAccessDenied")


def _mask(bucket: Bucket) -> int:
    text = str(bucket.props["access"])
    return int(text) if text.isdecimal() else 0
