"""Answers that refuse a request, in the form of the real services (storage.md §7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web

_CLASSES: dict[int, type[web.HTTPError]] = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    409: web.HTTPConflict,
    500: web.HTTPInternalServerError,
    503: web.HTTPServiceUnavailable,
}


def refuse(status: int, text: str, *, errno: str | int | None = None) -> web.HTTPError:
    """Build an error answer with a JSON body; raise what this returns."""
    body: dict[str, str | int] = {"error": text}
    if errno is not None:
        body["errno"] = errno
    return _CLASSES[status](text=json.dumps(body), content_type="application/json")


def not_allowed(missing: Sequence[Mapping[str, str]]) -> web.HTTPError:
    """Build the answer of a permission check that found rights missing."""
    return web.HTTPForbidden(
        text=json.dumps({"missing": list(missing)}), content_type="application/json"
    )


def unauthorized(realm: str = "Platform API") -> web.HTTPError:
    """Build the answer to a missing or unknown token."""
    return web.HTTPUnauthorized(
        text="Unauthorized", headers={"WWW-Authenticate": f'Bearer realm="{realm}"'}
    )
