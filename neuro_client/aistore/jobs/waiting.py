"""Wait for work of the cluster: ask often at first, then less, and which question fits (§12.4)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from ...errors import ProtocolError
from ...retry import is_transient
from ..errors import AISJobFailed, ErrJobNotFound, ErrXactNonIC, JobInfoNotFound, Timeout
from ..models import JobStatus
from .records import JobSnapshot, WaitResult, kind_of

logger = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds for which a job may be unknown: it was just started, or a node was."""

_FASTEST, _SLOWEST, _SHARE = 0.05, 5.0, 0.25
_CALM = 2
"""How often all targets must be idle, one time after the other."""

_WITH_STATUS = frozenset(
    {
        "copy-bck",
        "etl-bck",
        "move-bck",
        "delete-listrange",
        "evict-listrange",
        "prefetch-listrange",
        "promote",
        "ec-encode",
        "make-n-copies",
        "lru",
        "cleanup-store",
        "rechunk",
        "rebalance",
        "index-shard",
        "create-inventory",
    }
)
_ON_ONE_NODE = frozenset({"blob-download", "resilver"})

Look = Callable[[], Awaitable[WaitResult | None]]
Snapshots = Callable[[], Awaitable[Sequence[JobSnapshot]]]


async def until(
    look: Look, what: str, timeout: float | None, *, patient: bool = False
) -> WaitResult:
    """Look again and again until there is a result.

    Trouble of the network and nodes that start anew are waited out; so is a job that nobody knows,
    for `GRACE` seconds, or with *patient* to the end.

    Raises:
        Timeout: nothing ended within so many seconds; the work goes on.
        JobInfoNotFound: no node knows it.
    """
    loop = asyncio.get_running_loop()
    begun = known = loop.time()
    news = "no node told anything about it"
    try:
        async with asyncio.timeout(timeout) as scope:
            while True:
                try:
                    found = await look()
                except (ErrJobNotFound, JobInfoNotFound) as error:
                    if not patient and loop.time() - known > GRACE:
                        raise JobInfoNotFound(
                            f"No node knows the {what}; it may have ended long ago, or never begun"
                        ) from error
                    news = "no node knows it"
                except Exception as error:
                    if not (is_transient(error) or isinstance(error, ProtocolError)):
                        raise
                    news = f"the last question failed: {error}"
                else:
                    if found is not None:
                        return found
                    known = loop.time()
                    news = "it is still going on"
                await asyncio.sleep(_pause(loop.time() - begun))
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise Timeout(
            f"The {what} did not end within {timeout:g} s: {news}; it goes on, so wait again or "
            "stop it"
        ) from error


def _pause(waited: float) -> float:
    longest = min(max(_FASTEST, waited * _SHARE), _SLOWEST)
    return longest * (0.75 + 0.25 * random.random())


def judged(result: WaitResult, what: str, *, verbose: bool, check: bool) -> WaitResult:
    """Return how a job ended, and say so in the log; with *check* raise what went wrong."""
    if result:
        if verbose:
            logger.info("The %s ended", what)
        return result
    if check:
        raise AISJobFailed(
            f"The {what} failed: {result.error}",
            job=result,
            reason="Aborted" if result.aborted else "Failed",
            description=result.error,
        )
    logger.warning("The %s failed: %s", what, result.error)
    return result


class Watch:
    """Look at one job the way that its kind allows, which its targets tell if nobody else does."""

    def __init__(
        self, kind: str, status: Callable[[], Awaitable[JobStatus]], snapshots: Snapshots
    ) -> None:
        self._kind = kind_of(kind)
        self._status = status
        self._snapshots = snapshots
        self._calm = 0

    async def look(self) -> WaitResult | None:
        """Return how the job ended, None while it runs."""
        if not self._kind:
            return await self._first()
        if self._kind in _WITH_STATUS:
            return await self._look_at_status()
        if self._kind in _ON_ONE_NODE:
            return await self.look_for_end()
        return await self.look_for_calm()

    async def _first(self) -> WaitResult | None:
        try:
            self._kind = (await self._snapshots())[0].kind
        except (ErrJobNotFound, JobInfoNotFound):
            # It may have ended so long ago that only its state is kept.
            status = await self._status()
            self._kind = status.kind
            return WaitResult.of_status(status) if status.end_time else None
        return await self.look() if self._kind else None

    async def _look_at_status(self) -> WaitResult | None:
        try:
            status = await self._status()
        except ErrXactNonIC:
            self._kind = "without status"
            return await self.look_for_calm()
        except ErrJobNotFound:
            # Some servers say so of kinds without a state; else no target knows it either.
            return await self.look_for_calm()
        return WaitResult.of_status(status) if status.end_time else None

    async def look_for_end(self) -> WaitResult | None:
        """Look for a target that is done, where only one has anything to do."""
        done = [one for one in await self._snapshots() if one.is_finished]
        return WaitResult.of_snapshots(done) if done else None

    async def look_for_calm(self) -> WaitResult | None:
        """Look whether all targets are idle, and were when we looked before."""
        found = await self._snapshots()
        if any(one.is_aborted for one in found):
            return WaitResult.of_snapshots(found)
        self._calm = self._calm + 1 if all(one.is_idle for one in found) else 0
        return WaitResult.of_snapshots(found) if self._calm >= _CALM else None
