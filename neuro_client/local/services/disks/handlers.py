"""The calls on disks (disks-secrets-images-users-accounts.md §1)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...errors import not_allowed
from ...requests import read_json, username_of
from ..base import Platform
from ..buckets.answer import listed
from ..buckets.lookup import cluster_of
from ..jobs import fields
from ..jobs.fields import Fields, invalid
from .models import Disk, InUseError, NameTakenError, OverLimitError, home_uri

_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")
_MOST_BYTES = 2**63 - 1
_LONGEST_LIFE = 10.0**10


class DiskHandlers:
    """Serve the disks of every cluster."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def list(self, request: web.Request) -> web.Response:
        """List the disks that the caller may read, of all organisations."""
        readable = await self._platform.access.readable(username_of(request))
        disks = await self._platform.disks.store.all(cluster_of(self._platform, request))
        return listed(request, [await self._describe(disk) for disk in disks if readable(disk.uri)])

    async def create(self, request: web.Request) -> web.Response:
        """Make a disk."""
        body = Fields(await read_json(request))
        storage = body.take("storage", fields.integer(0, _MOST_BYTES))
        life_span = body.take("life_span", fields.optional(_life_span), None)
        name = body.take("name", fields.optional(_name), None)
        org = body.take("org_name", fields.optional(fields.string), None) or None
        body.end()
        owner = username_of(request)
        cluster = cluster_of(self._platform, request)
        if org not in self._platform.cluster(cluster).orgs:
            # Nobody has checked the word yet, and dots in it would lead to another home.
            raise not_allowed([{"uri": f"disk://{cluster}/{org}/{owner}", "action": "write"}])
        await self._platform.access.require(owner, [(home_uri(cluster, org, owner), "write")])
        try:
            disk = await self._platform.disks.create(cluster, owner, org, name, storage, life_span)
        except NameTakenError:
            raise _conflict("DiskNameUsed", f"{owner!r} has a disk {name!r} already") from None
        except OverLimitError as error:
            raise web.HTTPForbidden(
                text=json.dumps({"code": "over_limit", "description": str(error)}),
                content_type="application/json",
            ) from None
        return web.json_response(await self._describe(disk), status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Describe a disk."""
        return web.json_response(await self._describe(await self._find(request, "read")))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a disk that no job uses, and what is on it."""
        disk = await self._find(request, "write")
        try:
            await self._platform.disks.delete(disk)
        except InUseError as error:
            raise _conflict("DiskAlreadyInUse", str(error)) from None
        return web.Response(status=204)

    async def _find(self, request: web.Request, action: str) -> Disk:
        """Give the disk whose id or name is in the path; 404 if there is none."""
        cluster, key = cluster_of(self._platform, request), request.match_info["disk"]
        store = self._platform.disks.store
        owner = request.query.get("owner") or username_of(request)
        disk: Disk | None = await store.get(cluster, key) or await store.named(cluster, owner, key)
        if disk is None:
            raise web.HTTPNotFound(text=f"Disk {key!r} not found")
        await self._platform.access.require(username_of(request), [(disk.uri, action)])
        return disk

    async def _describe(self, disk: Disk) -> dict[str, Any]:
        used = await self._platform.disks.used(disk)
        return {
            "id": disk.id,
            "storage": disk.storage,
            "status": "Broken" if used is None else "Ready",
            "owner": disk.owner,
            "name": disk.name,
            "org_name": disk.org,
            "created_at": _iso(disk.created_at),
            "last_usage": _iso(disk.last_usage),
            "life_span": disk.life_span,
            "used_bytes": used,
        }


def _name(value: object, path: str) -> str:
    name = fields.string(value, path)
    if not (3 <= len(name) <= 40 and _NAME.fullmatch(name)):
        rule = "must be 3 to 40 of a-z, 0-9 and single '-' between them, a letter first"
        raise invalid(path, f"{rule}, not {name!r}")
    return name


def _life_span(value: object, path: str) -> float:
    seconds = fields.number(value, path)
    if not 0 <= seconds <= _LONGEST_LIFE:
        raise invalid(path, f"must be from 0 to {_LONGEST_LIFE:g} seconds")
    return seconds


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()


def _conflict(code: str, text: str) -> web.HTTPError:
    return web.HTTPConflict(
        text=json.dumps({"code": code, "description": text}), content_type="application/json"
    )
