"""The request path over real sockets: retries, renewed tokens, cut and misleading answers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from neuro_client.auth.tokens import PlatformTokens
from neuro_client.config.models import Token
from neuro_client.errors import (
    AuthenticationError,
    NDJSONError,
    ProtocolError,
    ResponseError,
    ServerNotAvailable,
    TransportError,
    TransportTimeoutError,
)
from neuro_client.retry import RetryPolicy
from neuro_client.transport import Failure, FixedCredentials, Transport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FAST = RetryPolicy(attempts=4, base=0.001)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[URL]:
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield URL(f"http://127.0.0.1:{port}/")
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_answer(data: bytes) -> AsyncIterator[URL]:
    """Answer every request with the same bytes and hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield URL(f"http://127.0.0.1:{port}/")


def _head(body_length: int, content_type: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {body_length}\r\nConnection: close\r\n\r\n"
    ).encode()


async def test_idempotent_calls_are_retried_until_they_succeed() -> None:
    answers = [503, 429, 500, 200]

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"left": len(answers)}, status=answers.pop(0))

    async with serving(handler) as url, Transport(url, retry=FAST) as transport:
        assert await transport.json("GET", "x") == {"left": 1}


async def test_post_is_sent_once() -> None:
    hits = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal hits
        hits += 1
        return web.json_response({}, status=503)

    async with serving(handler) as url, Transport(url, retry=FAST) as transport:
        with pytest.raises(ServerNotAvailable):
            await transport.json("POST", "x", json={})
        assert hits == 1
        with pytest.raises(ServerNotAvailable):
            await transport.json("POST", "x", json={}, idempotent=True)
        assert hits == 1 + FAST.attempts


async def test_a_long_retry_after_is_raised_at_once() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({}, status=503, headers={"Retry-After": "3600"})

    async with serving(handler) as url, Transport(url) as transport:
        async with asyncio.timeout(2):
            with pytest.raises(ServerNotAvailable) as caught:
                await transport.send("GET", "x")
        assert caught.value.retry_after == 3600


async def test_a_consumed_iterator_is_never_sent_again() -> None:
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({}, status=503)

    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with serving(handler) as url, Transport(url, retry=FAST) as transport:
        with pytest.raises(ServerNotAvailable):
            await transport.send("PUT", "x", body=body())
        assert bodies == [b"once"]
        with pytest.raises(ServerNotAvailable):
            await transport.send("PUT", "x", body=body)
        assert bodies == [b"once"] * (1 + FAST.attempts)


async def test_a_hundred_refusals_share_one_refresh_and_are_all_replayed() -> None:
    refreshes = 0
    served: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        sent = request.headers["Authorization"]
        served.append(sent)
        await asyncio.sleep(0.01)
        return web.json_response({}, status=200 if sent == "Bearer new" else 401)

    async def refresh(refresh_token: str) -> Token:
        nonlocal refreshes
        refreshes += 1
        await asyncio.sleep(0.05)
        return Token("new", 1e12, refresh_token)

    tokens = PlatformTokens(Token("old", 1e12, "again"), refresh, None)
    async with serving(handler) as url, Transport(url, tokens) as transport:
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(transport.send("PUT", f"{number}", body=b"data"))
    assert refreshes == 1
    assert served.count("Bearer old") == 100
    assert served.count("Bearer new") == 100


async def test_a_fixed_token_is_refused_once() -> None:
    hits = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal hits
        hits += 1
        return web.Response(status=401, text="who are you")

    credentials = FixedCredentials.bearer("secret-of-mine")
    async with serving(handler) as url, Transport(url, credentials) as transport:
        with pytest.raises(AuthenticationError) as caught:
            await transport.send("GET", "x")
    assert hits == 1
    assert "secret-of-mine" not in repr(caught.value) + str(caught.value) + repr(credentials)


