"""Service accounts (platform-service-accounts-api; disks-…-accounts.md §5)."""

from __future__ import annotations

import base64
import json
import re
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from ...requests import read_json, username_of
from ..base import Platform, Service
from ..buckets.answer import listed
from ..jobs import fields
from ..jobs.fields import Fields, invalid
from .store import SCHEMA, Account, AccountStore, NameTakenError

_ROOT = "/api/v1/service_accounts"
_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_NAME = 253


def create(platform: Platform) -> Service:
    """Build the service."""
    handlers = _Handlers(platform)
    return Service(
        name="service-accounts",
        routes=[
            web.get(_ROOT, handlers.list),
            web.post(_ROOT, handlers.create),
            web.get(_ROOT + "/{account}", handlers.get),
            web.delete(_ROOT + "/{account}", handlers.delete),
        ],
        schema=SCHEMA,
    )


class _Handlers:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def _store(self) -> AccountStore:
        return AccountStore(self._platform.state)

    async def list(self, request: web.Request) -> web.Response:
        """List the caller's own accounts."""
        accounts = await self._store.of(username_of(request))
        return listed(request, [await self._describe(account) for account in accounts])

    async def create(self, request: web.Request) -> web.Response:
        """Make an account with a role of its own, and tell its token this one time."""
        body = Fields(await read_json(request))
        name = body.take("name", fields.optional(_name), None)
        cluster = body.take("default_cluster", fields.one_of(*self._platform.settings.clusters))
        body.end()
        owner = username_of(request)
        account = Account(
            id=f"service-account-{uuid.uuid4()}",
            name=name,
            owner=owner,
            role=f"{owner}/service-accounts/{name or secrets.token_hex(8)}",
            default_cluster=cluster,
            created_at=datetime.now(UTC).isoformat(),
        )
        try:
            await self._store.insert(account)
        except NameTakenError:
            text = f"{owner!r} has a service account {name!r} already"
            raise web.HTTPConflict(
                text=json.dumps({"code": "unique", "description": text}),
                content_type="application/json",
            ) from None
        # A role of that name that was there before brings nothing with it.
        await self._platform.access.remove_user(account.role)
        await self._platform.tokens.revoke_all(account.role)
        await self._platform.access.add_user(account.role)
        answer = await self._describe(account)
        return web.json_response({**answer, "token": await self._token(account)}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Describe an account of the caller's."""
        return web.json_response(await self._describe(await self._find(request)))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove an account of the caller's, its role, and what was given to that."""
        account = await self._find(request)
        await self._platform.tokens.revoke_all(account.role)
        await self._platform.access.remove_user(account.role)
        # The record last: what a kill leaves half removed can be removed again.
        await self._store.delete(account)
        return web.Response(status=204)

    async def _find(self, request: web.Request) -> Account:
        key = request.match_info["account"]
        account = await self._store.at(username_of(request), key)
        if account is None:
            raise web.HTTPNotFound(text=f"Service account {key!r} not found")
        return account

    async def _token(self, account: Account) -> str:
        """Give the login of an account in the form of the configuration that jobs are passed."""
        value = {
            "token": await self._platform.issue_token(account.role),
            "cluster": account.default_cluster,
            "url": str(self._platform.api_url),
        }
        return base64.b64encode(json.dumps(value).encode()).decode("ascii")

    async def _describe(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.id,
            "name": account.name,
            "owner": account.owner,
            "role": account.role,
            "default_cluster": account.default_cluster,
            "created_at": account.created_at,
            "role_deleted": not await self._platform.access.exists(account.role),
        }


def _name(value: object, path: str) -> str:
    name = fields.string(value, path)
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise invalid(
            path, f"must be a-z, 0-9 and '-' between dots, as in the name of a host, not {name!r}"
        )
    return name
