"""Paths that mean to leave the place they are in, or that no file can have."""

from __future__ import annotations

ROOT = "/api/v1/storage/default/user"
UP = 12
"""Enough steps up to reach the root of any file system from the data."""

_DOTS = {
    "plain": "..",
    "encoded": "%2e%2e",
    "half encoded": ".%2E",
    "double encoded": "%252e%252e",
    "triple encoded": "%25252e%25252e",
    "overlong dots": "%c0%ae%c0%ae",
    "overlong dots of three bytes": "%e0%80%ae%e0%80%ae",
    "wide dots": "%ef%bc%8e%ef%bc%8e",
    "dots with NUL": "..%00",
    "dots and a space": "..%20",
    "three dots": "...",
    "dots and a semicolon": "..;",
    "dots with a parameter": "..;x=y",
    "raw overlong": "\udcc0\udcae\udcc0\udcae",
}
_SLASHES = {
    "plain": "/",
    "encoded": "%2f",
    "double encoded": "%252f",
    "backslash": "\\",
    "encoded backslash": "%5c",
    "overlong": "%c0%af",
    "overlong of three bytes": "%e0%80%af",
    "wide": "%ef%bc%8f",
    "double": "//",
}

WAYS_OUT: dict[str, str] = {
    f"dots {dots}, slash {slash}": f"{ROOT}{mark}{step}{mark}"
    for dots, step in _DOTS.items()
    for slash, mark in _SLASHES.items()
}
"""Prefixes that try to be the folder above the user's home; a target's name goes behind."""

FAR_OUT: dict[str, str] = {
    f"dots {dots}, slash {slash}": f"{ROOT}{mark}" + f"{step}{mark}" * UP
    for dots, step in _DOTS.items()
    for slash, mark in _SLASHES.items()
}
"""Prefixes that try to be the root of the file system."""

ABSOLUTE: dict[str, str] = {
    "absolute": f"{ROOT}//",
    "absolute, encoded": f"{ROOT}/%2f",
    "file URL": f"{ROOT}/file:///",
    "home": f"{ROOT}/~/",
    "another's home": f"{ROOT}/~root/",
    "NUL before": f"{ROOT}/plain%00/",
    "in place of the cluster": "/api/v1/storage/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..",
    "cluster of dots": "/api/v1/storage/../../../../../../../..",
    "cluster of encoded dots": "/api/v1/storage/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e",
    "cluster and more": "/api/v1/storage/default%2fother",
    "no cluster": "/api/v1/storage//",
    "drive": f"{ROOT}/C:/",
    "share": f"{ROOT}/\\\\localhost\\",
    "absolute target": "http://x/api/v1/storage/default/user/../../../../../../../../..",
}
"""Further prefixes that try to be the root of the file system."""

ODD: dict[str, str] = {
    "NUL": f"{ROOT}/a%00b",
    "NUL at the end": f"{ROOT}/plain%00",
    "NUL and suffix": f"{ROOT}/plain%00.txt",
    "long name": f"{ROOT}/{'n' * 256}",
    "long name of wide characters": f"{ROOT}/{'%c3%bc' * 128}",
    "long path": f"{ROOT}/{'/'.join(['n' * 200] * 21)}",
    "long path of short names": f"{ROOT}/{'a/' * 2050}a",
    "very long path": f"{ROOT}/{'a/' * 6000}a",
    "half a code": f"{ROOT}/a%",
    "half a code more": f"{ROOT}/a%4",
    "no code": f"{ROOT}/a%zz",
    "half a character": f"{ROOT}/%ff",
    "half a character, raw": f"{ROOT}/\udcff",
    "surrogate": f"{ROOT}/%ed%a0%80",
    "beyond Unicode": f"{ROOT}/%f5%80%80%80",
    "control": f"{ROOT}/%01%1b%7f",
    "line end": f"{ROOT}/a%0d%0aSet-Cookie:%20a=b",
    "query in the name": f"{ROOT}/a%3Fop=DELETE",
    "fragment": f"{ROOT}/plain#/../../other/secret",
    "empty segments": f"{ROOT}///plain///x",
    "dot segments": f"{ROOT}/./././plain/./x",
    "bidirectional": f"{ROOT}/%e2%80%aegpj.exe",
    "no path": "/api/v1/storage/default",
    "nothing": "",
    "no slash": "api/v1/ping",
    "asterisk": "*",
    "another host": "http://evil.example:99999/api/v1/storage/default/user/plain",
    "half a URL": "http://",
    "odd scheme": "gopher://x/api/v1/ping",
    "user in a URL": "http://a:b@x/api/v1/ping",
    "only a query": "?op=LISTSTATUS",
    "two queries": f"{ROOT}/plain?op=OPEN?op=DELETE",
    "raw user": "/api/v1/users/\udcff\udcfe",
    "raw job": "/api/v1/jobs/\udcff",
    "raw cluster": "/api/v1/storage/\udcff/user",
    "raw cluster of admin": "/apis/admin/v1/clusters/\udcff/users/\udcff",
    "raw host of a job": "/jobs/\udcff--\udcff/",
    "raw query": "/api/v1/jobs?name=\udcff&tag=\udcff&owner=\udcff",
    "raw uri": "/api/v1/users/user/permissions?uri=storage://\udcff",
    "raw destination": f"{ROOT}/plain?op=\udcff&destination=\udcff",
    "many tags": "/api/v1/jobs?" + "tag=a&" * 1300,
    "many owners": "/api/v1/jobs?" + "owner=a&" * 1000,
    "no end of a number": "/api/v1/jobs?limit=" + "9" * 5000,
    "first year": "/api/v1/jobs?since=0001-01-01T00:00:00%2B23:59&until=9999-12-31T23:59:59-23:59",
    "surrogate in a tag": "/api/v1/jobs?tag=%ed%a0%80&hostname=%ed%a0%80--%ed%a0%80",
    "page of raw bytes": "/auth/code?code=\udcff%ff%ed%a0%80",
    "page of a script": "/auth/code?code=<script>alert(1)</script>",
}
"""Paths that mean nothing; the answer may be anything that is no failure."""

OWN_NAMES = (
    ".incoming",
    ".incoming/x",
    ".plain.0a1b2c3d.part",
    "state.db",
    "state.db-wal",
    "state.db-journal",
    "ready.json",
    "lock",
    "signing.key",
    "ports.json",
    "jobs",
    "con",
    "nul",
    "LPT1",
    "desktop.ini",
    "Plain",
    "PLAIN",
    "trailing.",
    "trailing ",
    " leading",
    "-rf",
    "$(id)",
    "`id`",
    "%s%n",
    "a:stream",
)
"""Names like the platform's own, and like those that mean something to some system: just names."""

METHODS = (
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "MKCOL",
    "COPY",
    "MOVE",
    "LINK",
    "PURGE",
    "PRI",
    "get",
    "GeT",
    "HEAD",
    "X" * 300,
    "FOO",
    "_",
    "GET\t",
    "G\0T",
    "GET GET",
    "",
)
"""Methods nobody asked for."""
