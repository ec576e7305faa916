"""Find the bucket a request names, with the rights it needs (buckets.md §3.4 and §3.7)."""

from __future__ import annotations

from aiohttp import web

from ...errors import not_allowed, refuse
from ...requests import username_of
from ..base import Platform
from .models import Bucket, home_uri


def username(request: web.Request) -> str:
    """Give the name of who asks."""
    return username_of(request)


def cluster_of(platform: Platform, request: web.Request) -> str:
    """Give the cluster of the path; 404 if there is none of that name."""
    name = request.match_info["cluster"]
    if name not in platform.settings.clusters:
        raise web.HTTPNotFound(text=f"There is no cluster {name!r}")
    return name


async def find(platform: Platform, request: web.Request, action: str) -> Bucket:
    """Give the bucket whose id or name is in the path; 404 if there is none, 403 without right."""
    cluster, key = cluster_of(platform, request), request.match_info["bucket"]
    store = platform.buckets.store
    bucket = await store.get(cluster, key) or await _named(platform, request, cluster, key)
    if bucket is None:
        raise web.HTTPNotFound(text=f"Bucket {key!r} not found")
    await check(platform, request, bucket, action)
    found: Bucket = bucket
    return found


async def _named(platform: Platform, request: web.Request, cluster: str, key: str) -> Bucket | None:
    """Look for a name among the buckets of ``owner`` or, as later clients ask, of a project."""
    query = request.query
    owner, project = query.get("owner"), query.get("project_name")
    if project is not None and owner is not None:
        raise refuse(400, "owner and project_name cannot both be given")
    if project is not None and "org_name" not in query:
        raise refuse(400, "org_name is missing")
    found: Bucket | None = await platform.buckets.store.named(
        cluster, project or owner or username(request), key
    )
    if found is not None and "org_name" in query and (query["org_name"] or None) != found.org:
        return None
    return found


async def find_by_path(platform: Platform, request: web.Request) -> Bucket:
    """Give the bucket that the start of a path names; a miss is the real service's 500."""
    cluster = cluster_of(platform, request)
    path = request.query.get("path", "").lstrip("/")
    bucket: Bucket | None = await platform.buckets.store.at_path(cluster, path)
    if bucket is None:
        raise refuse(500, f"No bucket is at {path!r}")
    await check(platform, request, bucket, "read")
    return bucket


async def check(platform: Platform, request: web.Request, bucket: Bucket, action: str) -> None:
    """Refuse with 403 unless the caller has the right on the bucket by its name or its id."""
    wanted = [(uri, action) for uri in bucket.uris()]
    missing = await platform.access.missing(username(request), wanted)
    if len(missing) == len(wanted):
        raise not_allowed(missing)


async def may_write(platform: Platform, request: web.Request, bucket: Bucket) -> bool:
    """Tell whether the caller may change a bucket."""
    may = await platform.access.may(username(request), "write")
    return any(map(may, bucket.uris()))


async def check_home(
    platform: Platform, request: web.Request, org: str | None, project: str | None
) -> str:
    """Give whose a new bucket will be; 403 unless the caller may make one there."""
    cluster = platform.cluster(cluster_of(platform, request))
    owner = project or username(request)
    home = [(home_uri(cluster.name, org, owner), "write")]
    if org not in cluster.orgs or not await platform.access.exists(owner):
        # Nobody has checked these words yet, and dots in them would lead to another home.
        raise not_allowed([{"uri": str(uri), "action": action} for uri, action in home])
    await platform.access.require(username(request), home)
    return owner
