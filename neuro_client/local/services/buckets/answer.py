"""The JSON of buckets and credentials, and both forms of a list (buckets.md §2.2 and §3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from .control import BucketControl
from .models import Bucket, Credentials

_NDJSON = "application/x-ndjson"


def describe(bucket: Bucket, *, project: bool = False) -> dict[str, Any]:
    """Return the JSON of a bucket; with ``project`` as callers that know projects read it."""
    answer = {
        "id": bucket.id,
        "name": bucket.name,
        "owner": bucket.owner,
        "org_name": bucket.org,
        "provider": bucket.provider,
        "created_at": bucket.created_at,
        "imported": bucket.imported is not None,
        "public": bucket.public,
    }
    if project:
        answer |= {"org_name": bucket.org or "", "project_name": bucket.owner}
    return answer


def describe_opening(
    bucket: Bucket, credentials: Mapping[str, str], *, read_only: bool
) -> dict[str, Any]:
    """Return the JSON of what opens one bucket."""
    return {
        "bucket_id": bucket.id,
        "provider": bucket.provider,
        "read_only": read_only,
        "credentials": dict(credentials),
    }


def describe_credentials(found: Credentials, control: BucketControl) -> dict[str, Any]:
    """Return the JSON of persistent credentials."""
    return {
        "id": found.id,
        "name": found.name,
        "owner": found.owner,
        "read_only": found.read_only,
        "credentials": [
            describe_opening(
                bucket,
                control.opening(bucket, found.access_key_id, found.secret_access_key),
                read_only=found.read_only,
            )
            for bucket in found.buckets
        ],
    }


def listed(request: web.Request, items: Sequence[Mapping[str, Any]]) -> web.Response:
    """Answer a list as lines where the caller accepts them, else as one array."""
    if _NDJSON not in request.headers.get("Accept", ""):
        return web.json_response(list(items))
    lines = "".join(json.dumps(item) + "\n" for item in items)
    return web.Response(body=lines.encode(), content_type=_NDJSON)
