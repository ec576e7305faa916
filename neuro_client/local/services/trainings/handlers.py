"""Take a request apart, find what answers it, and tell refusals in the service's own form."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence

import attrs
from aiohttp import web

from .accounts import Accounts, Caller
from .answers import OAuthRefusal, Refusal
from .calls import Call
from .signing_in import SigningIn

logger = logging.getLogger(__name__)

Answer = Callable[[Call], Awaitable[web.StreamResponse]]
_TOKENS = {"/api/v1/token": "v1", "/api/v2/token": "v2"}


@attrs.frozen
class Route:
    """One endpoint; ``{word}`` in the path stands for one segment."""

    method: str
    path: str
    answer: Answer
    generic: bool = False
    """Whether it is about workloads of all kinds."""
    public: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return what the path has to be like."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


class Handlers:
    """Answer every request of the listener."""

    def __init__(self, accounts: Accounts, signing_in: SigningIn, routes: Sequence[Route]) -> None:
        self._accounts = accounts
        self._signing_in = signing_in
        self._routes = [(route.pattern, route) for route in routes]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except (Refusal, OAuthRefusal) as refusal:
            return refusal.response()
        except web.HTTPRequestEntityTooLarge as error:
            return Refusal(413, "The request body is too large", details=error.text).response()
        except (ConnectionError, web.RequestPayloadError, web.HTTPException):
            raise
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.path)
            return Refusal(500, "Unexpected exception", details=str(error)).response()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if version := _TOKENS.get(path):
            if request.method != "POST":
                raise Refusal(405, f"{request.method} cannot be used with {path}")
            return await getattr(self._signing_in, version)(request)  # type: ignore[no-any-return]
        fitting = [
            (route, match)
            for pattern, route in self._routes
            if (match := pattern.fullmatch(path)) is not None
        ]
        if not fitting:
            raise Refusal(404, f"There is no {path}")
        # A word of its own goes before one that stands for anything.
        fewest = min(len(match.groups()) for _, match in fitting)
        for route, match in fitting:
            if len(match.groups()) > fewest:
                continue
            if route.method == request.method:
                caller = Caller("") if route.public else self._caller(request)
                if route.generic and not caller.rights.generic:
                    raise Refusal(403, f"{caller.name} may not use the generic endpoints")
                return await route.answer(Call(request, caller, match.groupdict()))
        raise Refusal(405, f"{request.method} cannot be used with {path}")

    def _caller(self, request: web.Request) -> Caller:
        words = request.headers.get("Authorization", "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            raise Refusal(401, "A bearer token is required")
        caller = self._accounts.caller(words[1])
        if caller is None:
            raise Refusal(401, "The token is wrong or has expired")
        return caller
