"""The kinds of values that the fields of a training take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ..quantities import quantity

Violation = tuple[str, str]
"""A dotted path, and what is wrong there."""
Version = tuple[int, int]
BASE: Version = (2, 18)
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
INT32, INT64 = 2**31 - 1, 2**63 - 1


class Walk:
    """Collect violations on the way through a document, as a version of the service sees it."""

    def __init__(self, version: Version, *, tolerant: bool = False) -> None:
        self.version = version
        self.tolerant = tolerant
        """Whether fields that the version does not know are passed over."""
        self.found: list[Violation] = []

    def add(self, path: str, text: str) -> None:
        """Note a violation."""
        self.found.append((path, text))


Kind = Callable[[Any, str, Walk], None]
"""Check a value that is there; paths are dotted."""


@attrs.frozen
class Field:
    """One field of an object: its kind, and the versions that know it."""

    kind: Kind
    required: bool = False
    since: Version = BASE
    until: Version | None = None
    """The first version that no longer has it."""


def text(
    *,
    most: int | None = None,
    pattern: str = "",
    pattern_since: Version = BASE,
    empty: bool = False,
) -> Kind:
    """Take a text, of one character at least unless it may be empty."""
    form = re.compile(pattern)

    def check(value: Any, path: str, walk: Walk) -> None:
        if not isinstance(value, str):
            walk.add(path, "must be a text")
        elif "\0" in value:
            walk.add(path, "must not have a NUL in it")
        elif not value and not empty:
            walk.add(path, "must not be empty")
        elif most is not None and len(value) > most:
            walk.add(path, f"must not be longer than {most} characters")
        elif pattern and walk.version >= pattern_since and not form.fullmatch(value):
            walk.add(path, f"must match {pattern}")

    return check


def flag(value: Any, path: str, walk: Walk) -> None:
    """Take true or false."""
    if not isinstance(value, bool):
        walk.add(path, "must be true or false")


def whole(least: int, most: int) -> Kind:
    """Take a whole number."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            walk.add(path, "must be a whole number")
        elif not least <= value <= most:
            walk.add(path, f"must be {_range(least, most)}")

    return check


def number(least: float, most: float = math.inf) -> Kind:
    """Take a number."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            walk.add(path, "must be a number")
        elif not least <= value <= most:
            walk.add(path, f"must be {_range(least, most)}")

    return check


def amount(value: Any, path: str, walk: Walk) -> None:
    """Take a quantity as Kubernetes writes it."""
    found = quantity(value) if isinstance(value, str) else None
    if found is None or found < 0:
        walk.add(path, 'must be a quantity like "500Mi"')


def amount_or_number(value: Any, path: str, walk: Walk) -> None:
    """Take a quantity, or one written as a number."""
    found = quantity(value)
    if found is None or found < 0:
        walk.add(path, 'must be a quantity like "2"')


def uuid(value: Any, path: str, walk: Walk) -> None:
    """Take a UUID."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        walk.add(path, "must be a UUID")


def one_of(
    *values: str,
    since: Mapping[str, Version] | None = None,
    until: Mapping[str, Version] | None = None,
) -> Kind:
    """Take one of some words, each from and up to its version."""

    def check(value: Any, path: str, walk: Walk) -> None:
        known = [
            word
            for word in values
            if (since or {}).get(word, BASE) <= walk.version
            and not ((until or {}).get(word) or (999, 0)) <= walk.version
        ]
        if value not in known:
            walk.add(path, f"must be one of {', '.join(known)}")

    return check


def list_of(kind: Kind) -> Kind:
    """Take a list; items that are null are as good as absent."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if not isinstance(value, list):
            walk.add(path, "must be a list")
            return
        for place, item in enumerate(value):
            if item is not None:
                kind(item, f"{path}[{place}]", walk)

    return check


def objects(fields: Mapping[str, Field]) -> Kind:
    """Take an object; a field that is null is as good as absent."""

    def check(value: Any, path: str, walk: Walk) -> None:
        if not isinstance(value, dict):
            walk.add(path, "must be an object")
            return
        for name, inner in value.items():
            field, where = fields.get(name), f"{path}.{name}"
            if inner is None or (name == "exclude" and inner is False):
                continue  # newer clients say with every entry that it is not excluded
            if field is None:
                if not walk.tolerant:
                    walk.add(where, "is not known")
            elif walk.tolerant:
                field.kind(inner, where, walk)
            elif walk.version < field.since:
                walk.add(where, f"came with version {_version(field.since)}")
            elif field.until is not None and walk.version >= field.until:
                walk.add(where, f"was removed with version {_version(field.until)}")
            else:
                field.kind(inner, where, walk)
        if value.get("exclude") is True:
            return  # it names what a policy gives, to drop it
        for name, field in fields.items():
            if field.required and value.get(name) is None:
                walk.add(f"{path}.{name}", "is missing")

    return check


def entries(value: Any) -> Sequence[tuple[int, Mapping[str, Any]]]:
    """Give the objects of a list with their places, those left out that are excluded."""
    found = value if isinstance(value, list) else []
    return [
        (place, one)
        for place, one in enumerate(found)
        if isinstance(one, dict) and one.get("exclude") is not True
    ]


def _version(version: Version) -> str:
    return ".".join(map(str, version))


def _range(least: float, most: float) -> str:
    return f"{least} or more" if most in (math.inf, INT32, INT64) else f"from {least} to {most}"
