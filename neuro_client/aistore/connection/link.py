"""The open connections of a client, and what it has learned about its cluster."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ...concurrency import finish
from ...errors import TransportError, TransportTimeoutError
from ...threads import run_blocking
from ...transport import (
    ClientSession,
    ClientTimeout,
    FixedCredentials,
    Transport,
    never_connected,
    open_session,
)
from ..errors import map_error
from ..extras import load_all
from ..models import Smap
from .cluster_map import ClusterMap
from .settings import Settings

_CLOSE_TIME = 5.0

T = TypeVar("T")


class Link:
    """Hold the connections of one event loop in one process.

    Proxies get the token, targets do not: a redirect marks what they may do (aistore.md §1.3).
    ``signs`` is set once the cluster turns out to sign its redirects, and ``reads_directly`` is
    cleared once a target turns out to refuse what no proxy sent it.
    """

    def __init__(self, settings: Settings, session: ClientSession) -> None:
        self.loop = asyncio.get_running_loop()
        self.process = os.getpid()
        self.session = session
        credentials = FixedCredentials.bearer(settings.token) if settings.token else None
        self.proxies = Transport(None, credentials, map_error, session=session, trace=None)
        self.targets = Transport(None, None, map_error, session=session, trace=None)
        self.signs = False
        self.reads_directly = settings.direct_reads and not settings.token
        self.headers = {**settings.headers, "Accept-Encoding": "identity"}
        self.map = ClusterMap()
        self.version: tuple[int, int] | None = None
        self.asked_version = False
        self._settings = settings
        self._base = settings.endpoint

    async def at_proxy(self, ask: Callable[[str], Awaitable[T]], *, again: bool) -> T:
        """Return what *ask* got from a proxy, of the next one that is known if one is dead.

        Only a proxy that could not be reached is passed over; with *again*, one that is silent too.
        """
        try:
            return await ask(self._base)
        except TransportError as error:
            others = self._others()
            if not others or not _passed_over(error, again):
                raise
        for base in others[:-1]:
            try:
                answered = await ask(base)
            except TransportError as error:
                if not _passed_over(error, again):
                    raise
                continue
            self._base = base
            return answered
        answered = await ask(others[-1])
        self._base = others[-1]
        return answered

    def _others(self) -> list[str]:
        known: Smap | None = self.map.known
        nodes = [] if known is None else [known.proxy_si, *known.pmap.values()]
        scheme = self._settings.endpoint.partition(":")[0]
        urls = (node.public_net.direct_url.rstrip("/") for node in nodes)
        found = dict.fromkeys(self._settings.endpoints)
        found.update(dict.fromkeys(url for url in urls if url.startswith(f"{scheme}://")))
        found.pop(self._base, None)
        return list(found)


def _passed_over(error: TransportError, again: bool) -> bool:
    return never_connected(error) or (again and isinstance(error, TransportTimeoutError))


class Links:
    """Open the connections with the first request, anew in another loop or process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._link: Link | None = None
        # What another loop opened cannot be closed from here, and must not be collected either:
        # a forked child would take its parent's sockets off their common poll.
        self._foreign: list[Link] = []
        self._closed = False

    async def get(self) -> Link:
        """Return the connections of the running loop."""
        link = self._own()
        if link is not None:
            return link
        if self._closed:
            raise RuntimeError("The AIStore client is closed; open another one")
        tls = await run_blocking(self._prepare)
        link = self._own()
        if link is not None:  # somebody was faster
            return link
        if self._link is not None:
            self._foreign.append(self._link)
        settings = self.settings
        timeout = ClientTimeout(
            total=None,
            connect=None,
            sock_connect=settings.connect_timeout,
            sock_read=settings.read_timeout,
        )
        session = open_session(timeout=timeout, tls=tls, per_host=settings.max_pool_size)
        self._link = link = Link(settings, session)
        return link

    def _own(self) -> Link | None:
        link = self._link
        if link is None or link.process != os.getpid():
            return None
        return link if link.loop is asyncio.get_running_loop() else None

    def _prepare(self) -> ssl.SSLContext | None:
        load_all()
        return self.settings.tls()

    async def close(self) -> None:
        """Close the connections of the running loop; nothing can be sent afterwards."""
        self._closed = True
        link = self._own()
        if link is not None:
            self._link = None
            await finish(link.session.close(), _CLOSE_TIME)
