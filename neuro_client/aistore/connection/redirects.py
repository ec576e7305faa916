"""Where a proxy sends a request: read its redirect, and refuse one that leads nowhere (§2)."""

from __future__ import annotations

import re
from urllib.parse import quote

from yarl import URL

from ...errors import ProtocolError, TransportError
from ...transport import Answer, redact

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_HOPS = 5
_ILLEGAL = re.compile(r"[^!#-;=?-\[\]_a-z~%]")
_SIGNATURE = re.compile(r"[?&](vpams|x|u)=")


def destination(asked: URL, method: str, answer: Answer) -> URL:
    """Return the address in a redirect, verbatim but for characters that no address has.

    Raises:
        ProtocolError: there is none, it is no address, or it leaves encryption.
    """
    text = answer.headers.get("Location", "").strip()
    if not text:
        raise ProtocolError(
            f"{_told(asked, method, answer)} without a Location; something between is no AIStore "
            "proxy"
        )
    legal = text
    if _ILLEGAL.search(text):
        legal = _ILLEGAL.sub(lambda m: quote(m[0], errors="surrogateescape"), text)
    try:
        if legal.startswith("/") and not legal.startswith("//"):
            legal = f"{asked.scheme}://{asked.raw_authority}{legal}"
        found = URL(legal, encoded=True)
        port = found.port
    except ValueError:
        port = None
    if port is None or found.scheme not in ("http", "https") or not found.raw_host:
        raise ProtocolError(
            f"{_told(asked, method, answer)} to {text[:200]!r}, which is not the address of a node"
        )
    if found.scheme != asked.scheme:
        raise ProtocolError(
            f"{_told(asked, method, answer)} from {asked.scheme} to {found.scheme}, to "
            f"{found.host}:{port}; the cluster advertises its nodes with another scheme than that "
            "of the endpoint"
        )
    return found


def _told(asked: URL, method: str, answer: Answer) -> str:
    return f"{method} {redact(asked)} was redirected ({answer.status})"


def is_signed(location: URL) -> bool:
    """Tell whether the cluster signs its redirects, the length of the content included."""
    return (
        _SIGNATURE.search(location.raw_query_string and f"?{location.raw_query_string}") is not None
    )


class Hops:
    """Follow redirects of one request, but not in circles."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._seen: list[URL] = []

    def next(self, asked: URL, answer: Answer) -> URL:
        """Return the next address to ask."""
        self._seen.append(asked)
        found = destination(asked, self._method, answer)
        if found in self._seen or len(self._seen) >= MAX_HOPS:
            raise ProtocolError(
                f"{self._method} {redact(self._seen[0])} was redirected in circles, last to "
                f"{found.host}:{found.port}, after {len(self._seen)} hops"
            )
        return found


def unreachable(error: TransportError, location: URL, proxy: str) -> TransportError:
    """Explain that what the cluster advertises cannot be reached from here."""
    return type(error)(
        f"The proxy {proxy} sent us to the target at {location.host}:{location.port}, which cannot "
        f"be reached from here: {error}. A cluster must advertise addresses that its clients can "
        "reach; if it does, the target is down"
    )
