"""Where the proxy sends a request, and what a target makes of the marks (aistore.md §2)."""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
import time
from urllib.parse import parse_qsl, quote, urlencode

from aiohttp import hdrs, web

from .cluster import Cluster
from .errors import AISError, bad_request
from .models import base36

_UNESCAPED = "/$&+,:;=@-_.~"
_SIGNATURE = ("vpams", "x", "u")
_WRITES = {hdrs.METH_PUT, hdrs.METH_DELETE, hdrs.METH_PATCH, hdrs.METH_POST}
_OLD_TIMES = (4, 0)


class Redirects:
    """Send requests on, marked, and check the marks."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._key = secrets.token_bytes(16)

    def to(self, request: web.Request, target: str, *, path: str | None = None) -> web.Response:
        """Answer that a target has what was asked for; ``path`` replaces that of the request."""
        cluster = self._cluster
        raw_path, _, query = request.raw_path.partition("?")
        now = time.time_ns()
        more = {"pid": cluster.proxy.id}
        more["utm"] = base36(now) if cluster.version >= _OLD_TIMES else str(now)
        if cluster.signing:
            more |= {"vpams": str(cluster.map_version), "x": secrets.token_hex(8)}
            length = request.headers.get(hdrs.CONTENT_LENGTH, "0")
            more["u"] = self._sign(request.method, request.path, more, length)
        if path is not None:
            raw_path = path
        if "%" in raw_path:
            # The server writes such an address anew.
            raw_path = quote(request.path if path is None else path, safe=_UNESCAPED)
            fields = parse_qsl(query, keep_blank_values=True) + list(more.items())
            text = urlencode(sorted(fields))
        else:
            text = "&".join(filter(None, (query, urlencode(more))))
        location = f"{str(cluster.destination(target)).rstrip('/')}{raw_path}?{text}"
        headers = {hdrs.LOCATION: location}
        if request.method != hdrs.METH_GET:
            return web.Response(status=307, headers=headers)
        status, reason = (301, "Moved Permanently") if path is None else (307, "Temporary Redirect")
        return web.Response(
            status=status,
            text=f'<a href="{html.escape(location)}">{reason}</a>.\n\n',
            content_type="text/html",
            headers=headers,
        )

    def check(self, request: web.Request) -> None:
        """Refuse at a target what must have been redirected (§2.3)."""
        cluster = self._cluster
        marked = request.query.get("pid") == cluster.proxy.id and "utm" in request.query
        guarded = cluster.signing or cluster.require_tokens
        if not marked:
            if guarded and cluster.version >= (5, 0):
                raise AISError(403, "direct access to a target is not permitted")
            if request.method in _WRITES:
                raise bad_request(f"{request.method} {request.path} is expected to be redirected")
        elif cluster.signing:
            given = {name: request.query.get(name, "") for name in ("pid", "utm", *_SIGNATURE)}
            length = request.headers.get(hdrs.CONTENT_LENGTH, "0")
            expected = self._sign(request.method, request.path, given, length)
            if not hmac.compare_digest(given["u"], expected):
                raise AISError(401, "invalid signature of the redirected request", "ErrSignature")

    def _sign(self, method: str, path: str, marks: dict[str, str], length: str) -> str:
        words = (method, path, marks["pid"], marks["vpams"], length, marks["x"])
        return hmac.new(self._key, "\n".join(words).encode(), hashlib.sha256).hexdigest()[:32]
