"""What a cloud's object service must do for buckets; one module for each kind of service.

Keys are flat here and exact: any text, also with leading and double slashes. Folders are made of
them in `buckets.store`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

import attrs

from ..retry import NEVER, RetryPolicy
from ..transfer import Body, Capabilities, Chunk, Part, Skew, Upload
from ..transfer.store import Announce


@attrs.frozen
class Blob:
    """Describe an object; ``size`` in bytes, ``etag`` as the service writes it, with quotes."""

    key: str
    size: int
    etag: str | None = None
    modified_at: datetime | None = None
    created_at: datetime | None = None


@attrs.frozen
class Prefix:
    """Name what keys have in common up to the next slash, which it includes."""

    key: str


class CredentialSource(Protocol):
    """Give what the bucket service hands out for one bucket (buckets.md §3.8)."""

    async def current(self) -> Mapping[str, str]:
        """Return credentials that are good for the next minutes; renewed once for all callers."""
        ...

    async def renew(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """Return others than those that the service has refused as expired."""
        ...


@runtime_checkable
class ReadsWhole(Protocol):
    """Be a provider that reads a short object in one call, which costs less than a stream."""

    async def read(self, key: str, *, if_match: str | None = None) -> bytes:
        """Return all of an object, checked as by `Provider.get`."""
        ...


@runtime_checkable
class ListsInOrder(Protocol):
    """Be a provider that lists keys in the order of their characters, from any key on."""

    async def page(self, prefix: str, after: str) -> tuple[Sequence[Blob], bool]:
        """Return the next objects behind the key *after*, and whether there are more.

        Without objects there are no more.
        """
        ...


class Provider(Protocol):
    """Speak to one bucket, in one attempt for each call: who calls decides on another one.

    Errors are those of `errors`: ``ResourceNotFound`` for a missing key, bucket or upload,
    ``PreconditionFailedError`` where ``if_match`` (an ETag) or ``if_none_match`` (an ETag or
    ``"*"``) does not hold, ``TransportError`` for no answer. A service that lacks conditional
    writes raises ``NotSupportedError`` for them before anything is sent.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Say what uploads in parts are bound to."""
        ...

    @property
    def skew(self) -> Skew | None:
        """Tell the bounds of the service's clock; None takes it for the local one."""
        ...

    def list(
        self,
        prefix: str,
        *,
        folders: bool = False,
        limit: int | None = None,
        retry: RetryPolicy = NEVER,
    ) -> AbstractAsyncContextManager[AsyncIterator[Blob | Prefix]]:
        """Iterate over what begins with *prefix*, page by page; with *folders* up to a slash.

        Within a page the order is the service's (buckets.md §6). *limit* counts both kinds. Each
        page is asked for again as *retry* says.
        """
        ...

    async def head(self, key: str) -> Blob:
        """Describe an object."""
        ...

    def get(
        self,
        key: str,
        *,
        start: int = 0,
        end: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Read bytes *start* to *end* (not included); nothing where *start* is behind the last.

        A whole object is checked against the checksum that the service gives, if it gives one.
        """
        ...

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Write a whole object, in place of one that is there."""
        ...

    async def begin(
        self,
        key: str,
        size: int,
        *,
        announce: Announce | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Upload:
        """Open an object for writing in parts; *size* 0 is not known yet.

        *announce* is as in `ObjectStore.begin`. The conditions are those that `complete` will be
        given: some services want to know them at once.
        """
        ...

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part, whose ``tag`` is what `complete` needs of it."""
        ...

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Tell which of the *known* parts the service has, unchanged."""
        ...

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> None:
        """Make the object of its parts; done again after a lost answer, it succeeds again."""
        ...

    async def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload; one that is gone already is no error."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; a missing one is an error where the service tells."""
        ...
