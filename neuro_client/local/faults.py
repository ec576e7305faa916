"""Trouble on request, and a record of what was asked: tools for tests.

A fault meets the next requests that match it. An interception records all requests while it is open
and can answer some in the platform's place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
from aiohttp import web

Match = str | re.Pattern[str] | Callable[[web.Request], bool]
_HEAD_END = b"\r\n\r\n"
_SECRET_FIELDS = {"authorization", "cookie", "sec-websocket-protocol", "neuro-auth-token"}


def matcher(match: Match) -> Callable[[web.Request], bool]:
    """Turn ``"METHOD /part/of/the/path"``, a pattern or a function into a test of requests.

    The text may leave out the method. Pattern and text are held against method, blank, path with
    query.
    """
    if callable(match):
        return match
    if isinstance(match, re.Pattern):
        pattern = match
        return lambda request: pattern.search(f"{request.method} {request.path_qs}") is not None
    method, _, part = match.rpartition(" ")
    return lambda request: (not method or request.method == method) and part in request.path_qs


@attrs.define(eq=False)
class Fault:
    """Hold one planned trouble; ``hits`` counts the requests it has met."""

    matches: Callable[[web.Request], bool]
    times: int | None
    status: int | None = None
    delay: float = 0.0
    cut_after: int | None = None
    refuse: bool = False
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: str | None = None
    skip: int = 0
    hits: int = 0
    _plan: list[Fault] = attrs.field(factory=list, repr=False)

    def remove(self) -> None:
        """Make no more trouble."""
        if self in self._plan:
            self._plan.remove(self)

    def is_due(self) -> bool:
        """Let the first matching requests through, each call counts one."""
        self.skip -= 1
        return self.skip < 0

    def take(self) -> None:
        """Count a request, the last one ends the fault."""
        self.hits += 1
        if self.times is not None and self.hits >= self.times:
            self.remove()


@attrs.frozen
class RecordedCall:
    """Hold what was asked, credentials masked, and the status of the answer (None if cut)."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int | None


@attrs.define(eq=False)
class Interception:
    """Collect ``calls`` while it is open, and answer some of them itself."""

    calls: list[RecordedCall] = attrs.field(factory=list)
    _answers: list[tuple[Callable[[web.Request], bool], dict[str, Any]]] = attrs.field(factory=list)

    def answer(
        self,
        match: Match,
        *,
        status: int = 200,
        times: int = 1,
        json: Any = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next ``times`` matching requests in the platform's place."""
        options: dict[str, Any] = {"status": status, "headers": headers}
        if text is None and json is not None:
            options["json"] = json
        else:
            options["text"] = text or ""
        self._answers.extend([(matcher(match), options)] * times)

    def response_for(self, request: web.Request) -> web.Response | None:
        """Return the planned answer to a request, None if there is none."""
        for index, (matches, options) in enumerate(self._answers):
            if matches(request):
                del self._answers[index]
                planned = dict(options)
                if "json" in planned:
                    return web.json_response(planned.pop("json"), **planned)
                return web.Response(**planned)
        return None

    @property
    def unused(self) -> int:
        """Return how many planned answers nobody has asked for."""
        return len(self._answers)


class Faults:
    """Hold the planned troubles and open interceptions of a platform."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._interceptions: list[Interception] = []

    def add(self, match: Match, *, times: int | None = 1, **trouble: Any) -> Fault:
        """Plan a trouble for the next ``times`` matching requests (None: for all)."""
        fault = Fault(matcher(match), times, plan=self._plan, **trouble)
        self._plan.append(fault)
        return fault

    @contextmanager
    def intercept(self) -> Iterator[Interception]:
        """Record requests; ``AssertionError`` at the end about planned answers never asked for."""
        interception = Interception()
        self._interceptions.append(interception)
        try:
            yield interception
        finally:
            self._interceptions.remove(interception)
        if interception.unused:
            raise AssertionError(f"{interception.unused} planned answers were never asked for")

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        """Apply what is planned to one request, and record it."""
        _mend(request)
        if not self._plan and not self._interceptions:
            response: web.StreamResponse = await handler(request)
            return response
        status: int | None = None
        try:
            answered = await self._troubled(request, handler)
            status = answered.status
            return answered
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self._record(request, status)

    async def _troubled(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        for interception in self._interceptions:
            planned = interception.response_for(request)
            if planned is not None:
                return planned
        fault = next((f for f in self._plan if f.matches(request) and f.is_due()), None)
        if fault is None:
            plain: web.StreamResponse = await handler(request)
            return plain
        fault.take()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.refuse:
            _hang_up(request)
            raise ConnectionResetError("refused on request")
        if fault.cut_after is not None:
            cut_connection(request, fault.cut_after)
        if fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers, text=fault.body or "")
        response: web.StreamResponse = await handler(request)
        return response

    def _record(self, request: web.Request, status: int | None) -> None:
        headers = _masked(request.headers)
        query = _masked(request.query)
        call = RecordedCall(request.method, request.path, query, headers, status)
        for interception in self._interceptions:
            interception.calls.append(call)


def _masked(fields: Mapping[str, str]) -> dict[str, str]:
    """Copy headers or a query without what proves who the caller is."""
    return {
        name: "***" if name.lower() in _SECRET_FIELDS else value for name, value in fields.items()
    }


def cut_connection(request: web.Request, after: int) -> None:
    """Let ``after`` bytes of the answer's body out, then hang up; 0 lets not even the head out."""
    protocol = request.protocol
    if protocol.transport is not None:
        protocol.transport = _CutTransport(protocol.transport, after)  # type: ignore[assignment]


def _mend(request: web.Request) -> None:
    """Take back a cut that an earlier answer on this connection was too short for."""
    transport: object = request.protocol.transport
    if isinstance(transport, _CutTransport):
        request.protocol.transport = transport.whole


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


class _CutTransport:
    """Be a transport that closes after so many bytes of an answer's body."""

    def __init__(self, transport: asyncio.Transport, after: int) -> None:
        self.whole = transport
        self._transport = transport
        self._left = after
        self._head: bytes | None = b""
        self._cut = False
        # The request is served first, so the connection goes with the first byte of the answer.
        self._mute = after == 0

    def write(self, data: bytes) -> None:
        """Pass on what still may go."""
        if self._mute:
            self._hang_up()
        if self._cut:
            return
        chunk = bytes(data)
        if self._head is not None:
            head = self._head + chunk
            end = head.find(_HEAD_END)
            if end < 0:
                self._head = head
                self._transport.write(chunk)
                return
            start = end + len(_HEAD_END) - len(self._head)
            self._head = None
            self._transport.write(chunk[:start])
            chunk = chunk[start:]
        self._transport.write(chunk[: self._left])
        self._left -= len(chunk)
        if self._left < 0:
            self._hang_up()

    def writelines(self, chunks: list[bytes]) -> None:
        """Pass on what still may go."""
        for chunk in chunks:
            self.write(chunk)

    def is_closing(self) -> bool:
        """Tell whether the connection is cut or closing."""
        return self._cut or self._transport.is_closing()

    def _hang_up(self) -> None:
        self._cut = True
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
