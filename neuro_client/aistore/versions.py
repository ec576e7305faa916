"""What which server can do, and how a server that cannot is told from one that will not (§15)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

from ..errors import NeuroError, NotSupportedError
from . import wire
from .errors import AISError, ErrUnsupp
from .requests import RequestClient

Version = tuple[int, int]

MULTIPART: Version = (4, 0)
COPY_OBJECT: Version = (4, 0)

_NUMBER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
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
