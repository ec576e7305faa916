"""The cluster as its clients see it: nodes, map, version, and the switches of tests."""

from __future__ import annotations

import random
import secrets
import string
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from yarl import URL

from ..base import Platform
from .authn import AuthN
from .jobs import Jobs
from .names import Bck
from .placement import digest, owner
from .store import Store

PROXY = "aistore"
TARGETS = ("aistore-target-1", "aistore-target-2")
if TYPE_CHECKING:
    from .content import Content

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ELECTED = 1 << 1
_MAINTENANCE = 1 << 2
_LETTERS = string.ascii_letters


@attrs.define(eq=False)
class Node:
    """Hold a node; ``listener`` is the name of its service."""

    id: str
    listener: str
    is_proxy: bool
    flags: int = 0

    @property
    def label(self) -> str:
        """Return how messages name it."""
        return f"{'p' if self.is_proxy else 't'}[{self.id}]"


def new_ids() -> dict[str, str]:
    """Make ids for the nodes of a new cluster, by listener."""
    found = {}
    for number, listener in enumerate((PROXY, *TARGETS)):
        letter = "t" if number else "p"
        found[listener] = "".join(random.choices(_LETTERS, k=3)) + f"{letter}{8080 + number}"
    return found


class Cluster:
    """Be ``platform.aistore``: what tests look at and change while clients talk to the cluster.

    ``version`` is the release it plays, as ``(5, 0)``. ``require_tokens`` and ``signing`` switch
    authentication and signed redirects on, as they are where other machines reach the platform;
    ``etl`` and ``dsort`` say whether the server was built with them, ``etl_python`` which
    interpreter runs transforms. ``promote_root`` is the one folder whose files may be promoted,
    ``remote_root`` that of the clouds: ``<provider>/<bucket>`` in it is a bucket. ``started`` is
    what readiness tells. ``status_delay`` is how long, in seconds, the question for an unknown job
    waits for its answer; ``jobs.idle_time`` when an on-demand job counts as idle. Everything else
    that goes wrong is planned with ``platform.fault``, which meets the targets too.
    """

    def __init__(self, platform: Platform, store: Store, ids: Mapping[str, str]) -> None:
        self._platform = platform
        self._begun = time.monotonic_ns()
        self._created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._uuid = "".join(random.choices(_LETTERS, k=9))
        self._misdirected: deque[URL] = deque()
        self._away: set[str] = set()
        self.store = store
        self.jobs = Jobs(self)
        # Whoever reaches a cluster without these may run code on its machine, as a transform.
        guarded = self.url.host not in _LOOPBACK
        self.authn = AuthN(secrets.token_urlsafe(16) if guarded else "admin")
        self.content: Content
        self.nodes = {
            listener: Node(name, listener, listener == PROXY) for listener, name in ids.items()
        }
        self.proxy.flags = _ELECTED
        self.map_version = len(self.nodes) + 1
        self.version = (5, 0)
        self.require_tokens = self.signing = guarded
        self.started = True
        self.etl = True
        self.dsort = True
        self.etl_python: str | None = None
        self.etls: dict[str, Any] = {}
        self.status_delay = 2.0
        self.promote_root = self.folder / "promote"
        self.remote_root = self.folder / "remote"
        self._digests = self._active_digests()

    @property
    def folder(self) -> Path:
        """Return where the cluster keeps its files."""
        return self._platform.data / "aistore"

    @property
    def url(self) -> URL:
        """Return the address of the proxy."""
        return self._platform.listener(PROXY)

    @property
    def proxy(self) -> Node:
        """Return the one proxy."""
        return self.nodes[PROXY]

    @property
    def targets(self) -> list[Node]:
        """Return the targets of the map."""
        return [self.nodes[name] for name in TARGETS if name not in self._away]

    def target(self, name: str) -> Node:
        """Return a target by its id; ``KeyError`` if the map has none."""
        return {node.id: node for node in self.targets}[name]

    def node_url(self, node: Node) -> URL:
        """Return the address of a node."""
        return self._platform.listener(node.listener)

    @property
    def uptime(self) -> int:
        """Return nanoseconds since the start."""
        return time.monotonic_ns() - self._begun

    @property
    def has_tcodes(self) -> bool:
        """Tell whether errors name their kind."""
        return self.version >= (4, 0)

    @property
    def checksum(self) -> str:
        """Return the checksum of new buckets."""
        return "xxhash2" if self.version >= (4, 0) else "xxhash"

    async def knows(self, token: str) -> bool:
        """Tell whether a token is valid."""
        return self.authn.knows(token) or await self._platform.tokens.caller(token) is not None

    # Placement

    def owner(self, bck: Bck, name: str) -> str:
        """Return the id of the target that an object belongs to."""
        return owner(f"{bck.path}{name}", self._digests)

    def _active_digests(self) -> dict[str, int]:
        active = [node for node in self.targets if not node.flags & _MAINTENANCE]
        return {node.id: digest(node.id) for node in active or self.targets}

    # Seams

    async def kill(self, target: int) -> None:
        """Let a target (0, 1) die; the map does not notice, as in the first seconds."""
        await self._platform.close_listener(TARGETS[target])

    async def restore(self, target: int) -> None:
        """Bring a target back, with what it held."""
        await self._platform.open_listener(TARGETS[target])
        if TARGETS[target] in self._away:
            await self._change_map(lambda: self._away.discard(TARGETS[target]), rebalance=True)

    async def leave(self, target: int, *, rebalance: bool = False) -> None:
        """Take a target out of the map; what it held is gone until it is back, or moves."""
        if len(self.targets) == 1:
            raise ValueError("The last target cannot leave")
        await self._change_map(lambda: self._away.add(TARGETS[target]), rebalance=rebalance)

    async def set_maintenance(
        self, target: int, on: bool = True, *, rebalance: bool = True
    ) -> None:
        """Mark a target as in maintenance; its objects move unless told otherwise."""
        node = self.nodes[TARGETS[target]]

        def mark() -> None:
            node.flags = node.flags | _MAINTENANCE if on else node.flags & ~_MAINTENANCE

        await self._change_map(mark, rebalance=rebalance)

    async def _change_map(self, change: Callable[[], None], *, rebalance: bool) -> None:
        change()
        self.map_version += 1
        self._digests = self._active_digests()
        if rebalance:
            await self.store.place(self.owner)

    def misdirect(self, to: str | URL, *, times: int = 1) -> None:
        """Let the next redirects lead to another address; one nobody answers, or the proxy."""
        self._misdirected.extend([URL(to)] * times)

    def destination(self, target: str) -> URL:
        """Return where a redirect to a target leads."""
        if self._misdirected:
            return self._misdirected.popleft()
        return self.node_url(self.target(target))

    # What the map says

    def smap(self) -> dict[str, Any]:
        """Return the JSON of the cluster map (§4.1)."""
        proxy = self._snode(self.proxy)
        return {
            "pmap": {self.proxy.id: proxy},
            "proxy_si": proxy,
            "tmap": {node.id: self._snode(node) for node in self.targets},
            "uuid": self._uuid,
            "creation_time": self._created,
            "version": str(self.map_version),
            "ext": None,
        }

    def _snode(self, node: Node) -> dict[str, Any]:
        url = self.node_url(node)
        net = {
            "node_ip_addr": url.host,
            "daemon_port": str(url.port),
            "direct_url": str(url).rstrip("/"),
        }
        return {
            "public_net": net,
            "intra_data_net": net,
            "intra_control_net": net,
            "daemon_type": "proxy" if node.is_proxy else "target",
            "daemon_id": node.id,
            "flags": node.flags,
            "id_digest": digest(node.id),
        }
