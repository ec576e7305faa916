"""Requests as they come: any bytes may, and none of them may be more than a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from yarl import URL

from .errors import refuse
from .tokens import Caller

_MOST_FIELDS = 1000
# Newer versions of the HTTP library ask for keys of a type of their own.
_CALLER: Any = web.RequestKey("caller", Caller) if hasattr(web, "RequestKey") else "caller"
_UNREADABLE = URL.build(path="/unreadable", encoded=True)


def set_caller(request: web.Request, caller: Caller) -> None:
    """Remember who sent a request."""
    request[_CALLER] = caller


def caller_of(request: web.Request) -> Caller | None:
    """Return who sent a request, None if it had no valid token."""
    caller: Caller | None = request.get(_CALLER)
    return caller


def username_of(request: web.Request) -> str:
    """Return the name of the user who sent an authenticated request."""
    caller: Caller = request[_CALLER]
    return caller.username


async def read_json(request: web.Request) -> Any:
    """Return the JSON of the body; 400 if there is none, or one nested without end."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise refuse(400, f"The request body is not JSON: {error}") from None


async def read_form(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a URL-encoded body, the first of each name; 400 if there are too many.

    The encoding is UTF-8 whatever the request says, as it is for every browser.
    """
    text = (await request.read()).decode("utf-8", "replace")
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise refuse(400, f"The request body is not a form: {error}") from None
    return dict(reversed(fields))


def read_any_head(server: web.Server) -> None:
    """Let requests whose head makes no sense be answered.

    The HTTP library looks at an address or a length only after it has begun with the request; when
    that fails it neither answers nor hangs up.
    """
    make = server.request_factory

    def make_request(message: Any, *parts: Any) -> web.BaseRequest:
        try:
            request = make(message, *parts)
            # It is read when it is first asked for.
            _ = request.content_length
        except ValueError:
            return make(message._replace(url=_UNREADABLE), *parts)
        return request

    server.request_factory = make_request


def is_unreadable(request: web.BaseRequest) -> bool:
    """Tell whether the head of a request made no sense."""
    return request.rel_url is _UNREADABLE
