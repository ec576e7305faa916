"""The web applications of the platform: the services' routes, and what every request passes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, hdrs, web

from .errors import refuse, unauthorized
from .requests import is_unreadable, set_caller
from .services.base import Service

if TYPE_CHECKING:
    from .platform import LocalPlatform

logger = logging.getLogger(__name__)

MAX_JSON_BODY = 2**24
LINGER_TIME = 2.0
VERSION = "22.7.1"
# Tokens also come in the query, and from browsers inside the WebSocket's subprotocols.
_QUERY_TOKEN = "neuro-auth-token"
_PROTOCOL_TOKEN = "bearer.apolo.us-"

Handler = Callable[[web.Request], Any]


def build_app(platform: LocalPlatform, services: Sequence[Service]) -> web.Application:
    """Put the routes of ``services`` behind faults, error answers and authentication."""
    public = tuple(prefix for service in services for prefix in service.public)
    app = web.Application(
        client_max_size=MAX_JSON_BODY,
        middlewares=[
            _let_bodies_go,
            platform.faults.middleware,
            _answer_errors,
            _authentication(platform, public),
        ],
    )
    names: dict[Any, str] = {}
    for service in services:
        for route in app.add_routes(service.routes):
            names[route.handler] = service.name

    async def add_version(request: web.Request, response: web.StreamResponse) -> None:
        name = names.get(request.match_info.handler, "api")
        response.headers["X-Service-Version"] = f"platform-{name}/{VERSION}"

    app.on_response_prepare.append(add_version)
    return app


def request_token(request: web.Request) -> str | None:
    """Return the token a request carries, wherever it may be."""
    words = request.headers.get(hdrs.AUTHORIZATION, "").split()
    if len(words) == 2 and words[0].lower() == "bearer":
        return words[1]
    if words:
        return None
    if _QUERY_TOKEN in request.query:
        return request.query[_QUERY_TOKEN]
    for word in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(","):
        if word.strip().startswith(_PROTOCOL_TOKEN):
            return word.strip()[len(_PROTOCOL_TOKEN) :]
    return None


def _authentication(platform: LocalPlatform, public: tuple[str, ...]) -> Any:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request_token(request)
        caller = await platform.tokens.caller(token) if token else None
        if caller is not None:
            set_caller(request, caller)
        elif not _is_public(request, public):
            storage = request.path.startswith("/api/v1/storage/")
            raise unauthorized("Storage API" if storage else "Platform API")
        response: web.StreamResponse = await handler(request)
        return response

    return authenticate


def _is_public(request: web.Request, public: tuple[str, ...]) -> bool:
    # What is not routed is answered as such to everybody.
    return request.path.startswith(public) or request.match_info.http_exception is not None


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a handler did not expect with 500, and tell WebSocket clients why in a header."""
    try:
        if is_unreadable(request):
            raise refuse(400, "The address or the length of the request cannot be read")
        try:
            response: web.StreamResponse = await handler(request)
        except web.RequestPayloadError as error:
            refusal = refuse(400, f"The request body cannot be read: {error}")
            _give_up_body(request, refusal)
            raise refusal from None
    except web.HTTPException as error:
        _explain_upgrade(request, error)
        raise
    except (ConnectionError, web.HTTPSuccessful):
        raise
    except Exception as error:
        logger.exception("%s %s failed", request.method, request.path)
        failure = web.json_response({"error": f"Unexpected exception: {error}"}, status=500)
        _explain_upgrade(request, failure)
        return failure
    if response.status >= 400 and isinstance(response, web.Response):
        _explain_upgrade(request, response)
    return response


@web.middleware
async def _let_bodies_go(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send a refusal before its request has arrived whole, then let the rest of that go by.

    The server's own way of doing so does not notice that the client has left.
    """
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        await _pass_over_body(request, error)
        raise
    except ConnectionError:
        # The client has left. The server finds that out too when it sends this, and says nothing.
        return web.Response(status=400, text="The connection broke")
    await _pass_over_body(request, response)
    return response


async def _pass_over_body(request: web.Request, response: web.StreamResponse) -> None:
    if request.content.is_eof():
        return
    with suppress(ConnectionError, TimeoutError, ClientError):
        async with asyncio.timeout(LINGER_TIME):
            await response.prepare(request)
            await response.write_eof()
            try:
                while await request.content.readany():
                    pass
            except web.RequestPayloadError:
                _give_up_body(request, response)


def _give_up_body(request: web.Request, response: web.StreamResponse) -> None:
    """End with a body that cannot be decoded; nothing behind it can be understood either."""
    request.content.feed_eof()
    response.force_close()


def _explain_upgrade(request: web.Request, response: web.Response) -> None:
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket" or response.prepared:
        return
    text = response.text or response.reason or ""
    try:
        text = json.dumps(json.loads(text))
    except ValueError:
        text = " ".join(text.split())
    response.headers["X-Error"] = text