@pytest.mark.parametrize(
    ("content_type", "body", "why"),
    [
        ("text/html", b"<html>sign in</html>", "text/html"),
        ("application/json", b'{"jobs": [1, 2', "cannot be read"),
        ("application/json", b"", "cannot be read"),
    ],
)
async def test_an_answer_that_is_not_json(content_type: str, body: bytes, why: str) -> None:
    async with raw_answer(_head(len(body), content_type) + body) as url, Transport(url) as t:
        with pytest.raises(ProtocolError, match=why):
            await t.json("GET", "x")


async def test_a_body_shorter_than_promised() -> None:
    async with raw_answer(_head(100, "application/json") + b"{}") as url:
        async with Transport(url, retry=FAST) as transport:
            with pytest.raises(TransportError):
                await transport.json("GET", "x")


async def test_truncated_ndjson_is_not_a_shorter_listing() -> None:
    data = b'{"n": 1}\n{"n": 2'
    seen = []
    async with raw_answer(_head(len(data), "application/x-ndjson") + data) as url:
        async with Transport(url) as transport:
            with pytest.raises(ProtocolError):
                async with transport.records("GET", "x", unwrap=lambda d: d) as records:
                    async for record in records:
                        seen.append(record)
    assert seen == [{"n": 1}]


@pytest.mark.parametrize(
    ("line", "expected"),
    [(b'{"error": "full", "errno": "ENOSPC"}', OSError), (b'{"error": "odd"}', NDJSONError)],
)
async def test_error_record_inside_a_stream(line: bytes, expected: type[Exception]) -> None:
    data = b'{"n": 1}\r\n' + line
    async with raw_answer(_head(len(data), "application/x-ndjson") + data) as url:
        async with Transport(url) as transport:
            with pytest.raises(expected):
                async with transport.records("GET", "x", unwrap=lambda d: d) as records:
                    _ = [record async for record in records]


async def test_records_of_one_document() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/x-ndjson"
        return web.json_response({"jobs": [1, 2]})

    async with serving(handler) as url, Transport(url) as transport:
        async with transport.records("GET", "x", unwrap=lambda d: d["jobs"]) as records:
            assert [record async for record in records] == [1, 2]


async def test_something_that_does_not_speak_http() -> None:
    async with raw_answer(b"220 mail.example ESMTP\r\n") as url:
        async with Transport(url, retry=FAST) as transport:
            with pytest.raises((ProtocolError, TransportError)):
                await transport.send("GET", "x")


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with Transport(URL(f"http://127.0.0.1:{port}"), retry=FAST) as transport:
            with pytest.raises(TransportError, match="check the address"):
                await transport.send("GET", "x")


async def test_a_silent_server() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    async with serving(handler) as url, Transport(url) as transport:
        with pytest.raises(TransportTimeoutError):
            await transport.send("GET", "x", read_timeout=0.05, retry=None)


async def test_params_replace_the_query_of_the_url() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(dict(request.query))

    async with serving(handler) as url, Transport() as transport:
        target = (url / "x").with_query("a=1")
        assert await transport.json("GET", target, params={"b": "x y+z"}) == {"b": "x y+z"}
        assert await transport.json("GET", target) == {"a": "1"}


async def test_leaving_early_frees_the_connection() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except (ConnectionError, asyncio.CancelledError):
            return response

    async with serving(handler) as url, Transport(url) as transport:
        for _ in range(3):
            async with transport.request("GET", "x") as answer:
                async for chunk in answer.chunks():
                    assert chunk
                    break


