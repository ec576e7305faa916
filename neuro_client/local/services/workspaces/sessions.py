"""Logins of the 0.1 generation: an access token, renewed by a cookie (§1)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .accounts import SESSION_LIFETIME, Accounts, User
from .answers import Refusal, invalid, json_object

COOKIE = "refreshToken"


class Sessions:
    """Answer requests to log in."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def log_in(self, request: web.Request) -> web.Response:
        """Answer POST /api/auth/login."""
        body = await json_object(request)
        email, password = body.get("email"), body.get("password")
        if not isinstance(email, str) or not isinstance(password, str):
            raise invalid("email and password must be texts")
        user = await self._accounts.log_in(email, password)
        if user is None:
            message = "The e-mail address or the password is wrong"
            raise Refusal(401, "invalid_credentials", message)
        answer = web.json_response({"accessToken": self._accounts.issue(user), "user": _told(user)})
        answer.set_cookie(
            COOKIE,
            await self._accounts.open_session(user),
            path="/api/auth",
            max_age=int(SESSION_LIFETIME),
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def refresh(self, request: web.Request) -> web.Response:
        """Answer POST /api/auth/refresh."""
        user = await self._accounts.user_of_session(request.cookies.get(COOKIE, ""))
        if user is None:
            message = "There is no session to refresh; log in again"
            raise Refusal(401, "session_required", message)
        return web.json_response({"accessToken": self._accounts.issue(user)})


def _told(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "walletAddress": None,
        "accessApproved": True,
    }
