"""Upload datastores, and go on with what was interrupted (grid-artifacts.md §6)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ConflictError, ResourceNotFound, SourceChangedError
from ..threads import run_blocking, run_short
from ..transfer import (
    AbstractRecursiveFileProgress,
    Entry,
    LocalStore,
    Side,
    TransferOptions,
)
from ..transfer.engine import copy_file, copy_tree
from ..transfer.files import describe
from ..transfer.journal import folder
from ..transfer.places import absolute, path_url, under
from ..transfer.sweep import local_place
from ..transport import Transport
from .datastore_store import DatastoreStore
from .models import Datastore
from .service import GridService
from .wire import decode_datastore

_SOURCE_TYPE = "DATASTORE_SOURCE_TYPE_EXPANDED_FILES"
_SUFFIX = ".datastore.jsonl"
_NAMED = 3
_TRIES = 20


@attrs.frozen
class Unfinished:
    """Name an upload that was interrupted; ``arrived`` counts the files that need not be sent."""

    name: str
    source: Path
    url: str
    cluster_id: str
    datastore_id: str
    arrived: int


@attrs.define
class Notes:
    """Remember on the disk which files of an upload have arrived; every method blocks."""

    path: Path
    header: dict[str, str]
    done: dict[str, str] = attrs.field(factory=dict)

    @classmethod
    def place(cls, url: str, cluster: str, name: str, source: Path) -> Path:
        """Return where the notes of an upload are kept."""
        told = "\n".join((url, cluster, name, os.fspath(source)))
        digest = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
        return _folder() / f"{digest}{_SUFFIX}"

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read what a killed process left, up to its last whole line; None if there is nothing."""
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except OSError:
            return None
        found: list[dict[str, Any]] = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        if not found or not isinstance(found[0], dict) or "id" not in found[0]:
            return None
        done = {str(item["key"]): str(item["version"]) for item in found[1:] if "key" in item}
        return cls(path, {key: str(value) for key, value in found[0].items()}, done)

    def begin(self) -> None:
        """Write the file anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.unlink(missing_ok=True)
        self._append(self.header)
        for key, version in self.done.items():
            self._append({"key": key, "version": version})

    def arrived(self, key: str, version: str) -> None:
        """Remember that a file is complete."""
        self.done[key] = version
        self._append({"key": key, "version": version})

    def _append(self, line: dict[str, str]) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, json.dumps(line).encode() + b"\n")
        finally:
            os.close(fd)

    def changed(self, source: Path) -> list[str]:
        """Return the files that arrived and are not what they were."""
        found = []
        for key, version in self.done.items():
            path = source / key if source.is_dir() else source
            try:
                same = describe(path, key).version == version
            except OSError:
                same = False
            if not same:
                found.append(key)
        return found

    def end(self) -> None:
        """Forget the upload."""
        self.path.unlink(missing_ok=True)


class _Source(LocalStore):
    """Read a folder, and remember which version of each file was listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.versions: dict[str, str] = {}

    @scoped_iterator
    async def list(self, prefix: str, *, recursive: bool = False) -> AsyncIterator[Entry]:
        """Iterate over a directory."""
        async with super().list(prefix, recursive=recursive) as entries:
            async for entry in entries:
                if entry.is_file and entry.version:
                    self.versions[entry.key] = entry.version
                yield entry


