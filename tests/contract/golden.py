"""Golden wire samples: files, placeholders, the recording server, the comparison of shapes."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from neuro_client.client import Client

HERE = Path(__file__).parent
TOKEN = "golden-token"


def basic(username: str, token: str) -> str:
    """Return the header of a service that wants the token as a password."""
    return f"Basic {base64.b64encode(f'{username}:{token}'.encode()).decode()}"


Call = Callable[[Client, Mapping[str, str]], Awaitable[None]]
"""Make one call with an open client and check its result; gets the placeholders' values."""

Prepare = Callable[[Client], AbstractAsyncContextManager[Mapping[str, str]]]
"""Put on the local platform what a sample needs, yield more placeholders' values, clean up."""


@attrs.frozen
class Sample:
    """One file; ``name`` is ``<service>/<call>``."""

    name: str
    document: dict[str, Any]

    @property
    def service(self) -> str:
        return self.name.partition("/")[0]

    @property
    def call(self) -> str:
        return self.name.partition("/")[2]

    def request(self, values: Mapping[str, str]) -> dict[str, Any]:
        filled: dict[str, Any] = fill(self.document["request"], values)
        return filled

    def response(self, values: Mapping[str, str]) -> dict[str, Any]:
        filled: dict[str, Any] = fill(self.document["response"], values)
        return filled


def samples() -> list[Sample]:
    """Return all samples of all services."""
    return [
        Sample(path.relative_to(HERE).with_suffix("").as_posix(), json.loads(path.read_text()))
        for path in sorted(HERE.glob("*/*.json"))
    ]


def calls(service: str) -> Mapping[str, Call]:
    """Return the calls of a service by the name of their sample."""
    found: Mapping[str, Call] = importlib.import_module(f"{__package__}.{service}.calls").CALLS
    return found


def prepares(service: str) -> Mapping[str, Prepare]:
    """Return what a service's samples need on the local platform, by the name of the sample."""
    found: Mapping[str, Prepare] = importlib.import_module(
        f"{__package__}.{service}.prepare"
    ).PREPARE
    return found


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """Put values in the place of the placeholders in every string."""
    if isinstance(value, str):
        for key, text in values.items():
            value = value.replace(f"{{{key}}}", text)
        return value
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, values) for key, item in value.items()}
    return value


@attrs.frozen
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    query_string: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@attrs.define
class Recorder:
    """Answer every request with one golden response and keep what was asked."""

    sample: Sample
    values: dict[str, str] = attrs.field(factory=dict)
    requests: list[Recorded] = attrs.field(factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            Recorded(
                request.method,
                request.raw_path.partition("?")[0],
                request.rel_url.raw_query_string,
                list(request.query.items()),
                request.headers,
                await request.read(),
            )
        )
        response = self.sample.response(self.values)
        if "messages" in response:
            return await self._converse(request, response)
        body, kind = encode_body(response)
        headers = {"Content-Type": kind} if kind else {}
        return web.Response(
            status=response["status"],
            body=body,
            headers={**headers, **response.get("headers", {})},
        )

    async def _converse(
        self, request: web.Request, response: Mapping[str, Any]
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in response["messages"]:
            if "binary" in message:
                await socket.send_bytes(message["binary"].encode())
            else:
                await socket.send_str(message["text"])
        await socket.close(code=response.get("close", 1000))
        return socket


def encode_body(part: Mapping[str, Any]) -> tuple[bytes | None, str | None]:
    """Return a body and its content type."""
    if "json" in part:
        return json.dumps(part["json"]).encode(), "application/json"
    if "ndjson" in part:
        return "".join(json.dumps(o) + "\n" for o in part["ndjson"]).encode(), (
            "application/x-ndjson"
        )
    if "text" in part:
        return part["text"].encode(), None
    if "base64" in part:
        return base64.b64decode(part["base64"]), None
    return None, None


@asynccontextmanager
async def recording(sample: Sample) -> AsyncIterator[tuple[URL, Recorder]]:
    """Serve one sample on a free port."""
    recorder = Recorder(sample)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recorder.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1]), recorder
    finally:
        await runner.cleanup()


def check_request(sample: Sample, recorded: Recorded, values: Mapping[str, str]) -> None:
    """Compare a recorded request with the golden one, word by word."""
    golden = sample.request(values)
    assert (recorded.method, recorded.path) == (golden["method"], URL(golden["path"]).raw_path)
    query = golden.get("query", [])
    if isinstance(query, str):
        assert recorded.query_string == query
    else:
        assert sorted(recorded.query) == sorted((key, value) for key, value in query)
    if golden.get("anonymous"):
        assert "Authorization" not in recorded.headers
    else:
        expected = golden.get("authorization", f"Bearer {TOKEN}")
        assert recorded.headers.get("Authorization") == expected
    for key, value in golden.get("headers", {}).items():
        assert recorded.headers.get(key) == value, key
    body, kind = encode_body(golden)
    if kind == "application/json":
        assert recorded.headers["Content-Type"] == kind
        assert json.loads(recorded.body) == golden["json"]
    else:
        assert recorded.body == (body or b"")


def shape_errors(
    golden: Any, live: Any, *, optional: Iterable[str], exact: Iterable[str], path: str = ""
) -> list[str]:
    """Name every difference in keys and JSON types between two documents."""
    where = path or "the answer"
    if _matches(path, exact) and golden != live:
        return [f"{where} is {live!r} instead of {golden!r}"]
    if _kind(golden) != _kind(live):
        return [f"{where} is {_kind(live)} instead of {_kind(golden)}"]
    errors: list[str] = []
    if isinstance(golden, dict):
        for key in sorted(golden.keys() ^ live.keys()):
            inner = f"{path}.{key}".lstrip(".")
            if not _matches(inner, optional):
                errors.append(f"{inner} is {'absent' if key in golden else 'not expected'}")
        for key in golden.keys() & live.keys():
            inner = f"{path}.{key}".lstrip(".")
            errors += shape_errors(
                golden[key], live[key], optional=optional, exact=exact, path=inner
            )
    if isinstance(golden, list) and golden:
        # Each live item must be like one of the golden ones, whatever their number.
        if not live:
            errors.append(f"{where} is empty")
        for item in live:
            tries = [
                shape_errors(one, item, optional=optional, exact=exact, path=f"{path}[]")
                for one in golden
            ]
            nearest: list[str] = min(tries, key=len)
            errors += nearest
    return errors


def _matches(path: str, patterns: Iterable[str]) -> bool:
    parts = path.split(".")
    return any(
        len(parts) == len(pattern.split("."))
        and all(p in ("*", part) for p, part in zip(pattern.split("."), parts, strict=True))
        for pattern in patterns
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list" if isinstance(value, list) else "object"
