"""Remove what earlier runs began and nobody went on with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from yarl import URL

from ..uris import file_path
from .journal import Journal, stale
from .local import LocalStore
from .store import ObjectStore

_log = logging.getLogger(__name__)

_LIMIT = 10.0

Stores = Callable[[str], ObjectStore | None]
"""Find the store of a place, if this transfer can reach it."""


async def sweep(journal: Journal, target: ObjectStore, stores: Stores) -> None:
    """Abort the unfinished uploads of this transfer's earlier runs, and those of old journals.

    It takes a few seconds at most: what is not reached now, or fails, is left to a later run.
    """
    try:
        async with asyncio.timeout(_LIMIT):
            for upload in journal.leftovers():
                await target.abort(upload)
                await journal.closed(upload)
            await _sweep_stale(stores)
    except Exception as error:
        _log.info("some unfinished uploads of earlier transfers could not be removed: %s", error)


async def _sweep_stale(stores: Stores) -> None:
    for old in await stale():
        try:
            if not await old.open():
                continue
            store = stores(old.place) or local_store(old.place)
            for upload in old.uploads if store is not None else ():
                assert store is not None
                await store.abort(upload)
                old.dropped(upload)
        except Exception as error:
            _log.info("could not undo an old transfer to %s: %s", old.place, error)
        finally:
            await old.close()


def local_place(root: Path) -> str:
    """Name a local directory as a place."""
    return root.as_uri()


def local_store(place: str) -> ObjectStore | None:
    """Open the local directory that a place names, if it is one."""
    url = URL(place)
    return LocalStore(file_path(url)) if url.scheme == "file" else None
