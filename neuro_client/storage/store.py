"""The storage of a cluster as an `ObjectStore` (storage.md §5, §13).

A large file is written under a hidden name beside its own and renamed when it is complete. Where
the hidden name is refused, and to continue an existing file, it is written in place, in order.
"""

from __future__ import annotations

import errno
import functools
import re
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime

from ..concurrency import finish, scoped_iterator, settled
from ..errors import (
    AuthorizationError,
    IllegalArgumentError,
    ProtocolError,
    ResourceNotFound,
    SourceChangedError,
    TransferError,
)
from ..retry import is_transient
from ..transfer import Body, Capabilities, Chunk, Entry, EntryKind, Part, Upload
from ..transfer.drafts import temporary
from ..transfer.plan import check_name
from ..transfer.store import Announce
from ..transport import Answer
from .models import FileStatus
from .service import StorageService
from .wire import decode_brief

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_UNSATISFIABLE = 416
_PARTIAL = 206
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL})
_CLEAN_UP = 5.0


class StorageStore:
    """Keep objects on the storage of a cluster; keys are paths without the leading slash."""

    def __init__(self, service: StorageService) -> None:
        self._service = service
        self._renamed: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:
        """Say what the store can do."""
        return Capabilities(keeps=True)

    @staticmethod
    def entry(key: str, status: FileStatus) -> Entry:
        """Turn a status into the engine's words."""
        return _entry(key, status.type.value, status.size, status.modification_time)

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a directory, in the server's order."""
        pending = [prefix]
        while pending:
            current = pending.pop()
            start = f"{current.rstrip('/')}/" if current else ""
            async with self._service.records(current, once=True) as records:
                async for record in records:
                    name, kind, size, time = decode_brief(record)
                    entry = _entry(start + check_name(name), kind, size, time)
                    yield entry
                    if recursive and entry.is_dir:
                        pending.append(entry.key)

    async def head(self, key: str) -> Entry:
        """Describe what is under *key*."""
        return self.entry(key, await self._service.stat(key, once=True))

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        """Read a range; a part of a file is pinned to its length and time."""
        size = None if version is None else _parse_version(version)[0]
        if end is not None and start >= end:
            return
        if start == 0 and (end is None or end == size):
            wanted = None
        else:
            wanted = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
        try:
            async with self._service.open(key, wanted, once=True) as answer:
                if wanted is not None:
                    _check_range(answer, key, start, end)
                if version is not None:
                    _check_version(answer, key, version)
                async for chunk in answer.chunks():
                    yield chunk
        except IllegalArgumentError as error:
            if error.status != _UNSATISFIABLE:
                raise
            if version is not None:
                raise _changed(key) from error
            if not start and end is None:
                raise

    async def put(self, key: str, body: bytes) -> None:
        """Write a whole file in one request; its parents are made by the server."""
        await self._service.create(key, body, once=True)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        """Open a hidden file beside the final one, or the final one itself."""
        if keep:
            return Upload(key, "", size, serial=True, state={"exists": 1})
        parent, _, name = key.rpartition("/")
        draft = f"{parent}/" if parent else ""
        draft += temporary(name)
        if announce is not None:
            await announce(Upload(key, draft, size))
        try:
            # Waited for even when cancelled: what is on its way to the server must have arrived
            # before it can be removed.
            await settled(self._service.create(draft, b"", once=True), _CLEAN_UP)
        except BaseException as error:
            if _is_refusal(error):
                return Upload(key, "", size, serial=True)
            await finish(self._remove(draft), _CLEAN_UP)
            raise
        return Upload(key, draft, size)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Write one part in one request."""
        path = upload.id or upload.key
        if not upload.id and offset == 0 and not upload.state.get("exists"):
            await self._service.create(path, body.open, body.size, once=True)
        else:
            await self._service.write(path, body.open, offset, body.size, once=True)
        return Part(number, offset, body.size)

    async def parts(self, upload: Upload, known: Sequence[Part] = ()) -> Sequence[Part]:
        """Confirm what lies within the hidden file; the service does not tell what was written."""
        status = await self._service.stat(upload.id, once=True)
        return [part for part in known if part.offset + part.size <= status.size]

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """Check the length and give the file its final name."""
        path = upload.id or upload.key
        try:
            status = await self._service.stat(path, once=True)
        except ResourceNotFound:
            if upload.id not in self._renamed:
                raise
            # The answer to the last attempt was lost, but it took effect.
            status = await self._service.stat(upload.key, once=True)
            path = upload.key
        if status.size != upload.size:
            raise TransferError(
                f"{self._service.uri(path)} has {status.size} bytes instead of {upload.size}; "
                "somebody else writes to it, or the storage lost data: try again"
            )
        if path != upload.key:
            self._renamed.add(upload.id)
            await self._service.rename(path, upload.key)
        self._renamed.discard(upload.id)

    async def abort(self, upload: Upload) -> None:
        """Remove the hidden file; one that is written in place stays as it is."""
        if upload.id:
            await self._remove(upload.id)

    async def _remove(self, path: str) -> None:
        try:
            async with self._service.delete(path, recursive=False) as records:
                async for _ in records:
                    pass
        except ResourceNotFound:
            return

    async def delete(self, key: str) -> None:
        """Remove a file, or a directory with all below it."""
        async with self._service.delete(key, recursive=True) as records:
            async for _ in records:
                pass

    async def make_dir(self, key: str) -> None:
        """Make a directory and its parents."""
        try:
            await self._service.mkdirs(key, once=True)
        except FileExistsError as error:
            raise NotADirectoryError(
                errno.ENOTDIR, f"{self._service.uri(key)} is not a directory"
            ) from error


def _entry(key: str, kind: str, size: int, time: int) -> Entry:
    if kind == "FILE":
        return Entry(key, EntryKind.FILE, size, float(time), f"{size}-{time}")
    if kind == "DIRECTORY":
        return Entry(key, EntryKind.DIRECTORY, mtime=float(time))
    what = "a link" if kind == "SYMLINK" else "neither a file nor a directory"
    return Entry(key, EntryKind.OTHER, mtime=float(time), reason=f"it is {what}")


def _parse_version(version: str) -> tuple[int, int]:
    size, _, seconds = version.partition("-")
    return int(size), int(seconds)


def _changed(key: str) -> SourceChangedError:
    return SourceChangedError(
        f"/{key} on the storage changed while it was read; copy it again when nobody writes it",
        entry=key,
    )


def _check_version(answer: Answer, key: str, version: str) -> None:
    size, seconds = _parse_version(version)
    length = answer.headers.get("X-File-Length")
    if length is not None and int(length) != size:
        raise _changed(key)
    modified = answer.headers.get("Last-Modified")
    if modified is None:
        return
    # The listing cuts the fraction of a second off, this header may round it up.
    if not 0 <= _timestamp(modified) - seconds <= 1:
        raise _changed(key)


@functools.lru_cache(maxsize=64)  # files of a tree often have the same time
def _timestamp(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _check_range(answer: Answer, key: str, start: int, end: int | None) -> None:
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status != _PARTIAL or found is None or int(found[1]) != start:
        raise ProtocolError(
            f"the storage was asked for bytes {start} to {end} of /{key} and answered "
            f"{answer.status} with Content-Range {answer.headers.get('Content-Range')!r}"
        )


def _is_refusal(error: BaseException) -> bool:
    """Tell whether a hidden name is not permitted here, while the final one may be."""
    if isinstance(error, AuthorizationError | ResourceNotFound):
        return True
    return isinstance(error, OSError) and not is_transient(error) and error.errno in _REFUSED
