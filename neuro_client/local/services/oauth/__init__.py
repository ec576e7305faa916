"""Logging in as a browser does it: the pages of OAuth, authorization code with PKCE.

Facts: config-and-auth.md §4 and §5. There are no passwords: whoever reaches the page on this
machine may log in as any of the platform's users. A ticket in the form keeps other web sites from
posting it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

import attrs
import jinja2
from aiohttp import web
from yarl import URL

from ...requests import read_form
from ...tokens import Tokens
from ..base import Platform, Service
from ..config import CLIENT_ID, callback_urls

CODE_LIFETIME = 120.0
_TICKET_LIFETIME = 600.0
_PENDING_LIMIT = 1000

_PAGES = jinja2.Environment(
    autoescape=True,
    loader=jinja2.DictLoader(
        {
            "base": """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width">
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:4rem auto;padding:0 1rem}
button{font:inherit;padding:.4rem 1.2rem;margin-right:.5rem}code{font-size:1.2rem}</style></head>
<body><h1>{{ title }}</h1>{% block body %}{% endblock %}</body></html>""",
            "authorize": """{% extends "base" %}{% block body %}
<p>A program on this machine wants to work with the local platform.</p>
<form method="post"><input type="hidden" name="ticket" value="{{ ticket }}">
<p><label>As user <select name="username">
{% for name in users %}<option>{{ name }}</option>{% endfor %}</select></label></p>
<p><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></p></form>{% endblock %}""",
            "code": """{% extends "base" %}{% block body %}
<p>Copy this code to the program that asked for it:</p><p><code id="code">{{ code }}</code></p>
{% endblock %}""",
            "text": """{% extends "base" %}{% block body %}<p>{{ text }}</p>{% endblock %}""",
        }
    ),
)


@attrs.frozen
class _Request:
    """Hold what a program asked for until its user has decided."""

    redirect_uri: str
    challenge: str
    expires_at: float


@attrs.frozen
class _Grant:
    """Hold what a code stands for."""

    username: str
    redirect_uri: str
    challenge: str
    expires_at: float


def create(platform: Platform) -> Service:
    """Build the service."""
    pages = _Pages(platform)
    return Service(
        name="oauth",
        routes=[
            web.get("/auth/authorize", pages.authorize),
            web.post("/auth/authorize", pages.decide),
            web.get("/auth/code", pages.code),
            web.get("/auth/logout", pages.logout),
            web.post("/auth/token", pages.token),
        ],
        public=("/auth/",),
    )


class _Pages:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._requests: dict[str, _Request] = {}
        self._grants: dict[str, _Grant] = {}

    async def authorize(self, request: web.Request) -> web.Response:
        """Show the question whether the program may log in, and as whom."""
        query = request.query
        _drop_expired(self._requests)
        problem = self._problem(request)
        if problem:
            return _page("text", "This login cannot go on", 400, text=problem)
        ticket = secrets.token_urlsafe(24)
        self._requests[ticket] = _Request(
            query["redirect_uri"], query["code_challenge"], time.monotonic() + _TICKET_LIFETIME
        )
        users = await self._platform.access.users()
        return _page("authorize", "Log in to the local platform", ticket=ticket, users=users)

    async def decide(self, request: web.Request) -> web.Response:
        """Send the browser back with a code, or with a refusal."""
        form = await read_form(request)
        asked = self._requests.pop(form.get("ticket", ""), None)
        if asked is None or asked.expires_at < time.monotonic():
            return _page("text", "This login cannot go on", 400, text="The page is too old.")
        back = URL(asked.redirect_uri)
        username = form.get("username", "")
        if form.get("decision") != "allow" or not await self._platform.access.exists(username):
            answer = {"error": "access_denied", "error_description": "The user said no"}
            raise web.HTTPFound(back.update_query(answer))
        code = secrets.token_urlsafe(24)
        _drop_expired(self._grants)
        self._grants[code] = _Grant(
            username, asked.redirect_uri, asked.challenge, time.monotonic() + CODE_LIFETIME
        )
        raise web.HTTPFound(back.update_query(code=code))

    async def code(self, request: web.Request) -> web.Response:
        """Show the code to a user who carries it to another machine."""
        if "code" not in request.query:
            text = request.query.get("error_description", "There is no code.")
            return _page("text", "Not logged in", 403, text=text)
        return _page("code", "Almost there", code=request.query["code"])

    async def logout(self, request: web.Request) -> web.Response:
        """Say that the browser holds nothing to forget."""
        return _page("text", "Logged out", text="You can close this page.")

    async def token(self, request: web.Request) -> web.Response:
        """Turn a code or a refresh token into an access token."""
        form = await read_form(request)
        if form.get("client_id") != CLIENT_ID:
            return _refused("invalid_client", 401)
        if form.get("grant_type") == "authorization_code":
            return await self._redeem(form.get("code", ""), form)
        if form.get("grant_type") == "refresh_token":
            username = await self._tokens.user_of_refresh(form.get("refresh_token", ""))
            if username is None:
                return _refused("invalid_grant", 403)
            return await self._issued(username, None)
        return _refused("unsupported_grant_type", 400)

    async def _redeem(self, code: str, form: Mapping[str, str]) -> web.Response:
        # A code is gone with its first use, also with a wrong one.
        grant = self._grants.pop(code, None)
        if grant is None or grant.expires_at < time.monotonic():
            return _refused("invalid_grant", 403)
        verifier = form.get("code_verifier", "")
        digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        same_place = form.get("redirect_uri", "") == grant.redirect_uri
        if not same_place or not hmac.compare_digest(
            challenge, grant.challenge.encode("ascii", "replace").decode()
        ):
            return _refused("invalid_grant", 403)
        refresh = await self._tokens.issue_refresh(grant.username)
        return await self._issued(grant.username, refresh)

    async def _issued(self, username: str, refresh: str | None) -> web.Response:
        lifetime = self._platform.settings.token_lifetime
        answer: dict[str, object] = {
            "access_token": await self._tokens.issue(username, lifetime),
            "expires_in": lifetime,
            "token_type": "Bearer",
        }
        if refresh is not None:
            answer["refresh_token"] = refresh
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    @property
    def _tokens(self) -> Tokens:
        return self._platform.tokens

    def _problem(self, request: web.Request) -> str | None:
        query = request.query
        allowed = {*callback_urls(), str(self._platform.url / "auth/code")}
        if query.get("client_id") != CLIENT_ID:
            return "The program is not known here."
        if query.get("redirect_uri", "").rstrip("/") not in allowed:
            return "The program wants the answer at an address that is not allowed."
        if query.get("response_type") != "code":
            return "The program wants another kind of answer than a code."
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return "The program sent no proof of origin (PKCE with S256)."
        if len(self._requests) >= _PENDING_LIMIT:
            return "Too many logins are open; try again later."
        return None


def _drop_expired(table: dict[str, _Request] | dict[str, _Grant]) -> None:
    now = time.monotonic()
    for key in [key for key, value in table.items() if value.expires_at < now]:
        del table[key]


def _page(template: str, title: str, status: int = 200, **values: object) -> web.Response:
    text = _PAGES.get_template(template).render(title=title, **values)
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"},
    )


def _refused(error: str, status: int) -> web.Response:
    return web.json_response({"error": error}, status=status)
