"""The troubles that a request of a journey may meet, and what may come of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
from aiohttp import web

from neuro_client import (
    NDJSONError,
    NeuroError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ServerNotAvailable,
    TransportError,
)
from neuro_client.local import LocalPlatform
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import DEFAULT_TIMEOUT, ClientTimeout

from .bench import Bench

PATIENCE = 1.0
"""The client's time-out where a connection is stalled for ever."""


@attrs.frozen
class Trouble:
    """Name a trouble; ``errors`` are what a call that is not repeated may raise of it.

    ``answer`` replaces or breaks the platform's answer, ``network`` acts on the bytes behind it.
    """

    name: str
    errors: tuple[type[Exception], ...]
    answer: Mapping[str, Any] | None = None
    network: Callable[[FaultProxy, web.Request], object] | None = None
    only: Callable[[web.Request], bool] = lambda request: True
    timeout: ClientTimeout = DEFAULT_TIMEOUT
    repeated: bool = True
    """Whether a call that may be repeated has to get over it."""

    @contextmanager
    def at(self, step: int, bench: Bench) -> Iterator[list[str]]:
        """Let it happen to the request number ``step``; yields what it met."""
        met: list[str] = []
        number = 0

        def is_due(request: web.Request) -> bool:
            nonlocal number
            number += 1
            if number != step or not self.only(request):
                return False
            met.append(f"{request.method} {request.path}")
            if self.network is not None:
                self.network(bench.proxy_of(request), request)
            return self.answer is not None

        faults = bench.faults(is_due, self.answer or {})
        try:
            yield met
        finally:
            for fault in faults:
                fault.remove()
            for proxy in bench.proxies:
                proxy.clear()


@contextmanager
def requests_counted(bench: Bench) -> Iterator[list[str]]:
    """Collect the requests as they arrive, while an interception sees them when they end."""
    seen: list[str] = []

    def note(request: web.Request) -> bool:
        seen.append(f"{request.method} {request.path_qs}")
        return False

    faults = bench.faults(note, {})
    try:
        yield seen
    finally:
        for fault in faults:
            fault.remove()


def _is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _answers_json(request: web.Request) -> bool:
    """Tell whether the answer carries a document: not for bodies of files, nor for commands."""
    if "/storage/" in request.path:
        return request.query.get("op") in ("LISTSTATUS", "GETFILESTATUS")
    return request.method in ("GET", "POST") and not _is_upgrade(request)


def _stall(proxy: FaultProxy, request: web.Request) -> None:
    # A stream may be silent for long, so there it is only a pause.
    proxy.stall(seconds=0.3 if _is_upgrade(request) else None)


_BROKEN = (TransportError,)
_JSON = {"Content-Type": "application/json"}

TROUBLES = (
    Trouble("answer lost", _BROKEN, {"cut_after": 0}),
    Trouble("answer cut", (*_BROKEN, NDJSONError), {"cut_after": 7}),
    Trouble("refused", _BROKEN, {"refuse": True}),
    Trouble("head cut", _BROKEN, network=lambda proxy, _: proxy.cut(after=20)),
    Trouble("reset", _BROKEN, network=lambda proxy, _: proxy.reset()),
    Trouble("reset later", (*_BROKEN, NDJSONError), network=lambda p, _: p.reset(after=300)),
    Trouble(
        "stalled",
        _BROKEN,
        network=_stall,
        timeout=ClientTimeout(total=None, sock_connect=30, sock_read=PATIENCE),
    ),
    Trouble("500", (ServerError,), {"status": 500, "body": "broken"}),
    Trouble(
        "502 of a proxy",
        (ServerNotAvailable,),
        {"status": 502, "headers": {"Content-Type": "text/html"}, "body": "<h1>Bad gateway</h1>"},
    ),
    Trouble("503", (ServerNotAvailable,), {"status": 503, "headers": {"Retry-After": "0"}}),
    Trouble("429", (RateLimitError,), {"status": 429, "headers": {"Retry-After": "1"}}),
    Trouble("delay", (), {"delay": 0.05}),
    Trouble(
        "truncated JSON",
        (ProtocolError, NDJSONError),
        {"status": 200, "headers": _JSON, "body": '{"id": "job-'},
        only=_answers_json,
        repeated=False,
    ),
    Trouble(
        "empty body",
        (ProtocolError, NDJSONError),
        {"status": 200, "headers": _JSON, "body": ""},
        only=_answers_json,
        repeated=False,
    ),
    Trouble(
        "another content",
        (NeuroError, OSError),
        {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<h1>Sign in</h1>"},
        only=lambda request: request.method == "GET" and not _is_upgrade(request),
        repeated=False,
    ),
)


def is_helpful(error: Exception, platform: LocalPlatform) -> bool:
    """Tell whether a message says something, and gives no secret away."""
    text = f"{error} {error!r}"
    return len(str(error)) > 20 and platform.token not in text
