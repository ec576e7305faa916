"""What the platform's small JSON services have in common: addresses, listings, the organisation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from yarl import URL

from .concurrency import scoped_iterator
from .config import Config
from .errors import ProtocolError
from .models import Unset
from .transport import Transport
from .wire import structure

T = TypeVar("T")


def address(base: URL, *path: str) -> URL:
    """Return the address of something below a service's root, whatever its name is made of.

    Raises:
        ValueError: an empty name, or one that would lead elsewhere.
    """
    for name in path:
        if name in ("", ".", ".."):
            raise ValueError(f"{name!r} names nothing; give an id or a name")
    tail = "".join(f"/{quote(name, safe=':')}" for name in path)
    return URL(f"{str(base).rstrip('/')}{tail}", encoded=True)


@scoped_iterator
async def listed(transport: Transport, url: URL, cls: type[T]) -> AsyncIterator[T]:
    """Yield the records of a listing, which may come as one array or as JSON lines."""
    headers = {"Accept": "application/json"}
    async with transport.records("GET", url, unwrap=_array, headers=headers) as records:
        async for record in records:
            yield structure(record, cls)


def chosen_org(config: Config, org_name: str | None | Unset) -> str | None:
    """Return the given organisation, or the current one for ``UNSET``."""
    return config.org_name if isinstance(org_name, Unset) else org_name


def resource_uri(scheme: str, cluster: str, org: str | None, owner: str, name: str) -> URL:
    """Return ``scheme://cluster[/org]/owner/name``."""
    path = "/" + "/".join(part for part in (org, owner, name) if part)
    return URL.build(scheme=scheme, host=cluster, path=path)


def _array(document: Any) -> Sequence[Any]:
    if not isinstance(document, list):
        raise ProtocolError("The answer is a JSON document, but no list")
    return document
