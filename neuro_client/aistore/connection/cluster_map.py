"""The map of the cluster as last seen, and which target to ask for an object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any

from ...concurrency import SingleFlight
from ...errors import NeuroError
from ..models import Smap, Snode
from .placement import owner

_FRESH = 30.0
"""Seconds for which a map is believed; a target that joins takes over objects from others."""


class ClusterMap:
    """Keep the map, fetch it again when it is old or was found to be wrong."""

    def __init__(self) -> None:
        self.known: Smap | None = None
        self._since = 0.0
        self._current = False
        self._resting: dict[str, float] = {}
        self._fetching: SingleFlight[Smap] = SingleFlight()

    def keep(self, found: Smap) -> Smap:
        """Take note of a map that was fetched."""
        self.known = found
        self._since = monotonic()
        self._current = True
        return found

    def drop(self) -> None:
        """Believe the map no longer: an object was not where it says."""
        self._current = False

    def avoid(self, node: Snode) -> None:
        """Ask a target nothing directly for a while: it could not be reached."""
        self._resting[node.daemon_id] = monotonic()
        self.drop()

    def check(self, uname: str, root: str) -> None:
        """Compare the map with the address that a proxy gave for an object."""
        if self.known is None or not self._current:
            return
        named = next((n for n in self.known.tmap.values() if root in _addresses(n)), None)
        expected = owner(uname, self.known.tmap.values())
        if named is not None and expected is not None and named.daemon_id != expected.daemon_id:
            self.drop()

    async def owner(
        self, uname: str, fetch: Callable[[], Coroutine[Any, Any, Smap]]
    ) -> Snode | None:
        """Return the target that should hold an object, None if only the proxy can tell."""
        if not (self._current and monotonic() - self._since < _FRESH):
            await self._refresh(fetch)
        if self.known is None:
            return None
        found = owner(uname, self.known.tmap.values())
        if found is None or not found.public_net.direct_url:
            return None
        since = self._resting.get(found.daemon_id)
        return found if since is None or monotonic() - since >= _FRESH else None

    async def _refresh(self, fetch: Callable[[], Awaitable[Smap]]) -> None:
        async def work() -> Smap:
            return self.keep(await fetch())

        try:
            await self._fetching.run("map", work)
        except NeuroError:
            # Not everybody may see the map. The proxies know the way; ask again in a while.
            self.known = None
            self._since = monotonic()
            self._current = True


def _addresses(node: Snode) -> set[str]:
    nets = (node.public_net, node.intra_control_net, node.intra_data_net, *node.pub_extra)
    return {net.direct_url.rstrip("/") for net in nets}
