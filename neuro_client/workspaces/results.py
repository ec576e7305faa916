"""What a run has written: list it, download it, give it away for an hour (§6)."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ResourceNotFound
from ..transfer import (
    AbstractRecursiveFileProgress,
    TransferOptions,
    TransferResult,
    disk,
)
from ..transfer.flow import retrying
from .models import ResultFile
from .naming import OUTPUTS, check_file_name, check_slug, prefix_of
from .storage import LINK_LIFE, RETRY, WorkspaceStorage
from .store import WorkspaceStore


class Results:
    """Read the outputs of a workspace; obtained from ``Workspaces.results``."""

    def __init__(self, storage: WorkspaceStorage, slug: str) -> None:
        self._storage = storage
        self._slug = check_slug(slug)

    def __repr__(self) -> str:
        return f"<Results of {self.prefix}>"

    @property
    def prefix(self) -> str:
        """Return where the keys of the workspace begin."""
        return prefix_of(self._slug)

    @scoped_iterator
    async def list(self) -> AsyncIterator[ResultFile]:
        """Iterate over the files below ``files_out/`` and ``model_out/``, all pages."""
        for folder in OUTPUTS:
            async with self._storage.list(f"{self.prefix}{folder}/") as found:
                async for item in found:
                    if not item.key.endswith("/"):
                        path = item.key.removeprefix(self.prefix)
                        yield ResultFile(path, item.key, item.size, item.modified_at)

    async def download(
        self,
        destination: Path,
        *,
        options: TransferOptions | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Download both folders into *destination*, which is made if it is not there.

        Files appear complete or not at all; a broken download of large files goes on.

        Raises:
            ResourceNotFound: the run has written nothing yet.
            TransferError: a key leads elsewhere, or with ``on_error="continue"`` files failed.
        """
        total = TransferResult()
        found = False
        store = WorkspaceStore(await self._storage.objects())
        for folder in OUTPUTS:
            key = f"{self.prefix}{folder}"
            if not await retrying(RETRY, functools.partial(store.has_folder, key)):
                continue
            found = True
            there = await self._storage.side_in(store, key)
            done = await disk.download_dir(
                there, destination / folder, options or TransferOptions(), None, progress
            )
            total = _added(total, done)
        if not found:
            raise ResourceNotFound(
                f"There are no results below {self.prefix}: the run has written none yet, or the "
                "workspace has another slug"
            )
        return total

    async def read(self, path: str) -> bytes:
        """Read one file, as in ``files_out/training_log.txt``, into memory."""
        return await self._storage.get_bytes(self._key(path))

    async def link(self, path: str, expires_in: int = LINK_LIFE) -> URL:
        """Return an address that gives a file to whoever has it, for *expires_in* seconds."""
        return await self._storage.presign_get(self._key(path), expires_in)

    def _key(self, path: str) -> str:
        folder, _, rest = path.partition("/")
        if folder not in OUTPUTS or not rest:
            raise ValueError(f"{path!r} is not below {' or '.join(OUTPUTS)}")
        for name in rest.split("/"):
            check_file_name(name)
        return self.prefix + path


def _added(one: TransferResult, other: TransferResult) -> TransferResult:
    return TransferResult(
        *(a + b for a, b in zip(attrs.astuple(one), attrs.astuple(other), strict=True))
    )