class Datastores:
    """List and upload datastores of one cluster."""

    def __init__(self, service: GridService, links: Callable[[], Transport], url: URL) -> None:
        self._service = service
        self._links = links
        self._url = str(url)

    @scoped_iterator
    async def each(self) -> AsyncIterator[Datastore]:
        """Yield the datastores that are complete."""
        async with self._service.listed(
            "datastores", "datastores", query=[("available", "True")]
        ) as pages:
            async for page in pages:
                for item in page:
                    yield decode_datastore(item)

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """Return the uploads to this server that were interrupted on this machine."""

        def work() -> list[Notes | None]:
            return [Notes.read(path) for path in sorted(_folder().glob(f"*{_SUFFIX}"))]

        found = [notes for notes in await run_blocking(work) if notes is not None]
        return tuple(
            Unfinished(
                name=notes.header.get("name", ""),
                source=Path(notes.header.get("source", "")),
                url=notes.header.get("url", ""),
                cluster_id=notes.header.get("cluster", ""),
                datastore_id=notes.header["id"],
                arrived=len(notes.done),
            )
            for notes in found
            if notes.header.get("url") == self._url
        )

    async def upload(
        self,
        source: URL | Path,
        name: str,
        *,
        force: bool,
        options: TransferOptions | None,
        progress: AbstractRecursiveFileProgress | None,
    ) -> Datastore:
        """Upload a folder or a file, on top of what has arrived already."""
        path = await absolute(source)
        entry = await run_blocking(describe, path, "")
        if not (entry.is_dir or entry.is_file):
            raise ValueError(f"{str(path)!r} is neither a folder nor a file")
        notes = await self._notes(path, name, force)
        await self._send(path, entry, notes, options or TransferOptions(), progress)
        id = notes.header["id"]
        await self._service.json("POST", "datastores", id, "completed", json={}, idempotent=True)
        await run_blocking(notes.end)
        return decode_datastore(await self._service.json("GET", "datastores", id))

    async def _notes(self, path: Path, name: str, force: bool) -> Notes:
        cluster = await self._service.cluster_id()
        where = Notes.place(self._url, cluster, name, path)
        found = await run_blocking(Notes.read, where)
        if found is not None and await self._is_there(found.header["id"]):
            await self._check(found, path, force)
            return found
        made = await self._create(cluster, name)
        header = {
            "id": made.id,
            "name": name,
            "source": os.fspath(path),
            "url": self._url,
            "cluster": cluster,
        }
        notes = Notes(where, header)
        await run_blocking(notes.begin)
        return notes

    async def _create(self, cluster: str, name: str) -> Datastore:
        """Make a version that nobody has; one that is being filled elsewhere is not listed."""
        async with self.each() as found:
            versions = [item.version async for item in found if item.name == name]
        version = max(versions, default=-1) + 1
        while True:
            spec = {
                "clusterId": cluster,
                "source": "",
                "sourceType": _SOURCE_TYPE,
                "version": version,
            }
            try:
                return decode_datastore(
                    await self._service.json(
                        "POST",
                        "datastores",
                        json={"name": name, "spec": spec},
                        idempotent=False,
                        retry=None,
                    )
                )
            except ConflictError:
                version += 1
                if version > max(versions, default=-1) + _TRIES:
                    raise

    async def _is_there(self, id: str) -> bool:
        try:
            await self._service.json("GET", "datastores", id)
        except ResourceNotFound:
            return False
        return True

    async def _check(self, notes: Notes, path: Path, force: bool) -> None:
        changed = await run_blocking(notes.changed, path)
        if not changed:
            return
        if not force:
            listed = ", ".join(map(repr, changed[:_NAMED])) + (" …" * (len(changed) > _NAMED))
            raise SourceChangedError(
                f"{len(changed)} files have changed since they were sent ({listed}); go on with "
                "`force` to send them again",
                entry=changed[0],
            )
        for key in changed:
            del notes.done[key]
        await run_blocking(notes.begin)

    async def _send(
        self,
        path: Path,
        entry: Entry,
        notes: Notes,
        options: TransferOptions,
        progress: AbstractRecursiveFileProgress | None,
    ) -> None:
        source = _Source(path)

        async def done(key: str) -> None:
            await run_short(notes.arrived, key, source.versions.pop(key))

        async def accept(below: str) -> bool:
            return below.endswith("/") or below not in notes.done

        url = path_url(path)
        place = f"{self._url}/datastores/{notes.header['id']}"
        here = Side(
            source,
            "",
            lambda below: under(url, below),
            lambda below: under(url, below),
            place=local_place(path),
        )
        store = DatastoreStore(
            self._service, self._links(), notes.header["id"], options.part_size, done
        )
        async with store.open():
            there = Side(store, "", _named(place), _named(place), place=place)
            if entry.is_dir:
                await copy_tree(here, there, options=options, accept=accept, progress=progress)
            elif path.name not in notes.done:
                source.versions[path.name] = entry.version or ""
                there = attrs.evolve(there, key=path.name)
                await copy_file(here, there, entry, options=options, progress=progress)


def _folder() -> Path:
    return folder().with_name("datastores")


def _named(place: str) -> Callable[[str], URL]:
    base = URL.build(scheme="grid", host="datastore", path="/" + place.rpartition("/")[2])
    return lambda below: under(base, below)
