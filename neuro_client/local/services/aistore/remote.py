"""What lies behind remote buckets: a folder for each, with plain files as objects.

``<root>/<provider>/<bucket>``, for buckets of an attached cluster ``<root>/ais@<uuid>/<bucket>``; a
namespace is one more folder, ``#<name>``. A provider without a folder is not configured. All
functions block.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import attrs

from ..s3.files import Files
from .bodies import PIECE, Received, store_copy
from .errors import AISError, not_found
from .names import Bck, no_bucket, object_name

_DRAFT = ".~draft-"


@attrs.frozen
class RemoteObject:
    """Describe a file behind a bucket."""

    name: str
    size: int
    modified: int

    @property
    def version(self) -> str:
        """Return what changes with the content."""
        return f"{self.modified:x}"

    def custom(self, provider: str) -> dict[str, str]:
        """Return the properties that an object fetched from there has."""
        return {
            "source": provider,
            "ETag": f"{self.size:x}-{self.version}",
            "LastModified": formatdate(self.modified / 1e9, usegmt=True),
        }


class Remote:
    """Read and write what lies behind remote buckets."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _provider(self, bck: Bck) -> Path:
        return self._root / (f"ais@{_part(bck.uuid)}" if bck.uuid else bck.provider)

    def folder(self, bck: Bck) -> Path:
        """Return the folder of a bucket."""
        found = self._provider(bck)
        if bck.namespace:
            found /= f"#{_part(bck.namespace)}"
        return found / bck.name

    def check_provider(self, bck: Bck) -> None:
        """Refuse a provider that is not configured (§22.25)."""
        if bck.uuid and not self._provider(bck).is_dir():
            raise no_bucket(bck)
        if not self._provider(bck).is_dir():
            raise AISError(
                400,
                f"{bck.provider} backend is not configured in this cluster: make the folder "
                f"{self._provider(bck)}",
                "ErrMissingBackend",
            )

    def check(self, bck: Bck) -> None:
        """Refuse a bucket that is not there."""
        self.check_provider(bck)
        if not self.folder(bck).is_dir():
            raise no_bucket(bck)

    def buckets(self, provider: str) -> list[Bck]:
        """Return the buckets of a provider that is configured."""
        root = self._root / provider
        self.check_provider(Bck("any", provider))
        found = []
        for path in sorted(root.iterdir()):
            if path.name.startswith("#"):
                inside = sorted(path.iterdir())
                found += [Bck(one.name, provider, "", path.name[1:]) for one in inside]
            elif path.is_dir():
                found.append(Bck(path.name, provider))
        return found

    def providers(self) -> list[str]:
        """Return the clouds that are configured."""
        if not self._root.is_dir():
            return []
        return sorted(path.name for path in self._root.iterdir() if "@" not in path.name)

    def list(self, bck: Bck, prefix: str = "") -> list[RemoteObject]:
        """Return the objects whose names begin with *prefix*, in the order of the names' bytes."""
        self.check(bck)
        folder = self.folder(bck)
        found = [one for one in _walk(folder, "") if one.name.startswith(prefix)]
        return sorted(found, key=lambda one: one.name.encode("utf-8", "surrogateescape"))

    def find(self, bck: Bck, name: str) -> RemoteObject | None:
        """Return an object, None if it is not there."""
        try:
            stat = os.stat(self.folder(bck) / object_name(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if os.path.isdir(self.folder(bck) / name) else _described(name, stat)

    def fetch(self, bck: Bck, name: str, files: Files, kind: str) -> tuple[RemoteObject, Received]:
        """Copy an object into a file of the cluster, with its checksum."""
        try:
            with open(self.folder(bck) / object_name(name), "rb") as source:
                described = _described(name, os.fstat(source.fileno()))
                return described, store_copy(files, source, kind)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise not_found(bck.uri(name)) from None

    def store(self, bck: Bck, name: str, paths: Iterator[str]) -> RemoteObject:
        """Write an object from files, in one step."""
        self.check(bck)
        target = self.folder(bck) / object_name(name)
        draft = self.folder(bck) / f"{_DRAFT}{secrets.token_hex(8)}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(draft, "wb") as copy:
                for path in paths:
                    with open(path, "rb") as source:
                        while piece := source.read(PIECE):
                            copy.write(piece)
            os.replace(draft, target)
        except OSError as error:
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise AISError(500, f"{bck.uri(name)}: the backend refused: {error.strerror}") from None
        return _described(name, os.stat(target))

    def remove(self, bck: Bck, name: str) -> bool:
        """Remove an object and the folders it leaves empty; tell whether it was there."""
        folder = self.folder(bck)
        target = folder / object_name(name)
        try:
            os.unlink(target)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        for parent in target.parents:
            if parent == folder:
                break
            with suppress(OSError):
                parent.rmdir()
        return True


def _part(text: str) -> str:
    """Return a text that is one name of a folder."""
    if "/" in text or "\0" in text or text in (".", ".."):
        raise AISError(400, f"invalid namespace {text!r}")
    return text


def _described(name: str, stat: os.stat_result) -> RemoteObject:
    return RemoteObject(name, stat.st_size, stat.st_mtime_ns)


def _walk(folder: Path, prefix: str) -> Iterator[RemoteObject]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file() and not entry.name.startswith(_DRAFT):
                yield _described(f"{prefix}{entry.name}", entry.stat())
