"""Match patterns against the keys of a bucket (buckets.md §8)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from ..concurrency import scoped_iterator
from ..retry import RetryPolicy
from ..transfer.filters import translate_path
from .blobs import entries
from .models import BucketEntry
from .opened import OpenBucket

_MAGIC = re.compile(r"[*?\[\\]")


@scoped_iterator
async def glob(opened: OpenBucket, pattern: str, retry: RetryPolicy) -> AsyncIterator[BucketEntry]:
    """Yield the blobs and folders whose keys fit *pattern*."""
    async with _below(opened, "", pattern, retry) as found:
        async for entry in found:
            yield entry


@scoped_iterator
async def _below(
    opened: OpenBucket, prefix: str, pattern: str, retry: RetryPolicy
) -> AsyncIterator[BucketEntry]:
    """Yield what fits below *prefix*, which ends in a slash or is empty."""
    component, slash, rest = pattern.partition("/")
    if component == "**":
        if pattern.endswith("**"):  # at the end it takes in all below, and the folder itself
            begin = pattern.removesuffix("**")
            fits = re.compile((translate_path(begin) if begin else "") + ".*", re.DOTALL)
        else:
            fits = re.compile(translate_path(pattern) + "/?", re.DOTALL)
        async with entries(opened, prefix, recursive=True, retry=retry) as found:
            async for entry in found:
                if fits.fullmatch(entry.key[len(prefix) :]):
                    yield entry
        return
    last = not rest
    if not last and not _MAGIC.search(component):
        async with _below(opened, f"{prefix}{component}/", rest, retry) as found:
            async for entry in found:
                yield entry
        return
    literal = _MAGIC.split(component, maxsplit=1)[0]
    fits = re.compile(translate_path(component), re.DOTALL)
    async with entries(opened, prefix + literal, recursive=False, retry=retry) as found:
        async for entry in found:
            if entry.key == prefix or not fits.fullmatch(entry.name):
                continue
            if last and (not slash or entry.is_dir()):
                yield entry
            elif not last and entry.is_dir():
                async with _below(opened, entry.key, rest, retry) as children:
                    async for child in children:
                        yield child
