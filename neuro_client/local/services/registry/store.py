"""What a registry knows of its repositories: manifests, tags, and which blobs belong to which."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ...state import State, Transaction
from .errors import RegistryError
from .files import Files
from .names import check_digest, digest_of, is_digest

SCHEMA = """
CREATE TABLE IF NOT EXISTS registry_manifests (
    cluster TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    subject TEXT,
    content BLOB NOT NULL,
    PRIMARY KEY (cluster, repository, digest)
);
CREATE TABLE IF NOT EXISTS registry_tags (
    cluster TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (cluster, repository, tag)
);
CREATE TABLE IF NOT EXISTS registry_blobs (
    cluster TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (cluster, repository, digest)
);
"""
# Blobs come before the manifest that names them; until then they may belong to nothing.
UNUSED_AGE = 24 * 3600.0

_INDEX_TYPES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


@attrs.frozen
class Manifest:
    """Hold a manifest as it was sent."""

    digest: str
    media_type: str
    content: bytes = attrs.field(repr=False)


class Repositories:
    """Look up and change the repositories of one cluster."""

    def __init__(self, state: State, cluster: str, files: Files) -> None:
        self._state = state
        self._cluster = cluster
        self._files = files

    # -- looking up -----------------------------------------------------------------------------

    async def names(self) -> list[str]:
        """Return the names of all repositories that hold or held a manifest, sorted."""
        rows = await self._state.fetch_all(
            "SELECT DISTINCT repository FROM registry_manifests WHERE cluster=? ORDER BY 1",
            (self._cluster,),
        )
        return [row["repository"] for row in rows]

    async def tags(self, repository: str) -> list[str]:
        """Return the tags, sorted; ``NAME_UNKNOWN`` for a repository that holds nothing."""
        rows = await self._state.fetch_all(
            "SELECT tag FROM registry_tags WHERE cluster=? AND repository=? ORDER BY tag",
            (self._cluster, repository),
        )
        if not rows and not await self._exists(repository):
            raise RegistryError("NAME_UNKNOWN", f"There is no repository {repository!r}")
        return [row["tag"] for row in rows]

    async def _exists(self, repository: str) -> bool:
        """Tell whether a repository holds anything; one that lost its last image has its blobs."""
        for table in ("registry_manifests", "registry_blobs"):
            query = f"SELECT 1 FROM {table} WHERE cluster=? AND repository=?"
            if await self._state.fetch_one(query, (self._cluster, repository)) is not None:
                return True
        return False

    async def manifest(self, repository: str, reference: str) -> Manifest:
        """Return a manifest by tag or digest; ``MANIFEST_UNKNOWN`` if it is missing."""
        digest: str | None = reference
        if not is_digest(reference):
            row = await self._state.fetch_one(
                "SELECT digest FROM registry_tags WHERE cluster=? AND repository=? AND tag=?",
                (self._cluster, repository, reference),
            )
            digest = row["digest"] if row is not None else None
        row = await self._state.fetch_one(
            "SELECT * FROM registry_manifests WHERE cluster=? AND repository=? AND digest=?",
            (self._cluster, repository, digest),
        )
        if row is None:
            raise RegistryError("MANIFEST_UNKNOWN", f"{repository} has no {reference!r}")
        return Manifest(row["digest"], row["media_type"], row["content"])

    async def referrers(self, repository: str, digest: str) -> list[Manifest]:
        """Return the manifests that name *digest* as their subject."""
        rows = await self._state.fetch_all(
            "SELECT * FROM registry_manifests WHERE cluster=? AND repository=? AND subject=?",
            (self._cluster, repository, digest),
        )
        return [Manifest(row["digest"], row["media_type"], row["content"]) for row in rows]

    async def has_blob(self, repository: str, digest: str) -> bool:
        """Tell whether a blob belongs to a repository; the files of others are not told of."""
        row = await self._state.fetch_one(
            "SELECT 1 FROM registry_blobs WHERE cluster=? AND repository=? AND digest=?",
            (self._cluster, repository, digest),
        )
        return row is not None

    # -- changing -------------------------------------------------------------------------------

    async def add_blob(self, repository: str, digest: str) -> None:
        """Make a blob whose file is there belong to a repository."""
        await self._state.execute(
            "INSERT OR REPLACE INTO registry_blobs VALUES (?, ?, ?, ?)",
            (self._cluster, repository, digest, time.time()),
        )

    async def remove_blob(self, repository: str, digest: str) -> bool:
        """Take a blob from a repository; its file goes with the last one. False if it has none."""
        async with self._state.transaction() as tx:
            gone = await tx.execute(
                "DELETE FROM registry_blobs WHERE cluster=? AND repository=? AND digest=?",
                (self._cluster, repository, digest),
            )
            unused = gone and not await self._is_used(tx, digest)
        if unused:
            await asyncio.to_thread(self._files.remove_blob, digest)
        return bool(gone)

    async def put_manifest(
        self, repository: str, reference: str, media_type: str, content: bytes
    ) -> tuple[str, str | None]:
        """Store a manifest under a tag or its digest; return its digest and its subject's.

        Raises:
            RegistryError: it cannot be read, has another digest, or names what is not here.
        """
        document = _document(content)
        kind = str(document.get("mediaType") or media_type)
        if media_type and document.get("mediaType") not in (None, media_type):
            raise RegistryError(
                "MANIFEST_INVALID", f"The manifest says it is {kind}, the request {media_type}"
            )
        digest = digest_of(content, reference if is_digest(reference) else None)
        if is_digest(reference) and digest != reference:
            raise RegistryError("DIGEST_INVALID", f"The manifest has the digest {digest}")
        subject = _digest_in(document.get("subject"))
        async with self._state.transaction() as tx:
            await self._check_parts(tx, repository, document, kind)
            await tx.execute(
                "INSERT OR REPLACE INTO registry_manifests VALUES (?, ?, ?, ?, ?, ?)",
                (self._cluster, repository, digest, kind, subject, content),
            )
            if not is_digest(reference):
                await tx.execute(
                    "INSERT OR REPLACE INTO registry_tags VALUES (?, ?, ?, ?)",
                    (self._cluster, repository, reference, digest),
                )
        return digest, subject

    async def delete_manifest(self, repository: str, digest: str) -> None:
        """Remove a manifest with its tags; ``MANIFEST_UNKNOWN`` if it is missing."""
        async with self._state.transaction() as tx:
            where = (self._cluster, repository, digest)
            gone = await tx.execute(
                "DELETE FROM registry_manifests WHERE cluster=? AND repository=? AND digest=?",
                where,
            )
            await tx.execute(
                "DELETE FROM registry_tags WHERE cluster=? AND repository=? AND digest=?", where
            )
        if not gone:
            raise RegistryError("MANIFEST_UNKNOWN", f"{repository} has no {digest}")

    async def delete_tag(self, repository: str, tag: str) -> None:
        """Remove one tag; ``MANIFEST_UNKNOWN`` if it is missing."""
        gone = await self._state.execute(
            "DELETE FROM registry_tags WHERE cluster=? AND repository=? AND tag=?",
            (self._cluster, repository, tag),
        )
        if not gone:
            raise RegistryError("MANIFEST_UNKNOWN", f"{repository} has no {tag!r}")

    async def sweep(self) -> None:
        """Remove blobs that no manifest of their repository names and that came long ago."""
        used = await self._named_parts()
        oldest = time.time() - UNUSED_AGE
        async with self._state.transaction() as tx:
            rows = await tx.fetch_all(
                "SELECT repository, digest, since FROM registry_blobs WHERE cluster=?",
                (self._cluster,),
            )
            left = set()
            for row in rows:
                key = (row["repository"], row["digest"])
                if key in used or row["since"] > oldest:
                    left.add(row["digest"])
                    continue
                await tx.execute(
                    "DELETE FROM registry_blobs WHERE cluster=? AND repository=? AND digest=?",
                    (self._cluster, *key),
                )
        await asyncio.to_thread(self._sweep_files, left)

    def _sweep_files(self, left: set[str]) -> None:
        for digest in list(self._files.blobs()):
            if digest not in left and self._files.age(digest) > UNUSED_AGE:
                self._files.remove_blob(digest)

    async def _named_parts(self) -> set[tuple[str, str]]:
        rows = await self._state.fetch_all(
            "SELECT repository, content FROM registry_manifests WHERE cluster=?", (self._cluster,)
        )
        return {
            (row["repository"], digest)
            for row in rows
            for digest in _blobs_of(json.loads(row["content"]))
        }

    async def _is_used(self, tx: Transaction, digest: str) -> bool:
        query = "SELECT 1 FROM registry_blobs WHERE cluster=? AND digest=?"
        return await tx.fetch_one(query, (self._cluster, digest)) is not None

    async def _check_parts(
        self, tx: Transaction, repository: str, document: Mapping[str, Any], kind: str
    ) -> None:
        """Refuse a manifest that names blobs or manifests which the repository does not have."""
        index = kind in _INDEX_TYPES or "manifests" in document
        table, parts = "registry_blobs", _blobs_of(document)
        if index:
            table = "registry_manifests"
            parts = [_digest_in(entry) or "" for entry in document.get("manifests", ())]
        elif not parts:
            raise RegistryError("MANIFEST_INVALID", "The manifest names no configuration")
        for digest in parts:
            query = f"SELECT 1 FROM {table} WHERE cluster=? AND repository=? AND digest=?"
            if await tx.fetch_one(query, (self._cluster, repository, digest)) is None:
                raise RegistryError(
                    "MANIFEST_BLOB_UNKNOWN", f"{repository} has no {digest}, which is named"
                )


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RegistryError("MANIFEST_INVALID", f"The manifest is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise RegistryError("MANIFEST_INVALID", "Only manifests of schema version 2 are kept")
    return document


def _blobs_of(document: Mapping[str, Any]) -> Sequence[str]:
    """Return the blobs that an image's manifest names; foreign layers are elsewhere."""
    entries: Iterable[Any] = (document.get("config"), *_list(document.get("layers")))
    found = []
    for entry in entries:
        if entry is None or (isinstance(entry, dict) and entry.get("urls")):
            continue
        found.append(_digest_in(entry) or "")
    return found


def _list(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RegistryError("MANIFEST_INVALID", "The layers of a manifest are a list")
    return value


def _digest_in(entry: Any) -> str | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
        raise RegistryError("MANIFEST_INVALID", "A part of the manifest has no digest")
    return check_digest(entry["digest"])
