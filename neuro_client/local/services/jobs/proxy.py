"""``/jobs/<id>/…``: what a job serves on its HTTP port, streamed, WebSockets included."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    WSMessage,
    WSMsgType,
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from ...errors import not_allowed, refuse, unauthorized
from ...requests import caller_of
from ...runners import RunnerError
from ...scheduler import Job
from ..base import Platform
from .answer import job_uri
from .lookup import job_uris

PREFIX = "/jobs/"
COOKIE = "dat"
"""The cookie that carries a token for browsers."""
_HOP = {
    name.lower()
    for name in (
        hdrs.CONNECTION,
        hdrs.KEEP_ALIVE,
        hdrs.PROXY_AUTHENTICATE,
        hdrs.PROXY_AUTHORIZATION,
        hdrs.TE,
        hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING,
        hdrs.UPGRADE,
        hdrs.HOST,
    )
}
_MAX_MESSAGE = 1 << 26


class JobProxy:
    """Pass requests on to running jobs."""

    session: ClientSession

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on; 404 unknown, 503 not running, 502 nobody listens."""
        job = await self._find(request.match_info["host"])
        http = None if job is None else job.spec.container.get("http")
        if job is None or http is None:
            raise refuse(404, f"There is no job with an HTTP port at {request.path}")
        known = await self._authorize(request, job) if http["requires_auth"] else None
        host = await self._host(job)
        path = request.rel_url.raw_path.removeprefix(PREFIX).partition("/")[2]
        text = f"http://{host}:{http['port']}/{path}"
        if request.query_string:
            text += f"?{request.rel_url.raw_query_string}"
        target = URL(text, encoded=True)
        headers = self._headers(request, known)
        try:
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._websocket(request, target, headers)
            return await self._stream(request, target, headers)
        except ClientError as error:
            text = f"Job {job.id} does not answer on port {http['port']}: {error}"
            return web.json_response({"error": text}, status=502)

    async def _find(self, host: str) -> Job | None:
        found: Job | None = await self._platform.jobs.get(host)
        if found is not None or "--" not in host:
            return found
        name, _, owner = host.rpartition("--")
        for job in reversed(self._platform.jobs.unfinished()):
            if (job.spec.name, job.base_owner) == (name, owner):
                return cast("Job", job)
        return None

    async def _host(self, job: Job) -> str:
        """Give the address of the job's ports; 503 when it does not run."""
        run = self._platform.jobs.current_run(job.id)
        if job.status != "running" or run is None:
            raise refuse(503, f"Job {job.id} is {job.status}")
        try:
            return str(await self._platform.jobs.runner.host(job.id, run))
        except RunnerError as error:
            raise refuse(503, str(error)) from None

    async def _authorize(self, request: web.Request, job: Job) -> str:
        """Give who asks, by bearer token or cookie, if he may read the job."""
        caller = caller_of(request)
        if caller is None and COOKIE in request.cookies:
            caller = await self._platform.tokens.caller(request.cookies[COOKIE])
        if caller is None:
            raise unauthorized()
        for uri in job_uris(job):
            if not await self._platform.access.missing(caller.username, [(uri, "read")]):
                return caller.username
        raise not_allowed([{"uri": str(job_uri(job)), "action": "read"}])

    def _headers(self, request: web.Request, known: str | None) -> CIMultiDict[str]:
        """Give the headers for the job: those of the request, its platform token taken out."""
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in _HOP
        )
        if caller_of(request) is not None:
            headers.popall(hdrs.AUTHORIZATION, None)
        if COOKIE in request.cookies:
            kept = [f"{name}={value}" for name, value in request.cookies.items() if name != COOKIE]
            headers.popall(hdrs.COOKIE, None)
            if kept:
                headers[hdrs.COOKIE] = "; ".join(kept)
        if known is not None:
            headers["X-Auth-Request-User"] = known
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Host"] = request.host
        headers["X-Forwarded-Proto"] = request.scheme
        headers["X-Forwarded-Prefix"] = f"{PREFIX}{request.match_info['host']}"
        return headers

    async def _stream(
        self, request: web.Request, target: URL, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        body = request.content.iter_any() if request.body_exists else None
        skip = {hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE} - set(
            headers
        )
        async with self.session.request(
            request.method,
            target,
            headers=headers,
            data=body,
            allow_redirects=False,
            skip_auto_headers=skip,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _websocket(
        self, request: web.Request, target: URL, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
        protocols = [word.strip() for word in offered.split(",") if word.strip()]
        async with self.session.ws_connect(
            target, headers=headers, protocols=protocols, max_msg_size=_MAX_MESSAGE
        ) as job:
            chosen = [job.protocol] if job.protocol else []
            user = web.WebSocketResponse(protocols=chosen, max_msg_size=_MAX_MESSAGE)
            await user.prepare(request)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(user, job))
                group.create_task(_pump(job, user))
            return user


Socket = web.WebSocketResponse | ClientWebSocketResponse


async def _pump(source: Socket, target: Socket) -> None:
    """Copy messages until the source closes, then close the target, which ends the other pump."""
    while True:
        message: WSMessage = await source.receive()
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        else:
            break
    code = source.close_code
    await target.close(code=code if code is not None and code != 1006 else 1000)
