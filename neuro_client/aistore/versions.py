"""What which server can do, and how a server that cannot is told from one that will not (§15)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

from ..errors import NeuroError, NotSupportedError
from . import wire
from .connection.requests import RequestClient
from .errors import AISError, ErrUnsupp

Version = tuple[int, int]

MULTIPART: Version = (4, 0)
GET_BATCH: Version = (3, 30)
COPY_OBJECT: Version = (4, 0)
ETL_RUNTIME: Version = (3, 30)
"""Takes images and classes from then on, and functions no more."""
ETL_STOPS_ITSELF: Version = (4, 0)
INVENTORY: Version = (4, 3)

_NUMBER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_UNKNOWN_FIELD = re.compile(r"unknown field:? \"?([\w-]+)")
_MISUNDERSTOOD = frozenset({400, 405, 501})
# Releases up to 5.0 are tagged v1.MAJOR.MINOR.
_TAGGED = 1


def read_version(text: str) -> Version | None:
    """Read a release as people or as its tag writes it: ``5.0`` and ``1.5.0`` are the same."""
    match = _NUMBER.match(text.strip())
    if match is None:
        return None
    first, second, third = (int(part) if part else 0 for part in match.groups())
    return (second, third) if first == _TAGGED and match[3] else (first, second)


async def server_version(client: RequestClient) -> Version | None:
    """Return the release of the servers, None if they do not tell; asked once."""
    link = await client.link()
    if not link.asked_version:
        try:
            found = await client.json("GET", "daemon", params={"what": "node_status"})
            text = wire.text(wire.mapping(found, "the state of a node"), "ais_version", "a node")
        except NeuroError:
            text = ""
        link.version = read_version(text)
        link.asked_version = True
    return link.version


async def require(client: RequestClient, what: str, since: Version) -> None:
    """Refuse a call that an older server would take for another one."""
    found = await server_version(client)
    if found is not None and found < since:
        raise _too_old(what, since, found)


async def refuse_from(client: RequestClient, what: str, gone: Version, instead: str) -> None:
    """Refuse a call that a newer server has no more."""
    found = await server_version(client)
    if found is not None and found >= gone:
        raise NotSupportedError(
            f"{what} needs AIStore before {_shown(gone)}; this one is {_shown(found)}: {instead}"
        )


@asynccontextmanager
async def options_of(client: RequestClient) -> AsyncGenerator[None]:
    """Turn the refusal of a server that is too old for an option into `NotSupportedError`."""
    try:
        yield
    except AISError as error:
        field = _UNKNOWN_FIELD.search(error.message)
        if error.status != 400 or field is None:
            raise
        found = await server_version(client)
        has = "This server" if found is None else f"This server, AIStore {_shown(found)},"
        raise NotSupportedError(
            f"{has} does not know the option {field[1]!r}; leave it out or use a newer one"
        ) from error


@asynccontextmanager
async def new_in(
    client: RequestClient,
    what: str,
    since: Version,
    *,
    statuses: Collection[int] = _MISUNDERSTOOD,
) -> AsyncGenerator[None]:
    """Turn the refusal of a server that does not know a call into `NotSupportedError`."""
    try:
        yield
    except ErrUnsupp:
        raise
    except AISError as error:
        if error.status not in statuses:
            raise
        found = await server_version(client)
        if (found is None and "action" in error.message) or (found is not None and found < since):
            raise _too_old(what, since, found) from error
        raise


def _too_old(what: str, since: Version, found: Version | None) -> NotSupportedError:
    has = "this server does not know it" if found is None else f"this one is {_shown(found)}"
    return NotSupportedError(f"{what} needs AIStore {_shown(since)} or newer; {has}")


def _shown(version: Version) -> str:
    return ".".join(map(str, version))
