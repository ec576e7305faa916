"""The one HTTP session of a client: pool limits, time limits, TLS, headers of every request."""

from __future__ import annotations

import platform
import ssl
import sys
from collections.abc import Sequence

import aiohttp
from aiohttp import ClientSession, ClientTimeout, TraceConfig

from .._version import __version__

__all__ = [
    "DEFAULT_TIMEOUT",
    "ClientSession",
    "ClientTimeout",
    "TraceConfig",
    "open_session",
    "with_read_timeout",
]

MAX_CONNECTIONS = 256
# Large enough for a part's slice to arrive in few wake-ups, small enough that every connection of
# the pool can hold one (aiohttp buffers up to twice this).
READ_BUFFER = 2**18
DEFAULT_TIMEOUT = ClientTimeout(total=None, connect=None, sock_connect=60, sock_read=60)

USER_AGENT = (
    f"neuro-client/{__version__} ({sys.platform}) "
    f"Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
)


def open_session(
    *,
    timeout: ClientTimeout = DEFAULT_TIMEOUT,
    trace_configs: Sequence[TraceConfig] | None = None,
    cookie_jar: aiohttp.abc.AbstractCookieJar | None = None,
    tls: ssl.SSLContext | None = None,
    per_host: int = 0,
) -> ClientSession:
    """Open a session; needs a running loop, and the caller closes it.

    The number of connections is bounded well above the number of workers of any transfer, so the
    pool never becomes a second queue inside a time-out. Proxies of the environment are not used
    (config-and-auth.md §1). ``tls`` replaces the system's certificates and adds our own,
    ``per_host`` bounds the connections to each host, 0 for no bound.
    """
    return ClientSession(
        connector=aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS, limit_per_host=per_host, ssl=True if tls is None else tls
        ),
        timeout=timeout,
        trace_configs=list(trace_configs or ()),
        cookie_jar=cookie_jar,
        headers={"User-Agent": USER_AGENT},
        read_bufsize=READ_BUFFER,
    )


def with_read_timeout(timeout: ClientTimeout, seconds: float | None) -> ClientTimeout:
    """Return ``timeout`` with another limit between two reads of the socket."""
    return ClientTimeout(
        total=timeout.total,
        connect=timeout.connect,
        sock_connect=timeout.sock_connect,
        sock_read=seconds,
    )
