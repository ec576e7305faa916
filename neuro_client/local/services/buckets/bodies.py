"""Read the bodies of requests (buckets.md §3.2, §3.3, §3.9 and §3.10).

What does not fit is refused with 500, as the real service does. Fields that nobody knows are let
pass: later clients send some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import attrs
from aiohttp import web

from ...errors import refuse
from ...requests import read_json
from ..jobs import fields
from ..jobs.fields import Fields, invalid
from .models import PROVIDERS

T = TypeVar("T")
LONGEST_SIGNATURE = 7 * 24 * 3600
_NAME = re.compile(r"[a-z][a-z0-9_-]{2,39}")


@attrs.frozen
class NewBucket:
    """Hold what is asked for a bucket; ``project`` is what later clients send."""

    name: str | None
    org: str | None
    project: str | None


@attrs.frozen
class ExternalBucket(NewBucket):
    """Hold what is told of a bucket made elsewhere."""

    provider: str
    provider_name: str
    credentials: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen
class NewCredentials:
    """Hold what is asked for persistent credentials."""

    name: str | None
    bucket_ids: list[str]
    read_only: bool


async def new_bucket(request: web.Request) -> NewBucket:
    """Read the body of a creation."""
    return await _read(request, lambda body: NewBucket(*_place(body)))


async def external_bucket(request: web.Request) -> ExternalBucket:
    """Read the body of an import."""
    return await _read(
        request,
        lambda body: ExternalBucket(
            *_place(body),
            provider=body.take("provider", fields.one_of(*PROVIDERS)),
            provider_name=body.take("provider_bucket_name", fields.text),
            credentials=body.take("credentials", fields.mapping(fields.string)),
        ),
    )


async def new_credentials(request: web.Request) -> NewCredentials:
    """Read the body of a creation of persistent credentials."""
    return await _read(
        request,
        lambda body: NewCredentials(
            body.take("name", _optional_name, None),
            list(dict.fromkeys(body.take("bucket_ids", fields.items(fields.string)))),
            body.take("read_only", fields.boolean, False),
        ),
    )


async def public(request: web.Request) -> bool:
    """Read the body of a change."""
    return await _read(request, lambda body: body.take("public", fields.boolean))


async def signature(request: web.Request) -> tuple[str, int]:
    """Read the body of a signing: the key, and for how many seconds."""
    whole = fields.integer(1)
    return await _read(
        request,
        lambda body: (body.take("key", fields.text), body.take("expires_in_sec", whole, 3600)),
    )


async def _read(request: web.Request, take: Callable[[Fields], T]) -> T:
    content = await read_json(request)
    with _schema():
        return take(Fields(content))


@contextmanager
def _schema() -> Iterator[None]:
    try:
        yield
    except web.HTTPBadRequest as error:
        raise refuse(500, json.loads(error.text or "{}")["error"]) from None


def _place(body: Fields) -> tuple[str | None, str | None, str | None]:
    text = fields.optional(fields.string)
    return (
        body.take("name", _optional_name, None),
        body.take("org_name", text, None) or None,
        body.take("project_name", text, None) or None,
    )


def _name(value: object, path: str) -> str:
    name = fields.string(value, path)
    if not _NAME.fullmatch(name):
        rule = "must be 3 to 40 of a-z, 0-9, '-' and '_', a letter first"
        raise invalid(path, f"{rule}, not {name!r}")
    return name


_optional_name = fields.optional(_name)
