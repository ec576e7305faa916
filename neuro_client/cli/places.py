"""What ``cp`` and ``mv`` mean by their arguments, as the shell's own do."""

from __future__ import annotations

import os

import attrs
from yarl import URL

from ..client import Client
from ..threads import run_blocking
from ..uris import child, file_path, storage_path
from .session import check_cluster, usage_errors
from .settings import Settings

NO_BUCKET = 500
"""What the bucket service answers where a URI has no bucket (buckets.md §3.4)."""


@attrs.frozen
class Place:
    """Hold a source or destination as it was typed."""

    text: str
    uri: URL

    @property
    def is_local(self) -> bool:
        """Tell whether it is a file of this machine."""
        return self.uri.scheme == "file"

    @property
    def must_be_dir(self) -> bool:
        """Tell whether it was typed with a slash at its end."""
        return self.text.endswith("/")

    @property
    def name(self) -> str:
        """Return the name that the copy gets in a directory; empty: its content goes there."""
        typed = self.text.rstrip("/").rpartition("/")[2]
        if typed in ("", ".", "..") or typed.endswith(":"):
            return ""
        path = os.fspath(file_path(self.uri)) if self.is_local else storage_path(self.uri)
        return path.rstrip("/").rpartition("/")[2]


async def read_place(
    settings: Settings,
    client: Client,
    text: str,
    schemes: tuple[str, ...] = ("file", "storage", "blob"),
) -> Place:
    """Read a local path, a ``file:`` URL, a ``storage:`` or a ``blob:`` URI.

    Raises:
        ResourceNotFound: the login does not have its cluster.
    """
    with usage_errors():
        uri = await run_blocking(lambda: client.parse.str_to_uri(text, allowed_schemes=schemes))
    place = Place(text, uri)
    if not place.is_local:
        check_cluster(settings, client, place.uri.host)
    return place


@attrs.frozen
class Target:
    """Tell where the sources of one command go."""

    place: Place
    into: bool

    def of(self, source: Place) -> URL:
        """Return what ``source`` becomes."""
        if not self.into or not source.name:
            return self.place.uri
        return child(self.place.uri, source.name)
