"""The table of endpoints, who makes a request, and the wrapper that every handler is in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs
from aiohttp import hdrs, web

from .accounts import KEY_PREFIXES, Accounts, User
from .answers import Refusal
from .hosts import HostError
from .machine import Machine
from .objects import ObjectsError
from .sessions import Sessions
from .storage import Storage
from .tasks import Tasks

logger = logging.getLogger(__name__)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
UserAnswer = Callable[[web.Request, User], Awaitable[web.StreamResponse]]
_HINT = "Create a key in the dashboard and send it as `Authorization: Bearer rsk_…`"


@attrs.frozen
class Parts:
    """Hold what answers requests; made when the platform's state is open."""

    accounts: Accounts
    sessions: Sessions
    storage: Storage
    tasks: Tasks
    machine: Machine


class Door:
    """Let requests in, and tell refusals in the platform's own form."""

    def __init__(self) -> None:
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """Return what answers requests."""
        assert self._parts is not None
        return self._parts

    @parts.setter
    def parts(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Return the table of endpoints."""
        user, users, dashboard = self._user, "/api/users/storage", "/api/customer/dashboard"
        one = "/api/tasks/{id}"
        return [
            web.post("/api/auth/login", self._open(lambda r: self.parts.sessions.log_in(r))),
            web.post("/api/auth/refresh", self._open(lambda r: self.parts.sessions.refresh(r))),
            web.get(f"{users}/bucket", user(lambda parts: parts.storage.bucket)),
            web.patch(f"{users}/bucket/rotate-key", user(lambda parts: parts.storage.rotate_key)),
            web.get(f"{users}/usage", user(lambda parts: parts.storage.usage)),
            web.post(f"{users}/upload/init", user(lambda parts: parts.storage.begin_upload)),
            web.post(f"{users}/upload/complete", user(lambda parts: parts.storage.complete_upload)),
            web.post(f"{users}/upload/abort", user(lambda parts: parts.storage.abort_upload)),
            web.post("/api/tasks", user(lambda parts: parts.tasks.create)),
            web.get(one, user(lambda parts: parts.tasks.get)),
            web.post(f"{one}/cancel", user(lambda parts: parts.tasks.cancel)),
            web.get(f"{one}/logs", user(lambda parts: parts.tasks.logs)),
            web.get(f"{dashboard}/jobs", user(lambda parts: parts.tasks.jobs)),
            web.get(f"{dashboard}/jobs/{{id}}", user(lambda parts: parts.tasks.job)),
            web.get(f"{dashboard}/workers/stats", user(lambda parts: parts.machine.workers)),
            web.get(f"{dashboard}/listJobsNvflare", user(lambda parts: parts.tasks.jobs_nvflare)),
            web.get(f"{dashboard}/showStatsNvflare", user(lambda parts: parts.tasks.stats_nvflare)),
            web.get("/api/gpu-catalog", user(lambda parts: parts.machine.gpus)),
        ]

    def elsewhere(self) -> web.RouteDef:
        """Return what answers every other request; it belongs behind all others."""
        return web.route("*", "/{path:(?s:.*)}", self._open(_nowhere))

    def _open(self, answer: Answer) -> Answer:
        """Wrap what needs nobody to be known."""

        async def answered(request: web.Request) -> web.StreamResponse:
            try:
                return await answer(request)
            except Refusal as refusal:
                return refusal.response()
            except web.HTTPRequestEntityTooLarge as error:
                return Refusal(413, "too_large", error.text or "The body is too large").response()
            except (HostError, ObjectsError) as error:
                logger.warning("%s %s: the bucket: %s", request.method, request.path, error)
                return Refusal(503, "storage_unavailable", str(error)).response()
            except (ConnectionError, web.RequestPayloadError, web.HTTPException):
                raise
            except Exception as error:
                logger.exception("%s %s failed", request.method, request.path)
                return Refusal(500, "internal_error", f"Unexpected exception: {error}").response()

        return answered

    def _user(self, choose: Callable[[Parts], UserAnswer]) -> Answer:
        """Wrap what needs a key or a session."""

        async def known(request: web.Request) -> web.StreamResponse:
            return await choose(self.parts)(request, await self._caller(request))

        return self._open(known)

    async def _caller(self, request: web.Request) -> User:
        accounts = self.parts.accounts
        header = request.headers.get(hdrs.AUTHORIZATION)
        if header is None:
            raise Refusal(401, "session_required", "Log in, or send an API key", _HINT)
        words = header.split()
        if len(words) != 2 or words[0].lower() != "bearer":
            message = "The Authorization header is not `Bearer <key>`"
            raise Refusal(401, "malformed_bearer", message, _HINT)
        if words[1].startswith(KEY_PREFIXES):
            caller = await accounts.user_of_key(words[1])
            if caller is None:
                message = "The API key is unknown or was revoked"
                raise Refusal(401, "invalid_api_key", message, _HINT)
            return caller
        caller = await accounts.user_of_token(words[1])
        if caller is None:
            raise Refusal(401, "session_required", "The session has ended; log in again", _HINT)
        return caller


async def _nowhere(request: web.Request) -> web.StreamResponse:
    """Refuse an address that there is none of."""
    raise Refusal(404, "not_found", f"Cannot {request.method} {request.path}")
