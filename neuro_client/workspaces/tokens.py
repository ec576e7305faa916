"""Sessions of the platform's first generation: an access token and a cookie that renews it (§1)."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import attrs

from ..concurrency import SingleFlight
from ..errors import AuthenticationError, AuthError, IllegalArgumentError
from ..transport import Answer, Transport
from ..wire import structure
from .wire import body_of

_LOGIN = "/api/auth/login"
_REFRESH = "/api/auth/refresh"
_RENEWAL = "renewal"


@attrs.frozen
class _Session:
    accessToken: str = attrs.field(repr=False)


class SessionTokens:
    """Be the credentials of a Transport: sign in with the first request, renew after a refusal.

    ``transport`` reaches the same platform without credentials.
    """

    def __init__(self, email: str, password: str, transport: Transport) -> None:
        self._email = email
        self._password = password
        self._transport = transport
        self._flights: SingleFlight[None] = SingleFlight()
        self._text = ""
        self._cookies: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._email}>"

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the bearer header; the platform does not tell how long a token lives."""
        if not self._text:
            await self._flights.run(_RENEWAL, self._login)
        return f"Bearer {self._text}"

    async def renew(self, rejected: str) -> bool:
        """Get another token than the rejected one, once for all requests it was sent with."""
        if rejected == f"Bearer {self._text}":
            await self._flights.run(_RENEWAL, self._refresh)
        return True

    async def _login(self) -> None:
        body = {"email": self._email, "password": self._password}
        try:
            await self._ask(_LOGIN, json=body)
        except (AuthError, IllegalArgumentError) as error:
            if error.status not in (400, 401, 403):
                raise
            raise AuthenticationError(
                f"The platform did not let {self._email} in: {error}; check email and password",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                method=error.method,
                url=error.url,
            ) from None

    async def _refresh(self) -> None:
        if self._cookies:
            cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            try:
                await self._ask(_REFRESH, headers={"Cookie": cookie})
            except (AuthError, IllegalArgumentError):
                self._cookies.clear()  # it has expired as well
            else:
                return
        await self._login()

    async def _ask(self, path: str, **options: Any) -> None:
        answer = await self._transport.send(
            "POST", path, idempotent=True, redirects=False, **options
        )
        self._text = structure(await body_of(answer), _Session).accessToken
        self._cookies.update(_cookies(answer))


def _cookies(answer: Answer) -> Mapping[str, str]:
    """Read the cookies that an answer sets; the session keeps none for hosts without a name."""
    found: dict[str, str] = {}
    values = getattr(answer.headers, "getall", lambda _name, default: default)
    for text in values("Set-Cookie", []):
        try:
            found.update((name, item.value) for name, item in SimpleCookie(text).items())
        except CookieError:
            continue
    return found
