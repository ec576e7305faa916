"""The calls on secrets (disks-secrets-images-users-accounts.md §2); no answer has a value."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from aiohttp import web

from ...errors import not_allowed, refuse
from ...requests import read_json, username_of
from ..base import Platform
from ..buckets.answer import listed
from ..buckets.lookup import cluster_of
from ..jobs import fields
from ..jobs.fields import Fields, invalid
from .control import Secret, home_uri

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_RESERVED = "---neuro---"
_LONGEST_TEXT = 2**20
# Where a token may be instead of in a header.
_TOKEN = "neuro-auth-token"


class SecretHandlers:
    """Serve the secrets of every cluster."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def list(self, request: web.Request) -> web.Response:
        """List the secrets that the caller may read, of all organisations."""
        _check_query(request)
        readable = await self._platform.access.readable(username_of(request))
        secrets = await self._platform.secrets.all(cluster_of(self._platform, request))
        return listed(request, [_describe(item) for item in secrets if readable(item.uri)])

    async def add(self, request: web.Request) -> web.Response:
        """Keep a value of the caller's, in the place of an earlier one."""
        _check_query(request)
        body = Fields(await read_json(request))
        key = body.take("key", _key)
        value = body.take("value", _value)
        org = body.take("org_name", fields.optional(fields.string), None) or None
        body.end()
        secret = await self._own(request, org, key)
        await self._platform.secrets.put(secret, value)
        return web.json_response(_describe(secret), status=201)

    async def remove(self, request: web.Request) -> web.Response:
        """Forget a secret of the caller's."""
        _check_query(request, "org_name")
        org = request.query.get("org_name") or None
        secret = await self._own(request, org, request.match_info["key"])
        if not await self._platform.secrets.remove(secret):
            raise refuse(404, f"Secret {secret.key!r} not found")
        return web.Response(status=204)

    async def _own(self, request: web.Request, org: str | None, key: str) -> Secret:
        """Name a secret of the caller's; 403 for an organisation that is not the caller's."""
        owner, cluster = username_of(request), cluster_of(self._platform, request)
        if org not in self._platform.cluster(cluster).orgs:
            # Nobody has checked the word yet, and dots in it would lead to another home.
            raise not_allowed([{"uri": f"secret://{cluster}/{org}/{owner}", "action": "write"}])
        await self._platform.access.require(owner, [(home_uri(cluster, org, owner), "write")])
        return Secret(cluster, org, owner, key)


def _describe(secret: Secret) -> dict[str, Any]:
    return {"key": secret.key, "owner": secret.owner, "org_name": secret.org}


def _check_query(request: web.Request, *known: str) -> None:
    unknown = sorted(set(request.query) - {*known, _TOKEN})
    if unknown:
        raise refuse(400, f"Unknown parameters in the query: {', '.join(unknown)}")


def _key(value: object, path: str) -> str:
    key = fields.string(value, path)
    if not _KEY.fullmatch(key) or key == "." or key.startswith("..") or key.lower() == _RESERVED:
        raise invalid(
            path,
            "must be 1 to 253 of A-Z, a-z, 0-9, '_', '-' and '.', not '.', nothing that begins "
            f"with '..', not {_RESERVED!r}",
        )
    return key


def _value(value: object, path: str) -> bytes:
    """Accept base64; what is wrong with it is told without showing it."""
    text = fields.text(value, path)
    if len(text) > _LONGEST_TEXT:
        raise invalid(path, f"may have {_LONGEST_TEXT} characters, not {len(text)}")
    try:
        # As the real service does, what is not of the alphabet is passed over.
        found = base64.b64decode(text)
    except (ValueError, binascii.Error):
        raise invalid(path, "must be base64") from None
    if not found:
        raise invalid(path, "must not be empty")
    return found
