"""Read JSON objects field by field, refusing what does not belong (jobs.md §3: 400)."""

from __future__ import annotations

import math
import posixpath
import shlex
from collections.abc import Callable, Mapping
from typing import TypeVar

from aiohttp import web
from yarl import URL

from ...errors import refuse
from ...requests import read_json

T = TypeVar("T")
_MISSING = object()


class Fields:
    """The fields of one JSON object; `end` refuses those nobody asked for."""

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, Mapping):
            raise invalid(where or "The request body", "must be a JSON object")
        self._left = dict(value)
        self._where = f"{where}." if where else ""

    def path(self, name: str) -> str:
        """Give the full name of a field for messages."""
        return self._where + name

    def take(
        self,
        names: str,
        check: Callable[[object, str], T],
        default: object = _MISSING,
    ) -> T:
        """Read a field or one of its ``|``-separated aliases; required without a default."""
        for name in names.split("|"):
            if name in self._left:
                return check(self._left.pop(name), self.path(name))
        if default is _MISSING:
            raise invalid(self.path(names.partition("|")[0]), "is required")
        return default  # type: ignore[return-value]

    def has(self, name: str) -> bool:
        """Tell whether a field was sent and not read yet."""
        return name in self._left

    def end(self) -> None:
        """Refuse unknown fields."""
        if self._left:
            names = ", ".join(sorted(self.path(name) for name in self._left))
            raise refuse(400, f"Unknown fields in the request: {names}")


def invalid(path: str, text: str) -> web.HTTPError:
    """Build the refusal of one field."""
    return refuse(400, f"{path} {text}")


async def body(request: web.Request) -> object:
    """Read the JSON body."""
    return await read_json(request)


def boolean(value: object, path: str) -> bool:
    """Accept true and false."""
    if not isinstance(value, bool):
        raise invalid(path, "must be true or false")
    return value


def string(value: object, path: str) -> str:
    """Accept any string."""
    if not isinstance(value, str):
        raise invalid(path, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can say half a character, which no file and no database can hold.
        raise invalid(path, "must be a string of whole characters") from None
    return value


def text(value: object, path: str) -> str:
    """Accept a string that is not empty."""
    if not string(value, path):
        raise invalid(path, "must not be empty")
    return str(value)


def optional(check: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    """Accept null as well."""
    return lambda value, path: None if value is None else check(value, path)


def integer(least: int, most: int | None = None) -> Callable[[object, str], int]:
    """Accept whole numbers in a range."""

    def check(value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(path, "must be a whole number")
        if value < least or (most is not None and value > most):
            limit = f"at least {least}" if most is None else f"from {least} to {most}"
            raise invalid(path, f"must be {limit}, not {value}")
        return value

    return check


def number(value: object, path: str) -> float:
    """Accept finite numbers."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(path, "must be a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise invalid(path, "must be a finite number")
    return found


def one_of(*choices: str) -> Callable[[object, str], str]:
    """Accept one of some words."""

    def check(value: object, path: str) -> str:
        if value not in choices:
            raise invalid(path, f"must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return check


def items(check: Callable[[object, str], T]) -> Callable[[object, str], list[T]]:
    """Accept a list."""

    def check_all(value: object, path: str) -> list[T]:
        if not isinstance(value, list):
            raise invalid(path, "must be a list")
        return [check(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check_all


def mapping(check: Callable[[object, str], T]) -> Callable[[object, str], dict[str, T]]:
    """Accept an object with values of one kind."""

    def check_all(value: object, path: str) -> dict[str, T]:
        if not isinstance(value, Mapping):
            raise invalid(path, "must be an object")
        return {string(name, path): check(item, f"{path}.{name}") for name, item in value.items()}

    return check_all


def command_line(value: object, path: str) -> str:
    """Accept what POSIX shell rules can split."""
    line = text(value, path)
    try:
        shlex.split(line)
    except ValueError as error:
        raise invalid(path, f"cannot be split into words: {error}") from None
    if "\0" in line:
        raise invalid(path, "must not contain NUL")
    return line


def absolute_path(value: object, path: str) -> str:
    """Accept a path of a container without ``..``."""
    place = text(value, path)
    if not place.startswith("/") or ".." in place.split("/") or "\0" in place:
        raise invalid(path, f"must be an absolute path without '..', not {place!r}")
    return place if place == "/" else posixpath.normpath(place).replace("//", "/")


def resource_uri(scheme: str, cluster: str, *, parts: int) -> Callable[[object, str], str]:
    """Accept URIs of one scheme in the job's cluster with at least ``parts`` path components."""

    def check(value: object, path: str) -> str:
        try:
            uri = URL(text(value, path))
        except ValueError as error:
            raise invalid(path, f"is not a URI: {error}") from None
        if uri.scheme != scheme or not uri.host:
            raise invalid(path, f"must start with {scheme}://{cluster}/, not be {value!r}")
        if uri.host != cluster:
            raise invalid(path, f"is of cluster {uri.host!r}, but the job runs in {cluster!r}")
        if "?" in str(value) or "#" in str(value):
            raise invalid(path, "must not have a query or fragment")
        found = [part for part in uri.path.split("/") if part]
        # yarl resolves dots while it parses, so they are looked for in what was sent
        if ".." in str(value).split("/") or ".." in found or "\0" in uri.path:
            raise invalid(path, "must not have '..' in it")
        if len(found) < parts:
            raise invalid(path, "must have an owner and a name")
        return str(uri)

    return check
