"""Folders to and from a bucket: through the engine, and the published `put_files` (§7.5)."""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from ...concurrency import first_failure
from ...errors import TransferError
from ...threads import run_blocking
from ...transfer import (
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Side,
    Skew,
    TransferOptions,
    TransferResult,
    disk,
)
from ...transfer.flow import retrying
from ...transfer.places import under
from ...uris import child
from .store import open_store

if TYPE_CHECKING:
    from .bucket import Bucket

_log = logging.getLogger(__name__)

Rules = tuple[str, str, bool, str, bool]
"""Prefix of the names, pattern, base names only, what is put in front, recursive."""


async def side(bucket: Bucket, key: str) -> Side:
    """Make a name an end of a transfer; "" is the bucket itself."""
    root = URL(f"ais://{bucket.name}", encoded=True)
    base = root
    for name in key.split("/") if key else ():
        base = child(base, name)
    folder = base if key else URL(f"{root}/", encoded=True)
    place = f"ais:{bucket.requests.endpoint}/{bucket.get_path()}"
    return Side(
        await open_store(bucket),
        key,
        lambda below: under(base, below),
        lambda below: under(base, below) if below else folder,
        Skew,
        place=place,
    )


async def upload_dir(
    bucket: Bucket,
    src: URL | Path,
    dst: str,
    options: TransferOptions | None,
    update: bool,
    accept: AsyncFilterFunc | None,
    ignore_file_names: AbstractSet[str],
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Upload a folder and all below it."""
    chosen = disk.with_rules(options, update, False)
    there = await side(bucket, dst.strip("/"))
    return await disk.upload_dir(src, there, chosen, accept, ignore_file_names, progress)


async def download_dir(
    bucket: Bucket,
    src: str,
    dst: URL | Path,
    options: TransferOptions | None,
    update: bool,
    continue_: bool,
    accept: AsyncFilterFunc | None,
    progress: AbstractRecursiveFileProgress | None,
) -> TransferResult:
    """Download a folder and all below it."""
    chosen = disk.with_rules(options, update, continue_)
    there = await side(bucket, src.strip("/"))
    found = await retrying(chosen.retry, lambda: there.store.head(there.key))
    if not found.is_dir:
        raise disk.not_directory(there.url(""))
    return await disk.download_dir(there, dst, chosen, accept, progress)


async def put_files(
    bucket: Bucket, path: Path, rules: Rules, dry_run: bool, verbose: bool, workers: int
) -> list[str]:
    """Write the files of a folder, some at a time, and return the names of the objects."""
    if workers < 1:
        raise ValueError(f"num_workers must be positive, not {workers}")
    found = await run_blocking(_selected, path, rules)
    failures: list[tuple[str, Exception]] = []
    pending = iter(found)

    async def work() -> None:
        for name, file, size in pending:
            try:
                await bucket.object(name).put_file(file)
            except Exception as error:
                failures.append((str(file), error))
                continue
            if verbose:
                _log.info("put %s (%d KiB) as %s", file, -(-size // 1024), name)

    if not dry_run:
        async with first_failure() as group:
            for _ in range(min(workers, len(found))):
                group.create_task(work())
    if failures:
        first, error = failures[0]
        raise TransferError(
            f"{len(failures)} of {len(found)} files could not be written to {bucket.uri}; "
            f"first {first}: {error}",
            failures=failures,
        ) from error
    return [name for name, _, _ in found]


def _selected(path: Path, rules: Rules) -> list[tuple[str, Path, int]]:
    """Return names, files and sizes, in the order of the folder; blocks."""
    prefix, pattern, basename, prepend, recursive = rules
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder")
    found = []
    for file in path.rglob(pattern) if recursive else path.glob(pattern):
        if file.name.startswith(prefix) and file.is_file():
            name = file.name if basename else file.relative_to(path).as_posix()
            found.append((f"{prepend}{name}", file, file.stat().st_size))
    return found
