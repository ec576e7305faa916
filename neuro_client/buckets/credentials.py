"""Credentials of a bucket, asked for once and renewed before they expire (buckets.md §3.8)."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import attrs

from ..concurrency import SingleFlight
from ..retry import is_transient
from .models import BucketCredentials

_log = logging.getLogger(__name__)

_EXPIRY = ("expiration", "expiry", "expire_time")
_LONGEST = 3600.0
_MARGIN = 600.0
_ENOUGH = 30.0
"""Seconds for which refused credentials are believed to be refused for another reason."""


@attrs.frozen
class _Held:
    values: Mapping[str, str]
    since: float
    renew_at: float
    expires_at: float


class BucketCredentialSource:
    """Keep the credentials of one bucket; *fetch* asks the bucket service for new ones.

    Their life is counted on the monotonic clock from when they came, at most an hour, so that a
    wrong local clock neither uses expired ones nor asks for new ones all the time.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[BucketCredentials]],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._now = now
        self._held: _Held | None = None
        self._flight: SingleFlight[Mapping[str, str]] = SingleFlight()

    async def current(self) -> Mapping[str, str]:
        """Return credentials that are good for the next minutes."""
        held = self._held
        if held is None:
            return await self._flight.run("", self._renew)
        now = self._clock()
        if now < held.renew_at:
            return held.values
        try:
            return await self._flight.run("", self._renew)
        except Exception as error:
            if not is_transient(error) or now >= held.expires_at:
                raise
            _log.warning("could not renew the credentials of a bucket yet: %s", error)
            return held.values

    async def renew(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """Return others than *refused*, or the same if they came only a moment ago."""
        held = self._held
        if held is not None:
            if held.values is not refused:
                return held.values
            if self._clock() - held.since < _ENOUGH and not self._expired(held):
                return refused
        return await self._flight.run("", self._renew)

    def _expired(self, held: _Held) -> bool:
        return self._clock() >= held.renew_at

    async def _renew(self) -> Mapping[str, str]:
        found = (await self._fetch()).credentials
        now = self._clock()
        life = self._life(found)
        margin = min(_MARGIN, life / 4)
        self._held = _Held(found, now, now + life - margin, now + life)
        return found

    def _life(self, values: Mapping[str, str]) -> float:
        for name in _EXPIRY:
            if text := values.get(name):
                try:
                    expires = datetime.fromisoformat(text)
                except ValueError:
                    break
                if expires.tzinfo is None:
                    expires = expires.replace(tzinfo=UTC)
                left = (expires - self._now()).total_seconds()
                # Out of these bounds it is the local clock that is wrong.
                return left if 0 < left <= _LONGEST else _LONGEST
        return _LONGEST if any(name in values for name in _EXPIRY) else float("inf")
