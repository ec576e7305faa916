"""The two ends of ``cp`` and ``mv``: a login where a URI needs one, a cluster of AIStore."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from yarl import URL

from ..client import Client
from ..copying import Opener, open_local
from ..errors import ResourceNotFound, ServerError
from ..factory import Factory
from ..models import Scope
from ..threads import run_blocking
from ..transfer import Side
from ..uris import file_path, scheme_of, uri_from_text
from .errors import NOT_FOUND, CommandFailed
from .places import NO_BUCKET, Place, Target, read_place
from .session import open_client, usage_errors
from .settings import Settings

if TYPE_CHECKING:
    from ..aistore import AIStore

AISTORE = "ais"
_OTHERS = frozenset({"", "file", "storage", "blob"})
_NOWHERE = Scope("", None, "")
"""Local paths do not depend on a login."""


class Ends:
    """Reach what the arguments of one command name."""

    def __init__(self, settings: Settings, client: Client | None, ais: AIStore | None) -> None:
        self._settings = settings
        self._client = client
        self._ais = ais

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, texts: Sequence[str]) -> AsyncIterator[Ends]:
        """Open a login unless all is on this machine or in AIStore, and AIStore if it is named.

        Raises:
            NotLoggedIn: there is no login, or a setting of AIStore is missing.
        """
        schemes = {scheme_of(text) for text in texts}
        async with AsyncExitStack() as stack:
            ais = client = None
            foreign = schemes - _OTHERS
            if foreign:
                # Takes a quarter of the start of a program that seldom needs it.
                aistore = await run_blocking(import_module, f"{__package__}.aistore_session")
                if foreign <= aistore.SCHEMES:
                    ais = await stack.enter_async_context(aistore.open_aistore(settings))
            if ais is None or schemes & {"storage", "blob"}:
                client = await stack.enter_async_context(open_client(settings))
            yield cls(settings, client, ais)

    @property
    def client(self) -> Client:
        """Return the client of the login, which the arguments asked for."""
        assert self._client is not None
        return self._client

    @property
    def aistore(self) -> AIStore:
        """Return the cluster of AIStore, which the arguments asked for."""
        assert self._ais is not None
        return self._ais

    async def read(self, text: str) -> Place:
        """Read a local path, a ``file:`` URL, a URI of the platform or of AIStore."""
        if self._ais is not None and scheme_of(text) not in _OTHERS:
            from .aistore_session import as_url

            return Place(text, as_url(self._ais, text))
        if self._client is not None:
            return await read_place(self._settings, self._client, text)
        with usage_errors():
            read = partial(uri_from_text, text, _NOWHERE, allowed_schemes=("file",))
            return Place(text, await run_blocking(read))

    async def user_config(self) -> Mapping[str, Any]:
        """Read the user's configuration files."""
        if self._client is not None:
            return await self._client.config.get_user_config()
        factory = await run_blocking(Factory, self._settings.config)
        return await factory.load_user_config()

    async def side(self, uri: URL) -> Side:
        """Open the store of a local file, a bucket of the platform, or of AIStore."""
        return await self.stores[uri.scheme](uri)

    @property
    def stores(self) -> Mapping[str, Opener]:
        """Return what opens the URIs of each scheme that is within reach."""
        found: dict[str, Opener] = {"file": open_local}
        if self._ais is not None:
            found[AISTORE] = self._ais.side
        if self._client is not None:
            found |= {"storage": self._client.storage.side, "blob": self._client.buckets.side}
        return found

    async def is_dir(self, uri: URL) -> bool | None:
        """Tell whether there is a directory; None if there is nothing. Links are followed."""
        if uri.scheme == "file":
            try:
                mode = (await run_blocking(os.stat, file_path(uri))).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            return stat.S_ISDIR(mode)
        try:
            if uri.scheme == "storage":
                return (await self.client.storage.stat(uri)).is_dir()
            side = await self.side(uri)
            return (await side.store.head(side.key)).is_dir
        except ResourceNotFound:
            return None
        except ServerError as error:
            if uri.scheme != "blob" or error.status != NO_BUCKET:
                raise
            raise CommandFailed(str(error), NOT_FOUND) from error


async def read_target(
    ends: Ends, sources: list[Place], place: Place, *, exact: bool = False
) -> Target:
    """Find out whether the destination is a directory to put things into, or a new name.

    Raises:
        UsageError: several sources, and it is not a directory.
        NotADirectoryError: it was typed with a slash at its end, and is a file.
    """
    found = None if exact else await ends.is_dir(place.uri)
    if found is None and place.uri.scheme in (AISTORE, "blob") and place.must_be_dir:
        found = True  # a folder of a bucket is there as soon as something is in it
    if len(sources) > 1 and (exact or not found):
        raise click.UsageError(
            f"{place.text!r} is not a directory; several sources need one"
            + (", and no --no-target-directory" if exact else "")
        )
    if found is False and place.must_be_dir:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place.text)
    return Target(place, bool(found))
