"""Datastores: folders that are uploaded in parts and shown to experiments (§6)."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import posixpath
import secrets
import shutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

from ...state import State
from ...threads import taken
from ..s3.errors import no_upload
from .answers import (
    DENIED,
    EXISTS,
    INVALID,
    NOT_FOUND,
    WRONG_STATE,
    Refusal,
    json_object,
    timestamp,
)
from .bodies import Fields
from .calls import Call, page
from .ids import new_id
from .launch import Places
from .links import Links

SCHEMA = """
CREATE TABLE IF NOT EXISTS grid_datastores (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    cluster TEXT NOT NULL,
    user TEXT NOT NULL,
    created REAL NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    uploaded REAL,
    size INTEGER NOT NULL DEFAULT 0,
    UNIQUE (cluster, user, name, version)
);
CREATE TABLE IF NOT EXISTS grid_uploads (
    id TEXT PRIMARY KEY,
    datastore TEXT NOT NULL REFERENCES grid_datastores ON DELETE CASCADE,
    key TEXT NOT NULL,
    parts INTEGER NOT NULL,
    UNIQUE (datastore, key)
);
"""
PARTS = "/parts"
_FILES = "DATASTORE_SOURCE_TYPE_EXPANDED_FILES"
_READY = "DATASTORE_OPTIMIZATION_STATUS_SUCCEEDED"
_WAITING = "DATASTORE_OPTIMIZATION_STATUS_UNSPECIFIED"
_MOST_PARTS = 10_000
_MOST_OBJECTS = 3000
_MIB = 1 << 20


@attrs.frozen
class Datastore:
    """One version of a datastore; ``uploaded`` when it was complete."""

    id: str
    name: str
    version: int
    cluster: str
    user: str
    created: float
    source: str
    kind: str
    uploaded: float | None
    size: int

    def told(self) -> dict[str, Any]:
        """Give the datastore as it is told."""
        return {
            "id": self.id,
            "name": self.name,
            "createdAt": timestamp(self.created),
            "updatedAt": timestamp(self.uploaded or self.created),
            "spec": {
                "clusterId": self.cluster,
                "userId": self.user,
                "source": self.source,
                "sourceType": self.kind,
                "version": self.version,
                "sizeMib": -(-self.size // _MIB),
                "uploadedAt": timestamp(self.uploaded),
            },
            "status": {"phase": _WAITING if self.uploaded is None else _READY, "message": ""},
        }


class Datastores:
    """Answer requests about datastores."""

    def __init__(self, state: State, places: Places, links: Links, clusters: Sequence[str]) -> None:
        self._state = state
        self._places = places
        self._links = links
        self._clusters = clusters

    async def mounted(self, wanted: Sequence[dict[str, Any]], cluster: str) -> None:
        """Raise unless the datastores that a run names are there and complete."""
        for one in wanted:
            found = await self._get(one["id"])
            if found is None or found.cluster != cluster:
                raise Refusal(NOT_FOUND, f"there is no datastore {one['id']}")
            if found.uploaded is None:
                raise Refusal(WRONG_STATE, f"datastore {found.name} is not uploaded completely")

    async def create(self, call: Call) -> web.Response:
        """Begin a datastore; its files come next."""
        cluster = self._cluster(call)
        body = Fields(await json_object(call.request), "")
        spec, name = body.inner("spec"), body.text("name")
        if not name or "/" in name:
            raise Refusal(INVALID, f"{name!r} cannot name a datastore")
        kind = spec.text("sourceType", _FILES)
        if kind != _FILES:
            raise Refusal(INVALID, f"the local platform takes files only, {_FILES}, not {kind}")
        found = Datastore(
            *(new_id(), name, spec.number("version"), cluster, call.user.id),
            *(time.time(), spec.text("source"), kind, None, 0),
        )
        try:
            await self._state.execute(
                "INSERT INTO grid_datastores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                attrs.astuple(found),
            )
        except sqlite3.IntegrityError:
            raise Refusal(EXISTS, f"datastore {name} has a version {found.version}") from None
        return web.json_response(found.told())

    async def list(self, call: Call) -> web.Response:
        """List datastores, with ``available`` only those that are complete."""
        users = call.all("userIds") or [call.user.id]
        where = f"cluster = ? AND user IN ({', '.join('?' * len(users))})"
        if call.request.query.get("available", "").lower() == "true":
            where += " AND uploaded IS NOT NULL"
        rows = await self._state.fetch_all(
            f"SELECT * FROM grid_datastores WHERE {where} ORDER BY id",
            (self._cluster(call), *users),
        )
        return web.json_response(page([Datastore(*row).told() for row in rows], "datastores", ""))

    async def get(self, call: Call) -> web.Response:
        """Tell about a datastore."""
        return web.json_response((await self._found(call)).told())

    async def delete(self, call: Call) -> web.Response:
        """Delete a datastore and its files."""
        found = await self._found(call, change=True)
        await self._state.execute("DELETE FROM grid_datastores WHERE id = ?", (found.id,))
        for folder in (self._places.datastore(found.id), self._parts(found.id)):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return web.json_response({})

    async def urls(self, call: Call) -> web.Response:
        """Give links for the parts of files; an unfinished upload goes on."""
        found = await self._unfinished(call)
        body = Fields(await json_object(call.request), "")
        wanted = body.each(
            "objects", lambda one: {"key": one.text("key"), "parts": one.number("partCount", 1)}
        )
        if len(wanted) > _MOST_OBJECTS:
            raise Refusal(INVALID, f"a batch has at most {_MOST_OBJECTS} files")
        for one in wanted:
            _check_key(one["key"])
            if not 1 <= one["parts"] <= _MOST_PARTS:
                raise Refusal(INVALID, f"partCount of {one['key']} must be 1 to {_MOST_PARTS}")
        return web.json_response(
            {"objects": [await self._begun(found.id, one["key"], one["parts"]) for one in wanted]}
        )

    async def _begun(self, datastore: str, key: str, parts: int) -> dict[str, Any]:
        async with self._state.transaction() as tx:
            row = await tx.fetch_one(
                "SELECT id, parts FROM grid_uploads WHERE datastore = ? AND key = ?",
                (datastore, key),
            )
            if row is None or row["parts"] != parts:
                upload = secrets.token_hex(16)
                await tx.execute(
                    "INSERT OR REPLACE INTO grid_uploads VALUES (?, ?, ?, ?)",
                    (upload, datastore, key, parts),
                )
            else:
                upload = row["id"]
        links = [
            self._links.made("PUT", f"{PARTS}/{datastore}/{upload}/{number}")
            for number in range(1, parts + 1)
        ]
        return {
            "key": key,
            "uploadId": upload,
            "partCount": str(parts),
            "expiryTime": timestamp(self._links.end(links[0])),
            "urls": [
                {"partNumber": str(number), "url": link} for number, link in enumerate(links, 1)
            ],
        }

    async def urls_completed(self, call: Call) -> web.Response:
        """Put the parts of files together; what is together already stays so."""
        found = await self._unfinished(call)
        body = Fields(await json_object(call.request), "")
        for one in body.each("objects", _completed):
            row = await self._state.fetch_one(
                "SELECT parts FROM grid_uploads WHERE datastore = ? AND key = ? AND id = ?",
                (found.id, one["key"], one["upload"]),
            )
            if row is None:
                raise Refusal(NOT_FOUND, f"there is no upload of {one['key']}")
            numbers = [number for number, _ in one["parts"]]
            if sorted(numbers) != list(range(1, row["parts"] + 1)):
                raise Refusal(INVALID, f"{one['key']} has {row['parts']} parts; name each once")
            target = self._places.datastore(found.id).joinpath(*one["key"].split("/"))
            parts = self._parts(found.id) / one["upload"]
            work = functools.partial(_put_together, target, parts, sorted(one["parts"]))
            await taken(work, lambda _: None)
        return web.json_response({})

    async def completed(self, call: Call) -> web.Response:
        """Note that all files are there; once more is no harm."""
        found = await self._found(call, change=True)
        if found.uploaded is None:
            folder = self._places.datastore(found.id)
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            size = await asyncio.to_thread(_size, folder)
            await self._state.execute(
                "UPDATE grid_datastores SET uploaded = ?, size = ? WHERE id = ?",
                (time.time(), size, found.id),
            )
            await asyncio.to_thread(shutil.rmtree, self._parts(found.id), ignore_errors=True)
        return web.json_response({})

    async def place(self, path: str) -> Path:
        """Return where the part of a link belongs; ``NoSuchUpload`` if nobody waits for it."""
        _, datastore, upload, number = path.strip("/").split("/")
        row = await self._state.fetch_one(
            "SELECT 1 FROM grid_uploads JOIN grid_datastores ON datastore = grid_datastores.id"
            " WHERE grid_uploads.id = ? AND uploaded IS NULL",
            (upload,),
        )
        if row is None:
            raise no_upload(upload)
        return self._parts(datastore) / upload / number

    def _parts(self, datastore: str) -> Path:
        return self._places.folder / "parts" / datastore

    def _cluster(self, call: Call) -> str:
        name = call.parts["cluster"]
        if name not in self._clusters:
            raise Refusal(NOT_FOUND, f"there is no cluster {name}")
        return name

    async def _get(self, datastore_id: str) -> Datastore | None:
        row = await self._state.fetch_one(
            "SELECT * FROM grid_datastores WHERE id = ?", (datastore_id,)
        )
        return None if row is None else Datastore(*row)

    async def _found(self, call: Call, *, change: bool = False) -> Datastore:
        found = await self._get(call.parts["id"])
        if found is None or found.cluster != self._cluster(call):
            raise Refusal(NOT_FOUND, f"there is no datastore {call.parts['id']}")
        if change and found.user != call.user.id:
            raise Refusal(DENIED, f"datastore {found.name} is another user's")
        return found

    async def _unfinished(self, call: Call) -> Datastore:
        found = await self._found(call, change=True)
        if found.uploaded is not None:
            raise Refusal(WRONG_STATE, f"datastore {found.name} is complete; make a new version")
        return found


def _check_key(key: str) -> None:
    parts = key.split("/")
    if posixpath.normpath(key) != key or key.startswith("/") or ".." in parts or key == ".":
        raise Refusal(INVALID, f"{key!r} cannot be the path of a file in a datastore")


def _completed(one: Fields) -> dict[str, Any]:
    parts = one.each(
        "urls", lambda part: {"number": part.number("partNumber"), "etag": part.text("etag")}
    )
    found = [(part["number"], part["etag"].strip('"')) for part in parts]
    return {"key": one.text("key"), "upload": one.text("uploadId"), "parts": found}


def _put_together(target: Path, parts: Path, wanted: Sequence[tuple[int, str]]) -> None:
    """Join the parts into the file and remove them; raises a `Refusal` if one is missing."""
    if target.exists() and not parts.exists():
        return
    draft = parts / "whole"
    try:
        parts.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as file:
            for number, etag in wanted:
                digest = hashlib.md5(usedforsecurity=False)
                try:
                    with open(parts / str(number), "rb") as part:
                        while piece := part.read(_MIB):
                            digest.update(piece)
                            file.write(piece)
                except FileNotFoundError:
                    raise Refusal(INVALID, f"part {number} was not uploaded") from None
                if etag != digest.hexdigest():
                    raise Refusal(INVALID, f"part {number} is another one than that with {etag}")
        draft.replace(target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise Refusal(INVALID, f"{target.name} cannot be a file and a folder") from None
    shutil.rmtree(parts, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(
        os.path.getsize(os.path.join(where, name))
        for where, _, names in os.walk(folder)
        for name in names
    )
