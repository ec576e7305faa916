"""The two endpoints that give out tokens (runai-trainings.md §2.1, §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from ...requests import read_form
from ..base import Platform
from .accounts import Accounts, Caller
from .answers import OAuthRefusal, Refusal, json_object

_V2_GRANTS = ("authorization_code", "client_credentials", "password", "refresh_token")


class SigningIn:
    """Answer requests for tokens."""

    def __init__(
        self, platform: Platform, accounts: Accounts, lifetime: Callable[[], float]
    ) -> None:
        self._platform = platform
        self._accounts = accounts
        self._lifetime = lifetime

    async def v1(self, request: web.Request) -> web.Response:
        """Answer `POST /api/v1/token`; names of fields match whatever their case."""
        body = await json_object(request)
        fields = {name.lower(): value for name, value in body.items()}
        grant = fields.get("granttype")
        match grant:
            case "app_token":
                caller = self._application(fields, "AppId", "AppSecret")
            case "client_credentials":
                caller = self._application(fields, "clientID", "clientSecret")
            case "password":
                _word(fields, "clientID")
                user, password = _word(fields, "username"), _word(fields, "password")
                caller = await self._accounts.user(user, password)
            case "refresh_token":
                _word(fields, "clientID")
                caller = self._accounts.caller(_word(fields, "refreshToken"), refresh=True)
            case "external_token_exchange":
                found = await self._platform.tokens.caller(_word(fields, "externalToken"))
                caller = None if found is None else Caller(found.username)
            case "exchange_token":
                _word(fields, "code"), _word(fields, "clientID"), _word(fields, "redirectUri")
                caller = None  # nobody signs in by a browser here, so no code was given out
            case _:
                raise Refusal(400, f"grantType {grant!r} is not known")
        if caller is None:
            raise Refusal(401, "The credentials are wrong")
        answer: dict[str, Any] = {
            "accessToken": self._accounts.issue(caller, self._lifetime()),
            "expiresIn": int(self._lifetime()),
        }
        if grant in ("password", "refresh_token"):
            answer["refreshToken"] = self._accounts.issue_refresh(caller)
        return web.json_response(answer)

    def _application(self, fields: Mapping[str, Any], key: str, secret: str) -> Caller | None:
        return self._accounts.application(_word(fields, key), _word(fields, secret))

    async def v2(self, request: web.Request) -> web.Response:
        """Answer `POST /api/v2/token`, a form of OAuth 2."""
        try:
            form = await read_form(request)
        except web.HTTPBadRequest as error:
            raise OAuthRefusal("invalid_request", str(error.text)) from None
        grant = form.get("grant_type", "")
        if not grant:
            raise OAuthRefusal("invalid_request", "grant_type is missing")
        if grant not in _V2_GRANTS:
            raise OAuthRefusal("unsupported_grant_type", f"grant_type {grant!r} is not known")
        caller = await self._granted(grant, form)
        answer: dict[str, Any] = {
            "access_token": self._accounts.issue(caller, self._lifetime()),
            "token_type": "Bearer",
            "expires_in": int(self._lifetime()),
        }
        if grant in ("password", "refresh_token"):
            answer["refresh_token"] = self._accounts.issue_refresh(caller)
        return web.json_response(answer)

    async def _granted(self, grant: str, form: Mapping[str, str]) -> Caller:
        def field(name: str) -> str:
            if not form.get(name):
                raise OAuthRefusal("invalid_request", f"{name} is missing")
            return form[name]

        if grant == "client_credentials":
            caller = self._accounts.application(field("client_id"), field("client_secret"))
            if caller is None:
                raise OAuthRefusal("invalid_client", "The credentials are wrong", 401)
            return caller
        found = None
        if grant == "password":
            found = await self._accounts.user(field("username"), field("password"))
        elif grant == "refresh_token":
            found = self._accounts.caller(field("refresh_token"), refresh=True)
        else:
            field("code")
        if found is None:
            raise OAuthRefusal("invalid_grant", "The credentials are wrong or have expired")
        return found


def _word(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name.lower())
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name} is missing")
    return value