async def test_websocket_ends() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        mode = request.match_info["path"]
        if mode == "refused":
            return web.Response(status=400, headers={"X-Error": '{"error": "no job x"}'})
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_bytes(b"hello")
        if mode == "cut":
            assert request.transport is not None
            request.transport.abort()
        elif mode == "fin":
            assert request.transport is not None
            request.transport.close()
        elif mode == "deaf":
            request.transport.pause_reading()  # type: ignore[union-attr]
            await asyncio.sleep(1)
        elif mode == "failed":
            await ws.close(code=1011, message=b"broken inside")
        else:
            await ws.close()
        return ws

    async with serving(handler) as url, Transport(url) as transport:
        async with transport.websocket("closed") as socket_:
            assert await socket_.receive() == b"hello"
            assert await socket_.receive() is None
            assert await socket_.receive() is None
        for mode in ("cut", "fin", "failed"):
            async with transport.websocket(mode) as socket_:
                with pytest.raises(TransportError):
                    while await socket_.receive() is not None:
                        pass
        async with asyncio.timeout(3), transport.websocket("deaf") as socket_:
            assert await socket_.receive() == b"hello"
        with pytest.raises(ValueError, match="no job x"):
            async with transport.websocket("refused"):
                pass


class ForeignError(ResponseError):
    """Stand for the error class of another system."""


async def test_another_system_brings_its_own_errors_and_credentials() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        assert "b3" not in request.headers
        body = {"code": 7, "details": {"message": "quota of gpus exceeded"}}
        return web.json_response(body, status=409)

    def map_foreign(failure: Failure) -> Exception:
        details = json.loads(failure.body)
        return ForeignError(
            details["details"]["message"], status=failure.status, code=str(details["code"])
        )

    credentials = FixedCredentials.basic("ada", "hush")
    async with serving(handler) as url:
        async with Transport(url, credentials, map_foreign, trace=None) as transport:
            with pytest.raises(ForeignError, match="quota of gpus") as caught:
                await transport.send("POST", "workloads", json={})
    assert (caught.value.status, caught.value.code) == (409, "7")
    assert seen == ["Basic YWRhOmh1c2g="]


async def test_redirects_are_the_callers_choice() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/away":
            raise web.HTTPTemporaryRedirect("/there")
        return web.Response(text=await request.text())

    async with serving(handler) as url, Transport(url) as transport:
        followed = await transport.send("PUT", "away", body=b"data")
        assert await followed.text() == "data"
        stopped = await transport.send("PUT", "away", body=b"data", redirects=False, ok=(307,))
        assert stopped.headers["Location"] == "/there"


async def test_tracing_headers_of_the_platform() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(
            {name: request.headers[name] for name in ("b3", "sentry-trace", "User-Agent")}
        )

    async with serving(handler) as url, Transport(url) as transport:
        first, second = await transport.json("GET", "x"), await transport.json("GET", "x")
    assert re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{16}", first["b3"])
    assert first["sentry-trace"] == f"{first['b3']}-"
    assert first["b3"] != second["b3"]
    assert first["User-Agent"].startswith("neuro-client/")


async def test_a_body_of_known_size_in_pieces() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Content-Length"] == "300000"
        assert "Transfer-Encoding" not in request.headers
        return web.Response(text=str(len(await request.read())))

    async def body() -> AsyncIterator[memoryview]:
        for _ in range(3):
            yield memoryview(b"x" * 100_000)

    async with serving(handler) as url, Transport(url) as transport:
        headers = {"Content-Length": "300000"}
        answer = await transport.send("PUT", "x", body=body, headers=headers)
        assert await answer.text() == "300000"


async def test_reading_into_a_buffer() -> None:
    data = bytes(range(256)) * 1000

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=data)

    async with serving(handler) as url, Transport(url) as transport:
        async with transport.request("GET", "x") as answer:
            buffer = bytearray(100_000)
            found = b""
            while count := await answer.read_into(memoryview(buffer)):
                found += buffer[:count]
        assert found == data


async def test_after_the_end() -> None:
    transport = Transport(URL("http://127.0.0.1:1"))
    with pytest.raises(RuntimeError, match="async with"):
        await transport.send("GET", "x")
    with pytest.raises(ValueError, match="base URL"):
        await Transport().send("GET", "x")
