"""Users and what they share (config-and-auth.md §10, disks-…-accounts.md §4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from yarl import URL

from ...access import SCHEMES, is_name, key_of
from ...errors import not_allowed, refuse
from ...requests import read_json, username_of
from ..base import Platform, Service

ROOT = "/api/v1/users"
_GIVEN = ("read", "write", "manage")


def create(platform: Platform) -> Service:
    """Build the service."""
    handlers = _Handlers(platform)
    user = f"{ROOT}/{{user}}"
    return Service(
        name="users",
        routes=[
            web.post(ROOT, handlers.add),
            web.get(user, handlers.get),
            web.delete(user, handlers.remove),
            web.get(f"{user}/permissions", handlers.permissions),
            web.post(f"{user}/permissions", handlers.share),
            web.put(f"{user}/permissions", handlers.replace),
            web.delete(f"{user}/permissions", handlers.revoke),
            web.get(f"{user}/permissions/shared", handlers.shared),
            web.post(f"{user}/permissions/check", handlers.check),
            web.get(f"{user}/permissions/tree", handlers.tree),
            web.get(f"{user}/subroles", handlers.subroles),
            web.post(f"{user}/token", handlers.token),
        ],
    )


class _Handlers:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def add(self, request: web.Request) -> web.Response:
        """Add a role below the caller's own name; users themselves are added by the owner."""
        body = await read_json(request)
        name = body.get("name") if isinstance(body, dict) else None
        if not isinstance(name, str) or not name:
            raise refuse(400, "The name of the role is missing")
        self._own(request, name)
        if not is_name(name):
            raise refuse(400, f"{name!r} cannot be the name of a role")
        if not await self._platform.access.add_user(name):
            raise refuse(400, f"There is a role {name!r} already")
        return web.json_response({"name": name}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Answer that a user exists."""
        return web.json_response({"name": await self._named(request)})

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a role of the caller's."""
        name = await self._named(request)
        self._own(request, name)
        if name == username_of(request):
            raise refuse(400, f"{name!r} is a user, not a role; users stay")
        await self._platform.access.remove_user(name)
        await self._platform.tokens.revoke_all(name)
        return web.Response(status=204)

    async def permissions(self, request: web.Request) -> web.Response:
        """List what a user has, below ``uri`` where it is given."""
        name = await self._named(request)
        self._own(request, name)
        inside = _filter(request)
        found = await self._platform.access.permissions(name)
        return web.json_response(
            [{"uri": str(uri), "action": action} for uri, action in found if inside(uri)]
        )

    async def shared(self, request: web.Request) -> web.Response:
        """List what of a user's own was given to others."""
        name = await self._named(request)
        self._own(request, name)
        inside = _filter(request)
        rows = []
        for user, uri, action in await self._platform.access.shares():
            if user == name or not inside(uri):
                continue
            if await self._platform.access.allowed(name, uri, "manage"):
                rows.append({"user": user, "uri": str(uri), "action": action})
        return web.json_response(rows)

    async def share(self, request: web.Request) -> web.Response:
        """Give a user rights on what the caller manages, and say which."""
        wanted = await self._share(request)
        answer = [{"uri": str(uri), "action": action} for uri, action in wanted]
        return web.json_response(answer, status=201)

    async def replace(self, request: web.Request) -> web.Response:
        """Give a user rights on what the caller manages."""
        await self._share(request)
        return web.Response(status=204)

    async def _share(self, request: web.Request) -> Sequence[tuple[URL, str]]:
        name = await self._named(request)
        wanted = _wanted(await read_json(request))
        caller = username_of(request)
        await self._platform.access.require(caller, [(uri, "manage") for uri, _ in wanted])
        for uri, action in wanted:
            await self._platform.access.grant(name, uri, action)
        return wanted

    async def revoke(self, request: web.Request) -> web.Response:
        """Take rights back."""
        name = await self._named(request)
        texts = request.query.getall("uri", [])
        if not texts:
            raise refuse(400, "The URI to take back is missing (uri=)")
        uris = [_uri(text) for text in texts]
        caller = username_of(request)
        await self._platform.access.require(caller, [(uri, "manage") for uri in uris])
        for uri in uris:
            if not await self._platform.access.revoke(name, uri):
                raise refuse(400, f"Nothing was shared with {name!r} on {uri}")
        return web.Response(status=204)

    async def check(self, request: web.Request) -> web.Response:
        """Answer which rights of a list a user does not have."""
        name = await self._named(request)
        self._own(request, name)
        missing = await self._platform.access.missing(name, _wanted(await read_json(request)))
        return web.json_response({"missing": missing}, status=403 if missing else 200)

    async def tree(self, request: web.Request) -> web.Response:
        """Answer what a user may do on a URI and right below it."""
        name = await self._named(request)
        self._own(request, name)
        uri = _uri(request.query.get("uri", ""))
        children = await self._platform.access.children(name, uri)
        return web.json_response(
            {
                "path": "/" + "/".join(key_of(uri)[1:]),
                "action": await self._platform.access.action(name, uri),
                "children": {
                    child: {"action": action, "children": {}} for child, action in children.items()
                },
            }
        )

    async def subroles(self, request: web.Request) -> web.Response:
        """List the roles below a user's name."""
        name = await self._named(request)
        self._own(request, name)
        users = await self._platform.access.users()
        return web.json_response({"subroles": [u for u in users if u.startswith(f"{name}/")]})

    async def token(self, request: web.Request) -> web.Response:
        """Make a further token for the caller or a role of the caller's."""
        name = await self._named(request)
        self._own(request, name)
        return web.json_response({"access_token": await self._platform.issue_token(name)})

    async def _named(self, request: web.Request) -> str:
        name = request.match_info["user"].replace(":", "/")
        if not await self._platform.access.exists(name):
            raise refuse(404, f"There is no user {name!r}")
        return name

    def _own(self, request: web.Request, name: str) -> None:
        caller = username_of(request)
        if name != caller and not name.startswith(f"{caller}/"):
            raise not_allowed([{"uri": f"role://{name}", "action": "manage"}])


def _wanted(body: Any) -> Sequence[tuple[URL, str]]:
    if not isinstance(body, list) or not body:
        raise refuse(400, "The body must be a list of {uri, action}")
    found = []
    for item in body:
        if not isinstance(item, dict) or item.get("action") not in _GIVEN:
            raise refuse(400, f"Each item needs a uri and an action of {', '.join(_GIVEN)}")
        found.append((_uri(str(item.get("uri", ""))), str(item["action"])))
    return found


def _uri(text: str) -> URL:
    uri = _parsed(text)
    if uri.scheme not in (*SCHEMES, "cluster", "role") or not uri.host:
        raise refuse(400, f"{text!r} is not the full URI of a resource")
    return uri


def _parsed(text: str) -> URL:
    try:
        # What cannot be encoded would be left out, and so name more than was meant.
        text.encode()
        return URL(text)
    except ValueError:
        raise refuse(400, f"{text!r} is not a URI") from None


def _filter(request: web.Request) -> Any:
    """Return a test for the ``uri`` of the query: a whole scheme, or everything below it."""
    text = request.query.get("uri")
    if not text:
        return lambda uri: True
    wanted = _parsed(text)
    if not wanted.host:
        return lambda uri: uri.scheme == wanted.scheme
    key = key_of(wanted)
    return lambda uri: key_of(uri)[: len(key)] == key
