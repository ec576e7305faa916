"""Take a request apart, find what answers it, and tell refusals in the service's own form."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence

import attrs
from aiohttp import web

from .accounts import Accounts
from .answers import INVALID, NOT_FOUND, Refusal, internal, not_supported
from .calls import Call
from .serving import Serving

logger = logging.getLogger(__name__)

Answer = Callable[[Call], Awaitable[web.StreamResponse]]
Public = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class Route:
    """One endpoint; ``{word}`` in the path stands for one segment."""

    method: str
    path: str
    answer: Answer | None = None
    public: Public | None = None
    """What answers it instead, if the endpoint looks itself at who calls."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return what the path has to be like."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


class Handlers:
    """Answer every request of the listener."""

    def __init__(self, accounts: Accounts, serving: Serving, routes: Sequence[Route]) -> None:
        self._accounts = accounts
        self._serving = serving
        self._routes = [(route.pattern, route) for route in routes]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        try:
            answer = self._serving.answering(request)
            if answer is not None:
                return await self._serving.handle(request, answer)
            return await self._answer(request)
        except Refusal as refusal:
            return refusal.response()
        except web.HTTPRequestEntityTooLarge:
            return Refusal(INVALID, "the request body is too large").response()
        except (ConnectionError, web.RequestPayloadError, web.HTTPException):
            raise
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.path)
            return internal(error)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        fitting = [
            (route, match)
            for pattern, route in self._routes
            if (match := pattern.fullmatch(path)) is not None
        ]
        if not fitting:
            raise Refusal(NOT_FOUND, f"there is no {path}")
        # A word of its own goes before one that stands for anything.
        fewest = min(len(match.groups()) for _, match in fitting)
        for route, match in fitting:
            if route.method != request.method or len(match.groups()) > fewest:
                continue
            if route.public is not None:
                return await route.public(request)
            assert route.answer is not None
            user, api_key = self._accounts.caller(request)
            return await route.answer(Call(request, user, match.groupdict(), api_key))
        return not_supported(request.method, path)
