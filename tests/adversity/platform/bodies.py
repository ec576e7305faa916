"""Bodies that are broken, odd, or larger inside than outside."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping

from .target import Target

_DEEP = 100_000
JSON: Mapping[str, bytes] = {
    "nothing": b"",
    "white space": b" \r\n\t",
    "half": b'{"name": "user/x"',
    "two": b"{}{}",
    "comment": b"{} // no",
    "null": b"null",
    "number": b"5",
    "text": b'"text"',
    "lists": b"[[[]]]",
    "deep lists": b"[" * _DEEP + b"]" * _DEEP,
    "deep lists, open": b"[" * _DEEP,
    "deep objects": b'{"name":' * _DEEP + b"1" + b"}" * _DEEP,
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}",
    "huge number": b'{"name": 1' + b"0" * 5000 + b"}",
    "huge exponent": b'{"name": 1e999999}',
    "NaN": b'{"name": NaN}',
    "infinity": b"[-Infinity]",
    "keys twice": b'{"name": "user/x", "name": "other/x"}',
    "lone surrogate": b'{"name": "user/\\ud800"}',
    "lone surrogate, raw": b'{"name": "user/\xed\xa0\x80"}',
    "NUL": b'{"name": "user/\\u0000"}',
    "NUL, raw": b'{"name": "user/\0"}',
    "wrong encoding": '{"name": "user/ü"}'.encode("latin-1"),
    "UTF-16": '{"name": "user/ü"}'.encode("utf-16"),
    "UTF-32": '{"name": "user/ü"}'.encode("utf-32"),
    "mark": b"\xef\xbb\xbf{}",
    "single quotes": b"{'name': 'user/x'}",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "prototype": b'{"__proto__": {"name": "x"}, "__class__": {"__init__": 1}}',
    "long text": b'{"name": "' + b"a" * 1_000_000 + b'"}',
}
ITEMS = (
    '{"uri": "storage://default/user/\\ud800", "action": "read"}',
    '{"uri": "storage://default/user/../other", "action": "manage"}',
    '{"uri": "storage://default/user/%2e%2e/other", "action": "manage"}',
    '{"uri": "storage://default/user%2f..%2fother", "action": "manage"}',
    '{"uri": "storage://default/user\\u0000/other", "action": "manage"}',
    '{"uri": "storage://default@second/user", "action": "manage"}',
    '{"uri": "storage://default:99999/user", "action": "manage"}',
    '{"uri": "storage://[::1/user", "action": "manage"}',
    '{"uri": "storage://xn--99999999999/user", "action": "manage"}',
    '{"uri": "storage://default/", "action": "manage"}',
    '{"uri": "storage:", "action": "manage"}',
    '{"uri": "storage://default", "action": "manage"}',
    '{"uri": {"a": 1}, "action": "manage"}',
    '{"uri": null, "action": ["manage"]}',
    '{"uri": 1e999, "action": {}}',
    '{"uri": "role://default/other", "action": "manage"}',
)
"""Rights that nobody may give, as their JSON."""

CHARSETS = (
    "utf-7",
    "utf-16",
    "utf-8-sig",
    "idna",
    "punycode",
    "hex",
    "rot13",
    "zlib",
    "base64",
    "undefined",
    "unicode_escape",
    "raw_unicode_escape",
    "no-such",
    "../../etc/passwd",
    "x" * 2000,
    "",
    "\udcff",
)
"""Names of encodings, of which some are none for text, and one always fails."""

_LINES: Mapping[str, tuple[str, ...]] = {
    "no type": (),
    "text": ("Content-Type: text/plain",),
    "XML": ("Content-Type: application/xml",),
    "two types": ("Content-Type: application/json", "Content-Type: text/html"),
    "type of nothing": ("Content-Type:",),
    "type of noise": ("Content-Type: ;;;==,/",),
    "form": ("Content-Type: application/x-www-form-urlencoded",),
    "parts": ("Content-Type: multipart/form-data; boundary=x",),
    "parts without boundary": ("Content-Type: multipart/form-data",),
    "parts with a long boundary": (f"Content-Type: multipart/form-data; boundary={'b' * 200}",),
}
_PARTS: Mapping[str, bytes] = {
    "no end": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n\r\nlocal-cli',
    "no name": b"--x\r\n\r\nvalue\r\n--x--\r\n",
    "no disposition": b"--x\r\nContent-Type: text/plain\r\n\r\nvalue\r\n--x--\r\n",
    "a file": b'--x\r\nContent-Disposition: form-data; name="client_id"; filename="../../x"\r\n'
    b"Content-Type: text/plain\r\n\r\nlocal-cli\r\n--x--\r\n",
    "a broken coding": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--\r\n",
    "an unknown coding": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n'
    b"Content-Transfer-Encoding: evil\r\n\r\nx\r\n--x--\r\n",
    "an unknown encoding": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n'
    b"Content-Type: text/plain; charset=no-such\r\n\r\nx\r\n--x--\r\n",
    "a wrong length": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n'
    b"Content-Length: -5\r\n\r\nx\r\n--x--\r\n",
    "parts in parts": b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n'
    b"Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nx\r\n--y--\r\n--x--\r\n",
    "no parts": b"nothing of the kind",
    "very many": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n" * 2000
    + b"--x--\r\n",
    "a long head": b"--x\r\nX: " + b"a" * 100_000 + b"\r\n\r\nb\r\n--x--\r\n",
}
_FORMS: Mapping[str, bytes] = {
    "broken codes": b"client_id=%zz%&grant_type=%ff%fe",
    "surrogates": b"client_id=local-cli&grant_type=refresh_token&refresh_token=%ed%a0%80",
    "seven bits": b"client_id=local-cli&grant_type=refresh_token&refresh_token=+2AA-",
    "raw bytes": b"client_id=local-cli&grant_type=refresh_token&refresh_token=\xff\xfe",
    "raw bytes in a code": b"client_id=local-cli&grant_type=authorization_code&code=\xff%00",
    "very many": b"a=b&" * 100_000,
    "lists": b"client_id[]=local-cli&client_id[a]=x",
    "decision": b"ticket=\xff&username=+2AA-&decision=allow",
}
JSON_ROUTES = (
    ("POST", "/api/v1/users"),
    ("POST", "/api/v1/users/user/permissions"),
    ("PUT", "/api/v1/users/other/permissions"),
    ("POST", "/api/v1/users/user/permissions/check"),
    ("POST", "/api/v1/users/user/token"),
    ("POST", "/api/v1/jobs"),
    ("POST", "/api/v1/jobs?from_preset"),
    ("PUT", "/api/v1/jobs/job-x/max_run_time_minutes"),
    ("POST", "/api/v1/jobs/job-x/drop_progress"),
    ("POST", "/api/v1/config/clusters/sync"),
    ("POST", "/api/v1/monitoring/default/jobs/available"),
)
FORM_ROUTES = (("POST", "/auth/token"), ("POST", "/auth/authorize"))
_FILE = ("PUT", "/api/v1/storage/default/user/made")


def texts(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield broken and odd JSON for every route that reads any, under odd content types."""
    for method, path in JSON_ROUTES:
        for name, body in JSON.items():
            lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
            yield f"{path} {name}", target.head(method, path, *lines) + body
        for name, types in _LINES.items():
            yield f"{path} {name}", target.head(method, path, *types, "Content-Length: 2") + b"{}"
        for charset in CHARSETS:
            line = f"Content-Type: application/json; charset={charset}"
            yield (
                f"{path} charset {charset}",
                target.head(method, path, line, "Content-Length: 2") + b"{}",
            )
    for name in ("permissions", "permissions/check"):
        for item in ITEMS:
            body, path = f"[{item}]".encode(), f"/api/v1/users/user/{name}"
            yield f"{path} {item}", target.head("POST", path, f"Content-Length: {len(body)}") + body


