"""AuthN on the proxy's port: users, roles, clusters and tokens (aistore.md §16.9).

In a real installation it is a service of its own. What is kept here is forgotten at the end. The
first user is ``admin``, with the password ``admin`` where only this machine reaches the cluster;
tokens open it, roles are not looked at.
"""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import unquote

from aiohttp import hdrs, web

from .errors import AISError, bad_request
from .messages import json_answer, read_document

RESOURCES = ("users", "roles", "clusters", "tokens")
_LIFETIME = 24 * 3600.0


class AuthN:
    """Answer requests to AuthN, and know the tokens that it gave."""

    def __init__(self, password: str) -> None:
        self._passwords = {"admin": password}
        self._tokens: dict[str, float] = {}
        self._kept: dict[str, dict[str, dict[str, Any]]] = {
            "users": {"admin": {"id": "admin", "roles": []}},
            "roles": {"Admin": {"name": "Admin", "desc": "may do everything", "is_admin": True}},
            "clusters": {},
        }

    def knows(self, token: str) -> bool:
        """Tell whether a token was given here and is valid."""
        return self._tokens.get(token, 0.0) > time.monotonic()

    def expire_all(self) -> None:
        """Let all tokens be over."""
        self._tokens.clear()

    async def handle(self, request: web.Request, resource: str, rest: str) -> web.Response:
        """Answer a request."""
        name = unquote(rest.strip("/"))
        if request.method == hdrs.METH_POST and resource == "users" and name:
            return await self._login(request, name)
        if resource == "tokens":
            return await self._revoke(request)
        self._admit(request)
        match request.method:
            case hdrs.METH_GET:
                return json_answer(self._get(resource, name))
            case hdrs.METH_POST:
                return json_answer(await self._add(request, resource))
            case hdrs.METH_PUT:
                return json_answer(await self._change(request, resource, name))
            case hdrs.METH_DELETE:
                found = self._find(resource, name)
                del self._kept[resource][found.get("id", name)]
                self._passwords.pop(name if resource == "users" else "", None)
                return web.Response()
        raise AISError(405, f"invalid method {request.method}")

    def _admit(self, request: web.Request) -> None:
        _, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if not self.knows(token):
            raise AISError(401, "invalid or expired token", "ErrInvalidToken")

    async def _login(self, request: web.Request, name: str) -> web.Response:
        document = await _object(request)
        known, given = self._passwords.get(name), str(document.get("password") or "")
        if known is None or not secrets.compare_digest(known.encode(), given.encode()):
            raise AISError(401, f'invalid credentials of user "{name}"', "ErrInvalidCredentials")
        lifetime = document.get("expires_in")
        seconds = float(lifetime) / 1e9 if lifetime else _LIFETIME
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + seconds
        return json_answer({"token": token})

    async def _revoke(self, request: web.Request) -> web.Response:
        if request.method != hdrs.METH_DELETE:
            raise AISError(405, f"invalid method {request.method}")
        document = await _object(request)
        self._tokens.pop(str(document.get("token") or ""), None)
        return web.Response()

    def _get(self, resource: str, name: str) -> Any:
        if name:
            found = self._find(resource, name)
            # One cluster is told as a list of it is.
            return {"clusters": {found["id"]: found}} if resource == "clusters" else found
        kept = self._kept[resource]
        match resource:
            case "clusters":
                return {"clusters": kept}
            case "users":
                return kept
        return list(kept.values())

    def _find(self, resource: str, name: str) -> dict[str, Any]:
        kept = self._kept[resource]
        aliases = {one.get("alias"): one for one in kept.values()}
        found = kept.get(name) or aliases.get(name)
        if found is None:
            raise AISError(404, f'{resource[:-1]} "{name}" does not exist', "ErrNotFound")
        return found

    async def _add(self, request: web.Request, resource: str) -> dict[str, Any]:
        document = await _object(request)
        key = "name" if resource == "roles" else "id"
        if resource == "clusters":
            document.setdefault("id", secrets.token_hex(5))
            document["id"] = document["id"] or secrets.token_hex(5)
        name = document.get(key)
        if not isinstance(name, str) or not name:
            raise bad_request(f"the {resource[:-1]} has no {key}")
        if name in self._kept[resource]:
            raise AISError(409, f'{resource[:-1]} "{name}" already exists', "ErrAlreadyExists")
        return self._keep(resource, name, document)

    async def _change(self, request: web.Request, resource: str, name: str) -> dict[str, Any]:
        old = self._find(resource, name)
        document = await _object(request)
        given = {key: value for key, value in document.items() if value}
        return self._keep(resource, name, {**old, **given})

    def _keep(self, resource: str, name: str, document: dict[str, Any]) -> dict[str, Any]:
        # Published clients say ``pass`` here, and ``password`` at the login.
        for key in ("password", "pass") if resource == "users" else ():
            if password := document.pop(key, None):
                self._passwords[name] = str(password)
        self._kept[resource][name] = document
        return document


async def _object(request: web.Request) -> dict[str, Any]:
    document = await read_document(request)
    if not isinstance(document, dict):
        raise bad_request("the request body is not an object")
    return document
