"""Move a file or a tree between two stores: planners, a bounded queue, workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from .models import (
    AbstractFileProgress,
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Entry,
    TransferOptions,
    TransferResult,
)
from .moving import Side, Transfer, resync_between
from .ordered import InOrder
from .plan import Resync
from .progress import Reporter
from .tree import ByDirectory, Narrow, Tree

__all__ = ["Narrow", "Side", "copy_file", "copy_tree", "resync_between"]

T = TypeVar("T")


async def copy_file(
    source: Side,
    target: Side,
    entry: Entry,
    *,
    existing: Entry | None = None,
    options: TransferOptions | None = None,
    resync: Resync | None = None,
    progress: AbstractFileProgress | None = None,
) -> TransferResult:
    """Move one file, unless *existing* at the target is current by *resync*."""

    async def work(reporter: Reporter | None) -> TransferResult:
        rules = resync or Resync()
        transfer = Transfer(source, target, options or TransferOptions(), rules, reporter)
        start = rules.start(entry, existing)
        try:
            try:
                if start is None:
                    transfer.skipped += 1
                elif existing is not None and transfer.comparable(entry, existing):
                    await transfer.move_changed(entry, existing, "")
                else:
                    await transfer.move(entry, "", start)
            except Exception as error:
                transfer.failed(entry.key, error)
            return await transfer.finish()
        finally:
            await transfer.close()

    return await _reported(work, progress)


async def copy_tree(
    source: Side,
    target: Side,
    *,
    options: TransferOptions | None = None,
    resync: Resync | None = None,
    accept: AsyncFilterFunc | None = None,
    narrow: Narrow | None = None,
    progress: AbstractRecursiveFileProgress | None = None,
) -> TransferResult:
    """Move a directory and all below it that *accept* lets through."""

    async def work(reporter: Reporter | None) -> TransferResult:
        transfer = Transfer(
            source, target, options or TransferOptions(), resync or Resync(), reporter
        )
        try:
            plan: type[Tree] = InOrder if InOrder.fits(source.store, target.store) else ByDirectory
            await plan(transfer, accept, narrow).run()
            return await transfer.finish()
        finally:
            await transfer.close()

    return await _reported(work, progress)


async def _reported(
    work: Callable[[Reporter | None], Awaitable[T]], progress: AbstractFileProgress | None
) -> T:
    if progress is None:
        return await work(None)
    reporter = Reporter(progress)
    return await reporter.run(lambda: work(reporter))
