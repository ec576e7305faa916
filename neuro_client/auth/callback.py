"""The page on this machine to which the browser returns with the code.

Facts: config-and-auth.md §4.1, steps 3 to 6.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from yarl import URL

from ..errors import AuthError, ConfigError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS_OF_ERROR = {"unauthorized": 401, "access_denied": 403}


class CallbackPage:
    """Wait for one visit of the browser."""

    def __init__(self, url: URL, code: asyncio.Future[str]) -> None:
        self.url = url
        self._code = code

    async def code(self, timeout: float) -> str:
        """Return the code; ``AuthError`` if the login was refused or took over ``timeout`` s."""
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._code)
        except TimeoutError:
            raise AuthError(
                f"Nobody finished the login in the browser within {timeout:g} s; "
                "log in again, or use `neuro-client login --headless` on a remote machine"
            ) from None


@asynccontextmanager
async def callback_page(
    urls: Sequence[URL], success_redirect: URL | None
) -> AsyncIterator[CallbackPage]:
    """Serve the page at the first of ``urls`` whose port is free.

    Raises:
        ConfigError: all ports are taken (a ``RuntimeError``).
    """
    code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    app = web.Application()
    app.router.add_get("/", _handler(code, success_redirect))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        url = await _listen(runner, urls)
        yield CallbackPage(url, code)
    finally:
        await runner.cleanup()
        if code.done() and not code.cancelled():
            code.exception()


def _handler(code: asyncio.Future[str], success_redirect: URL | None) -> Handler:
    async def visit(request: web.Request) -> web.StreamResponse:
        query = request.query
        if "error" in query:
            text = query.get("error_description", query["error"])
            if not code.done():
                code.set_exception(AuthError(f"The login was refused: {text}; log in again"))
            return web.Response(text=text, status=_STATUS_OF_ERROR.get(query["error"], 400))
        if not query.get("code"):
            if not code.done():
                code.set_exception(AuthError("The browser came back without a code; try again"))
            return web.Response(text="The code is missing", status=400)
        if not code.done():
            code.set_result(query["code"])
        if success_redirect is not None:
            raise web.HTTPFound(success_redirect)
        return web.Response(text="OK")

    return visit


async def _listen(runner: web.AppRunner, urls: Sequence[URL]) -> URL:
    host = urls[0].host or "127.0.0.1"
    for url in urls:
        site = web.TCPSite(runner, host, url.port)
        try:
            await site.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return URL.build(scheme="http", host=host, port=url.port)
    ports = ", ".join(str(url.port) for url in urls)
    raise ConfigError(
        f"The ports {ports} of {host} are all in use, so the browser cannot come back; "
        "close the other login, or use `neuro-client login --headless`"
    )
