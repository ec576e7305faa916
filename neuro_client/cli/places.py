"""What ``cp`` and ``mv`` mean by their arguments, as the shell's own do."""

from __future__ import annotations

import errno
import os
import stat

import attrs
import click
from yarl import URL

from ..client import Client
from ..errors import ResourceNotFound, ServerError
from ..threads import run_blocking
from ..uris import child, file_path, storage_path
from .errors import NOT_FOUND, CommandFailed
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


async def is_dir(client: Client, uri: URL) -> bool | None:
    """Tell whether there is a directory; None if there is nothing. Links count as their target."""
    if uri.scheme == "file":
        try:
            mode = (await run_blocking(os.stat, file_path(uri))).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return stat.S_ISDIR(mode)
    try:
        if uri.scheme == "blob":
            side = await client.buckets.side(uri)
            return (await side.store.head(side.key)).is_dir
        return (await client.storage.stat(uri)).is_dir()
    except ResourceNotFound:
        return None
    except ServerError as error:
        if uri.scheme != "blob" or error.status != NO_BUCKET:
            raise
        raise CommandFailed(str(error), NOT_FOUND) from error


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


async def read_target(
    client: Client, sources: list[Place], place: Place, *, exact: bool = False
) -> Target:
    """Find out whether the destination is a directory to put things into, or a new name.

    Raises:
        UsageError: several sources, and it is not a directory.
        NotADirectoryError: it was typed with a slash at its end, and is a file.
    """
    found = None if exact else await is_dir(client, place.uri)
    if found is None and place.uri.scheme == "blob" and place.must_be_dir:
        found = True  # a folder of a bucket is there as soon as something is in it
    if len(sources) > 1 and (exact or not found):
        raise click.UsageError(
            f"{place.text!r} is not a directory; several sources need one"
            + (", and no --no-target-directory" if exact else "")
        )
    if found is False and place.must_be_dir:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place.text)
    return Target(place, bool(found))
