"""Blobs as plain files named by their content, and uploads on the way there; all blocks."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PIECE = 2**20


class Files:
    """Keep the blobs of one cluster below a folder; a blob is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._uploads = folder / "uploads"

    def prepare(self, keep_uploads: float) -> None:
        """Make the folders, and drop uploads that nobody has touched for so many seconds."""
        self._blobs.mkdir(0o700, parents=True, exist_ok=True)
        self._uploads.mkdir(0o700, exist_ok=True)
        oldest = time.time() - keep_uploads
        for path in self._uploads.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def blob(self, digest: str) -> Path:
        """Return where a blob is."""
        kind, _, value = digest.partition(":")
        return self._blobs / kind / value[:2] / value

    def blob_size(self, digest: str) -> int | None:
        """Return a blob's bytes, None if it is missing."""
        with suppress(FileNotFoundError):
            return self.blob(digest).stat().st_size
        return None

    def blobs(self) -> Iterator[str]:
        """Yield the digests of all blobs."""
        for path in self._blobs.glob("*/*/*"):
            yield f"{path.parent.parent.name}:{path.name}"

    def age(self, digest: str) -> float:
        """Return the seconds since a blob came; 0 if it is missing."""
        with suppress(FileNotFoundError):
            return time.time() - self.blob(digest).stat().st_mtime
        return 0.0

    def remove_blob(self, digest: str) -> None:
        """Remove a blob; one that is gone is no error."""
        with suppress(FileNotFoundError):
            self.blob(digest).unlink()

    def begin(self, upload: str) -> None:
        """Start an upload."""
        self.upload(upload).touch(0o600)

    def upload(self, upload: str) -> Path:
        """Return where the bytes of an upload gather."""
        return self._uploads / upload

    def upload_size(self, upload: str) -> int | None:
        """Return the bytes that have arrived, None if there is no such upload."""
        with suppress(FileNotFoundError):
            return self.upload(upload).stat().st_size
        return None

    def open_upload(self, upload: str) -> int:
        """Open an upload to add to it."""
        return os.open(self.upload(upload), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def abandon(self, upload: str) -> bool:
        """Drop an upload; False if there is none."""
        try:
            self.upload(upload).unlink()
        except FileNotFoundError:
            return False
        return True

    def finish(self, upload: str, digest: str) -> bool:
        """Make a blob of an upload if it has this digest; what has not is dropped."""
        path = self.upload(upload)
        kind, _, value = digest.partition(":")
        found = hashlib.new(kind)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
        if found.hexdigest() != value:
            path.unlink()
            return False
        target = self.blob(digest)
        target.parent.mkdir(0o700, parents=True, exist_ok=True)
        # Now is when it came, however long it took.
        os.utime(path)
        os.replace(path, target)
        return True
