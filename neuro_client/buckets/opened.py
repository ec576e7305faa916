"""Buckets as a client has them open: found once, with credentials that are renewed in time."""

from __future__ import annotations

import functools
import time
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import attrs
from yarl import URL

from ..concurrency import SingleFlight
from ..threads import run_blocking
from ..transfer import Side, Skew
from ..transfer.places import under
from ..transport import Transport
from .credentials import BucketCredentialSource
from .models import Bucket
from .provider import Provider
from .providers import open_provider
from .service import BucketService
from .store import BucketStore, store_of

_SAFE = "/%!$&'()*+,;=:@~"
_FRESH = 300.0
"""Seconds for which a name is believed to stand for the same bucket."""


@attrs.frozen(eq=False)
class OpenBucket:
    """Hold a bucket, what speaks to its provider, and the folders on top."""

    bucket: Bucket
    provider: Provider
    store: BucketStore

    def uri(self, key: str) -> URL:
        """Return the URI that names a key: it stands there as it is, percent codes and all."""
        root = self.bucket.uri
        return URL(f"{root}/{quote(key, safe=_SAFE)}", encoded=True) if key else root

    def side(self, key: str) -> Side:
        """Make a key an end of a transfer; "" is the bucket itself."""
        base = self.uri(key)
        folder = base if key else URL(f"{base}/", encoded=True)
        return Side(
            self.store,
            key,
            lambda below: under(base, below),
            lambda below: under(base, below) if below else folder,
            self._skew,
            place=f"bucket:{self.bucket.id}",
        )

    def _skew(self) -> Skew:
        return self.provider.skew or Skew()


class OpenBuckets:
    """Find and open buckets, each once for all who ask; close them all at the end."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stack = AsyncExitStack()
        self._open: dict[str, OpenBucket] = {}
        self._names: dict[tuple[str, ...], tuple[float, Bucket]] = {}
        self._opening: SingleFlight[OpenBucket] = SingleFlight()
        self._finding: SingleFlight[Bucket] = SingleFlight()

    async def close(self) -> None:
        """Close every provider."""
        self._open.clear()
        await self._stack.aclose()

    def forget(self) -> None:
        """Look every name up again: one was given away or taken."""
        self._names.clear()

    async def by_name(
        self, service: BucketService, id_or_name: str, owner: str | None
    ) -> OpenBucket:
        """Open a bucket by id or name."""
        key = (service.cluster_name, "name", owner or "", id_or_name)
        bucket = await self._found(key, lambda: service.get(id_or_name, owner))
        return await self._opened(service, bucket)

    async def by_path(
        self, service: BucketService, path: tuple[str, ...]
    ) -> tuple[OpenBucket, int]:
        """Open the bucket that holds a path, and tell how many components name it."""
        for length in (3, 2):
            known = self._fresh((service.cluster_name, "path", *path[:length]))
            if known is not None:
                return await self._opened(service, known), length
        whole = "/".join(path)
        bucket = await self._finding.run((service.cluster_name, whole), lambda: service.find(whole))
        length = 3 if bucket.org_name else 2
        self._names[(service.cluster_name, "path", *path[:length])] = (_now(), bucket)
        return await self._opened(service, bucket), length

    def _fresh(self, key: tuple[str, ...]) -> Bucket | None:
        since, bucket = self._names.get(key, (0.0, None))
        return bucket if bucket is not None and _now() - since < _FRESH else None

    async def _found(self, key: tuple[str, ...], find: Any) -> Bucket:
        known = self._fresh(key)
        if known is None:
            known = await self._finding.run(key, find)
            self._names[key] = (_now(), known)
        return known

    async def _opened(self, service: BucketService, bucket: Bucket) -> OpenBucket:
        found = self._open.get(bucket.id)
        if found is None:
            found = await self._opening.run(bucket.id, lambda: self._enter(service, bucket))
        # The record may have changed since, as when it was made public.
        return found if found.bucket == bucket else attrs.evolve(found, bucket=bucket)

    async def _enter(self, service: BucketService, bucket: Bucket) -> OpenBucket:
        def fetch() -> Any:
            return service.temporary_credentials(bucket.id, None)

        credentials = BucketCredentialSource(fetch)
        await credentials.current()  # refused here, it is not taken for an error of the provider
        opening = await run_blocking(
            functools.partial(open_provider, bucket.provider, credentials, self._transport.session)
        )
        provider = await self._stack.enter_async_context(opening)
        opened = OpenBucket(bucket, provider, store_of(provider))
        self._open[bucket.id] = opened
        return opened


def _now() -> float:
    return time.monotonic()
