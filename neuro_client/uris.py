"""Resource URIs: expand, shorten, join and check them; pure functions.

Facts: public-api.md §14.1 to §14.4, storage.md §1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, unquote

from yarl import URL

from .models import Scope

SCHEMES = ("storage", "image", "job", "secret", "disk", "blob", "flow")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# What may stand unquoted in a path component.
_SAFE = "!$&'()*+,;=:@~"


def scheme_of(text: str) -> str:
    """Return the scheme of what a user wrote in lower case, "" for a path or a drive letter."""
    match = _SCHEME.match(text)
    return match[1].lower() if match and len(match[1]) > 1 else ""


def uri_from_text(
    text: str, scope: Scope, *, allowed_schemes: Collection[str] = (), short: bool = False
) -> URL:
    """Expand what a user wrote: a URI in any form, or a local path where ``file`` is allowed.

    Raises:
        ValueError: says what is wrong and what to write instead.
    """
    scheme = scheme_of(text)
    if not scheme:
        if "file" in allowed_schemes and text:
            return file_uri(_expanded(text))
        raise ValueError(
            f"{text!r} has no scheme; write {_choice(allowed_schemes or SCHEMES)} in front"
        )
    _check_allowed(text, scheme, allowed_schemes)
    for mark, code in (("#", "%23"), ("?", "%3F")):
        if mark in text:
            raise ValueError(f"{text!r} has a {mark!r}; as part of a name write it as {code}")
    if scheme == "file":
        return file_uri(file_path(URL(text)))
    return normalize(URL(text), scope, allowed_schemes=allowed_schemes, short=short)


def normalize(
    uri: URL, scope: Scope, *, allowed_schemes: Collection[str] = (), short: bool = False
) -> URL:
    """Expand a URI of the platform to its long form, or abbreviate it to its short one.

    Raises:
        ValueError: the URI has parts that make no sense in it, or a scheme that is not allowed.
    """
    _check(uri, allowed_schemes)
    expanded = uri if uri.host else _expand(uri, scope)
    return shorten(expanded, scope) if short else expanded


def shorten(uri: URL, scope: Scope) -> URL:
    """Drop cluster, organisation and user where they are the current ones, and trailing slashes."""
    path = uri.raw_path.rstrip("/")
    home = "".join(f"/{_quoted(part)}" for part in scope.prefix)
    if uri.raw_host == scope.cluster_name and (path == home or path.startswith(f"{home}/")):
        rest = path[len(home) :].lstrip("/")
        if rest.startswith("~"):
            rest = f"./{rest}"
        return URL(f"{uri.scheme}:{rest}", encoded=True)
    return URL(f"{uri.scheme}://{uri.raw_authority}{path}", encoded=True)


def child(uri: URL, name: str) -> URL:
    """Append one path component, whatever its characters; ``ValueError`` for ``.`` and ``..``."""
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"{name!r} is not the name of something inside {uri}")
    base = str(uri)
    glue = "" if base.endswith(("/", ":")) else "/"
    if name.startswith("~") and base.endswith(":"):
        glue = "./"
    return URL(f"{base}{glue}{_quoted(name)}", encoded=True)


def storage_path(uri: URL) -> str:
    """Return the decoded path of a long URI, without the leading slash."""
    return unquote(uri.raw_path, errors="surrogateescape").lstrip("/")


def file_uri(path: Path) -> URL:
    """Return the absolute ``file:`` URL of a path; a relative one starts at the current folder."""
    text = Path(os.path.abspath(".")).joinpath(path).as_posix()
    quoted = quote(os.fsencode(text), safe=f"/{_SAFE}")
    return URL(f"file://{'' if quoted.startswith('/') else '/'}{quoted}", encoded=True)


def file_path(uri: URL) -> Path:
    """Return the path of a ``file:`` URL.

    Raises:
        ValueError: another scheme, or a part that a local path cannot have.
    """
    if uri.scheme != "file":
        raise ValueError(f"{uri} is not a local file; write file:PATH")
    if uri.host:
        raise ValueError(f"{uri} names the host {uri.host!r}; write file:///PATH for this machine")
    _check_parts(uri)
    text = os.fsdecode(unquote(uri.raw_path, errors="surrogateescape"))
    if text.startswith("~"):
        raise ValueError(f"{uri}: a tilde is not expanded in a URL; write the whole path")
    return Path(text)


def _expand(uri: URL, scope: Scope) -> URL:
    path = uri.raw_path
    if path.startswith("/"):
        prefix = scope.prefix[:-1]
        path = path.lstrip("/")
    else:
        prefix = scope.prefix
    root = "".join(f"/{_quoted(part)}" for part in prefix)
    base = f"{uri.scheme}://{scope.cluster_name}{root}"
    # Built from text, so that `..` is resolved and everything is quoted in one canonical way.
    return URL(f"{base}/{path}" if path or not prefix else base)


def _check(uri: URL, allowed_schemes: Collection[str]) -> None:
    if not uri.scheme:
        raise ValueError(
            f"{str(uri)!r} has no scheme; write {_choice(allowed_schemes or SCHEMES)} in front"
        )
    _check_allowed(str(uri), uri.scheme, allowed_schemes)
    if uri.scheme not in SCHEMES and not uri.host:
        raise ValueError(
            f"{str(uri)!r} has the unknown scheme {uri.scheme!r}; known are {_choice(SCHEMES)}"
        )
    _check_parts(uri)
    if (uri.host or "").startswith("~") or uri.path.lstrip("/").startswith("~"):
        raise ValueError(f"{uri}: a tilde has no meaning here; leave out the home, as in storage:x")


def _check_parts(uri: URL) -> None:
    if uri.fragment:
        raise ValueError(f"{uri} has a fragment; as part of a name write '#' as %23")
    if uri.query_string:
        raise ValueError(f"{uri} has a query; as part of a name write '?' as %3F")
    if uri.user or uri.password:
        raise ValueError(f"A {uri.scheme}: URI has no user or password; leave them out")
    if uri.port is not None:
        raise ValueError(f"{uri} has a port; leave it out")


def _check_allowed(text: str, scheme: str, allowed_schemes: Collection[str]) -> None:
    if allowed_schemes and scheme not in allowed_schemes:
        raise ValueError(f"{text!r} has the scheme {scheme!r}; expected {_choice(allowed_schemes)}")


def _choice(schemes: Collection[str]) -> str:
    names = [f"{scheme}:" for scheme in schemes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r}: there is no such user; write the whole path") from None


def _quoted(component: str) -> str:
    return quote(component.encode("utf-8", "surrogateescape"), safe=_SAFE)
