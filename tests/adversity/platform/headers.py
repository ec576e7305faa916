"""Heads of requests that are odd, contradictory, or meant to smuggle something in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from .target import Target

PLAIN = "/api/v1/storage/default/user/plain"
_NUMBERS = {
    "negative": "-1",
    "plus": "+5",
    "fraction": "1.5",
    "exponent": "1e3",
    "hexadecimal": "0x10",
    "white space": "1 0",
    "two": "5, 5",
    "two that differ": "5, 6",
    "words": "five",
    "nothing": "",
    "NaN": "NaN",
    "underscore": "1_0",
    "wide digit": "５",
    "over 63 bits": str(2**63),
    "over 64 bits": str(2**64),
    "negative over 64 bits": str(-(2**64)),
    "no end of digits": "9" * 5000,
    "zeros": "0" * 5000 + "5",
}
_RANGES = {
    "backwards": "bytes=5-2",
    "nothing": "bytes=-",
    "nothing at all": "bytes=",
    "no unit": "0-1",
    "another unit": "lines=0-1",
    "several": "bytes=0-1,3-4",
    "very many": "bytes=" + ",".join(f"{n}-{n}" for n in range(900)),
    "negative": "bytes=--5",
    "zero from the end": "bytes=-0",
    "over 63 bits": f"bytes={2**63}-{2**64}",
    "to over 64 bits": f"bytes=0-{2**64}",
    "no end of digits": "bytes=0-" + "9" * 5000,
    "no end of digits from the end": "bytes=-" + "9" * 5000,
    "from no end of digits": "bytes=" + "9" * 5000 + "-",
    "wide digits": "bytes=０-１",
    "white space": "bytes = 0 - 1",
}
_CONTENT_RANGES = {
    "backwards": "bytes 5-2/*",
    "no end of digits": f"bytes {'9' * 3000}-{'9' * 3000}/*",
    "over 63 bits": f"bytes {2**63}-{2**63 + 4}/*",
    "at 63 bits": f"bytes {2**63 - 5}-{2**63 - 1}/*",
    "to over 64 bits": f"bytes 0-{2**64}/*",
    "length that does not fit": "bytes 0-4/2",
    "nothing": "",
    "another unit": "lines 0-4/*",
    "wide digits": "bytes ０-４/*",
    "unknown": "bytes */5",
    "negative": "bytes -5--1/*",
}
_HOSTS = {
    "nothing": "",
    "a space": "a b",
    "a path": "evil.example/x",
    "a path up": "../../x",
    "user": "user@evil.example",
    "a port too much": "x:99999",
    "a port of words": "x:port",
    "a port of many digits": "x:" + "9" * 5000,
    "two ports": "x:1:2",
    "half an address": "[::1",
    "wrong address": "[::::]",
    "address with a zone": "[fe80::1%25eth0]",
    "long": "h" * 4000,
    "long label": "h" * 64 + ".example",
    "dots": "...",
    "quote": 'x"y',
    "script": "<script>",
    "other letters": "bücher.example",
    "broken letters": "\udcff\udcfe",
    "broken punycode": "xn--\u00e9",
    "punycode of nothing": "xn--",
    "punycode that cannot be": "xn--99999999999",
    "percent": "%00%0d%0a",
    "NUL": "x\0y",
    "numbers": "1.2.3.4.5",
    "number": "0x7f000001",
    "template": "${jndi:ldap://x}{{7*7}}",
    "list": "x, y",
}
_SMUGGLED = {
    "two lengths": ("Content-Length: 4", "Content-Length: 40"),
    "two equal lengths": ("Content-Length: 4", "Content-Length: 4"),
    "length and chunks": ("Content-Length: 4", "Transfer-Encoding: chunked"),
    "chunks and length": ("Transfer-Encoding: chunked", "Content-Length: 4"),
    "chunks twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunks and identity": ("Transfer-Encoding: chunked, identity",),
    "another coding": ("Transfer-Encoding: gzip",),
    "coding in disguise": ("Transfer-Encoding: xchunked", "Content-Length: 4"),
    "coding with a tab": ("Transfer-Encoding:\tchunked",),
    "coding with a space": ("Transfer-Encoding : chunked", "Content-Length: 4"),
    "coding folded": ("Transfer-Encoding:\r\n chunked", "Content-Length: 4"),
    "folded line": ("X-Long: a\r\n b", "Content-Length: 4"),
    "folded token": ("Authorization: Bearer\r\n x", "Content-Length: 4"),
    "line feed alone": ("X-A: b\nX-Injected: c", "Content-Length: 4"),
    "carriage return alone": ("X-A: b\rX-Injected: c", "Content-Length: 4"),
    "NUL in a value": ("X-A: b\0c", "Content-Length: 4"),
    "NUL in a name": ("X-\0A: b", "Content-Length: 4"),
    "no name": (": b", "Content-Length: 4"),
    "no colon": ("just words", "Content-Length: 4"),
    "space in a name": ("X A: b", "Content-Length: 4"),
    "raw bytes": ("X-A: \udcff\udcfe", "Content-Length: 4"),
    "two hosts": ("Host: other", "Content-Length: 4"),
    "huge value": ("X-A: " + "a" * 100_000, "Content-Length: 4"),
    "huge name": ("X-" + "a" * 100_000 + ": b", "Content-Length: 4"),
    "very many": (*(f"X-{n}: a" for n in range(5000)), "Content-Length: 4"),
    "upgrade to nothing": ("Upgrade: h2c", "Connection: Upgrade", "Content-Length: 4"),
    "upgrade to a socket": ("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 4"),
    "expectation": ("Expect: the worst", "Content-Length: 4"),
    "trailer": ("TE: trailers", "Trailer: Content-Length", "Content-Length: 4"),
    "method override": ("X-HTTP-Method-Override: DELETE", "Content-Length: 4"),
    "rewritten address": ("X-Original-URL: /api/v1/storage/default/other/secret",),
    "forwarded": ("X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /../..", "Via: 1.1 x"),
}
_TOKENS = {
    "nothing": "",
    "scheme only": "Bearer",
    "two words": "Bearer a b",
    "basic": f"Basic {base64.b64encode(b'user:').decode()}",
    "no signature": "Bearer eyJhbGciOiJub25lIn0.eyJpZGVudGl0eSI6Im90aGVyIn0.",
    "dots": "Bearer " + "." * 4000,
    "long": "Bearer " + "a" * 7000,
    "raw bytes": "Bearer \udcff\udcfe",
    "quotes": "Bearer ' OR 1=1 --",
    "other letters": "Bearer ünï.ünï.ünï",
}
_SOCKET = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
_SOCKETS = {
    "no key": _SOCKET,
    "short key": (*_SOCKET, "Sec-WebSocket-Key: AAAA"),
    "odd key": (*_SOCKET, "Sec-WebSocket-Key: \udcff"),
    "old version": ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 0"),
    "version of words": ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: x"),
    "protocols": (*_SOCKET, "Sec-WebSocket-Protocol: bearer.apolo.us-x, , \udcff"),
    "extension": (
        *_SOCKET,
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
    ),
}


def heads(target: Target) -> Mapping[str, bytes]:
    """Return whole requests by name; every one of them ends by itself."""
    found: dict[str, bytes] = {}

    def put(name: str, *lines: str, method: str = "GET", path: str = PLAIN, body: str = "") -> None:
        found[name] = target.head(method, path, *lines) + body.encode()

    for name, number in _NUMBERS.items():
        put(f"Content-Length: {name}", f"Content-Length: {number}", method="PUT", body="12345")
        put(f"X-File-Length: {name}", f"X-File-Length: {number}", f"X-Retry-Count: {number}")
        put(f"Max-Forwards: {name}", f"Max-Forwards: {number}", method="TRACE")
    for name, value in _RANGES.items():
        put(f"Range: {name}", f"Range: {value}")
    for name, value in _CONTENT_RANGES.items():
        lines = (f"Content-Range: {value}", "Content-Type: application/octet-stream")
        put(f"Content-Range: {name}", *lines, "Content-Length: 5", method="PATCH", body="12345")
    for name, host in _HOSTS.items():
        for path in ("/api/v1/config", "/auth/authorize?client_id=local-cli", PLAIN):
            found[f"Host: {name} {path}"] = target.head("GET", path, host=host)
    for name, smuggled in _SMUGGLED.items():
        put(f"smuggled: {name}", *smuggled, method="PUT", body=_HIDDEN)
        put(f"smuggled past a GET: {name}", *smuggled, body=_HIDDEN)
    for name, token in _TOKENS.items():
        for path in (PLAIN, "/api/v1/config", "/api/v1/users/user", "/jobs/x/", "/nothing"):
            line = f"Authorization: {token}"
            found[f"token: {name} {path}"] = target.head("GET", path, line, user=None)
    for name, upgrade in _SOCKETS.items():
        for path in ("job-x/log_ws", "job-x/top", "capacity"):
            put(f"socket: {name} {path}", *upgrade, path=f"/api/v1/monitoring/default/jobs/{path}")
    return found | _without_heads(target)


# Ends both a body of four bytes and one in chunks, and goes on with a request of its own.
_HIDDEN = "0\r\n\r\nGET /api/v1/storage/default/other/secret HTTP/1.1\r\nHost: x\r\n\r\n"


def _without_heads(target: Target) -> dict[str, bytes]:
    """Return what is hardly a request at all."""
    whole: Callable[..., bytes] = target.head
    token = f"Authorization: Bearer {target.tokens['user']}\r\n\r\n".encode()
    return {
        "version 0.9": b"GET /ping\r\n\r\n",
        "version 1.0": b"GET /ping HTTP/1.0\r\n\r\n",
        "version 2": b"GET /ping HTTP/2.0\r\nConnection: close\r\n\r\n",
        "version of words": b"GET /ping HTTP/x.y\r\n\r\n",
        "another protocol": b"GET /ping RTSP/1.0\r\n\r\n",
        "preface of version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": bytes.fromhex("16030100a5010000a10303") + b"\r\n\r\n",
        "binary": bytes(range(256)) + b"\r\n\r\n",
        "no host": b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n",
        "line feeds only": b"GET /ping HTTP/1.1\nHost: x\nConnection: close\n\n",
        "tabs": b"GET\t/ping\tHTTP/1.1\r\n\r\n",
        "space before the header": b"GET /ping HTTP/1.1\r\n Host: x\r\n\r\n",
        "empty lines before": b"\r\n\r\n" + whole("GET", "/ping"),
        "many requests at once": whole("GET", "/ping").replace(b"close", b"keep-alive") * 50
        + whole("GET", "/ping"),
        "long first line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + token,
        "endless first line": b"G" * 200_000 + b"\r\n\r\n",
    }