def forms(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield broken and odd forms for the pages of the login."""
    for method, path in FORM_ROUTES:
        for name, body in _FORMS.items():
            for charset in ("", *CHARSETS):
                kind = f"Content-Type: application/x-www-form-urlencoded; charset={charset}"
                lines = (kind, f"Content-Length: {len(body)}")
                yield f"{path} {name} {charset}", target.head(method, path, *lines) + body
        for name, body in _PARTS.items():
            lines = (
                "Content-Type: multipart/form-data; boundary=x",
                f"Content-Length: {len(body)}",
            )
            yield f"{path} {name}", target.head(method, path, *lines) + body
        for name, types in _LINES.items():
            yield f"{path} {name}", target.head(method, path, *types, "Content-Length: 2") + b"{}"


def codings(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield bodies whose coding is broken, or which are far larger inside than outside."""
    good = gzip.compress(b'{"name": "user/x"}')
    bodies = {
        "gzip, good": ("gzip", good),
        "gzip, cut": ("gzip", good[:-6]),
        "gzip, head only": ("gzip", good[:10]),
        "gzip, noise": ("gzip", b"\x1f\x8b" + bytes(range(100))),
        "gzip, none": ("gzip", b'{"name": "user/x"}'),
        "gzip, wrong sum": ("gzip", good[:-8] + bytes(8)),
        "gzip, two": ("gzip", good + good),
        "gzip, bomb": ("gzip", gzip.compress(bytes(2**27))),
        "deflate, cut": ("deflate", zlib.compress(b"{}" * 50)[:-6]),
        "deflate, noise": ("deflate", bytes(range(100))),
        "brotli, noise": ("br", bytes(range(100))),
        "zstandard, noise": ("zstd", bytes(range(100))),
        "several": ("gzip, gzip", gzip.compress(good)),
        "unknown": ("evil", b"{}"),
        "nothing": ("", b"{}"),
    }
    for method, path in (*JSON_ROUTES, *FORM_ROUTES, _FILE):
        for name, (coding, body) in bodies.items():
            lines = (f"Content-Encoding: {coding}", f"Content-Length: {len(body)}")
            yield f"{path} {name}", target.head(method, path, *lines) + body


def chunks(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield bodies in chunks that do not fit together."""
    bodies = {
        "good": b"2\r\n{}\r\n0\r\n\r\n",
        "no size": b"\r\n{}\r\n0\r\n\r\n",
        "size of words": b"two\r\n{}\r\n0\r\n\r\n",
        "negative size": b"-2\r\n{}\r\n0\r\n\r\n",
        "size over 64 bits": b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "size of many digits": b"0" * 5000 + b"2\r\n{}\r\n0\r\n\r\n",
        "prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
        "too long": b"2\r\n{}}}}}\r\n0\r\n\r\n",
        "extension": b"2;a=b\r\n{}\r\n0\r\n\r\n",
        "long extension": b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
        "line feeds": b"2\n{}\n0\n\n",
        "trailer": b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nX-A: b\r\n\r\n",
        "broken trailer": b"2\r\n{}\r\n0\r\n\0: b\r\n\r\n",
        "more behind": b"0\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    }
    for method, path in (("POST", "/api/v1/users"), ("POST", "/auth/token"), _FILE):
        for name, body in bodies.items():
            head = target.head(method, path, "Transfer-Encoding: chunked")
            yield f"{path} {name}", head + body


def cut_off(target: Target) -> Iterator[tuple[str, bytes]]:
    """Yield requests that break off in the middle; the sender then hangs up."""
    for method, path in (*JSON_ROUTES, *FORM_ROUTES, _FILE):
        for size in (1, 10**6, 2**40):
            head = target.head(method, path, f"Content-Length: {size + 1}")
            yield f"{path} nothing of {size}", head
            yield f"{path} a byte of {size}", head + b"{"
        head = target.head(method, path, "Transfer-Encoding: chunked")
        for name, body in {
            "in a size": b"1",
            "in a chunk": b"5\r\n{",
            "after a chunk": b"1\r\n{\r\n",
            "in the end": b"1\r\n{\r\n0\r\n",
        }.items():
            yield f"{path} {name}", head + body
        whole = target.head(method, path)
        for share in (1, 3, len(whole) // 2, len(whole) - 2):
            yield f"{path} the head at {share}", whole[:share]
        yield (
            f"{path} waiting",
            target.head(method, path, "Expect: 100-continue", "Content-Length: 5"),
        )
