"""What a row of the tables of runai-trainings.md §5 says, and how to put a value into a request."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

UUID = "6f6f0b1e-0f6e-4c39-9d3e-1f2d3c4b5a69"
_INT32 = ["1", True, 1.5, -1, 2**31]
# For each type: values that are of it, and values that are not.
VALUES: Mapping[str, tuple[Sequence[Any], Sequence[Any]]] = {
    "string": (["some text"], ["", 5, True, ["x"], {"x": 1}]),
    "id": (["7", 7, "some-project"], ["", True, 1.5, ["x"]]),
    "text": (["some text", ""], [5, True, ["x"], {"x": 1}]),
    "uuid": ([UUID, UUID.upper()], ["", "6f6f0b1e", UUID + "0", 5]),
    "boolean": ([True, False], ["true", 1, 0.5, []]),
    "int32": ([1, 2**31 - 1], _INT32),
    "int64": ([1, 2**63 - 1], [*_INT32[:-1], 2**63]),
    "port": ([1, 65535], [*_INT32, 0, 65536]),
    "number": ([0, 1, 0.25], ["0.5", True, -0.1, []]),
    "quantity": (["10M", "1G", "500Mi", "0.5", "1e3", 2], ["1.2.3", "8Gj", "-1", "", True, []]),
    "enum": ([], ["Nope", "", 5, True]),
    "list of string": ([["a", "b"], []], ["a", [5], [""], {"a": 1}]),
    "list of text": ([["a", ""], []], ["a", [5], {"a": 1}]),
    "list of enum": ([[]], ["CHOWN", ["Nope"], [5]]),
    "object": ([], ["x", 5, [], True]),
    "list of object": ([[]], ["x", 5, {}, ["x"], [None]]),
}
# The name of a type in the exported table of fields, where it is another.
LABELS = {
    "id": "string",
    "list of text": "list of string",
    "text": "string",
    "uuid": "string",
    "port": "int32",
}


@attrs.frozen(kw_only=True)
class Row:
    """Hold one row; illegal values are refused from the version ``enforced`` on."""

    path: str
    type: str
    since: str | None
    removed: str | None
    enforced: str | None
    required: bool
    legal: Sequence[Any]
    illegal: Sequence[Any]
    beside: Mapping[str, Any]

    @property
    def label(self) -> str:
        return LABELS.get(self.type, self.type)

    def __str__(self) -> str:
        return self.path


def section(parent: str, *rows: Row) -> list[Row]:
    """Put rows below an object."""
    return [attrs.evolve(row, path=f"{parent}.{row.path}" if parent else row.path) for row in rows]


def row(
    path: str,
    type: str,
    since: str | None = None,
    *,
    removed: str | None = None,
    enforced: str | None = None,
    required: bool = False,
    legal: Sequence[Any] | None = None,
    illegal: Sequence[Any] = (),
    beside: Mapping[str, Any] | None = None,
) -> Row:
    """Write down a row.

    ``legal`` replaces the type's own legal values, ``illegal`` adds to the illegal ones;
    ``beside`` are fields that rules between fields ask for.
    """
    return Row(
        path=path,
        type=type,
        since=since,
        removed=removed,
        enforced=enforced,
        required=required,
        legal=VALUES[type][0] if legal is None else legal,
        illegal=[*VALUES[type][1], *illegal],
        beside=beside or {},
    )


def enum(path: str, values: str, since: str | None = None, **facts: Any) -> Row:
    """Write down a row of an enum."""
    return row(path, "enum", since, legal=values.split(), **facts)


def request(
    path: str, value: Any, minimal: Mapping[str, Any], beside: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the smallest request that has the value at the path; ``minimal`` is per object."""
    top: dict[str, Any] = copy.deepcopy(minimal[""])
    here, walked = top, ""
    *parents, last = path.split(".")
    for step in parents:
        walked = f"{walked}.{step}" if walked else step
        below = copy.deepcopy(minimal.get(walked, {}))
        name = step.removesuffix("[]")
        here[name] = [below] if step.endswith("[]") else below
        here = below
    here.update(beside)
    here[last] = value
    return top


def place(path: str) -> str:
    """Return the path of the value that `request` makes."""
    return path.replace("[]", "[0]")


def before(version: str) -> str:
    """Return the version before this one."""
    major, minor = re.findall(r"\d+", version)
    return f"{major}.{int(minor) - 1}"


def versions(row: Row, rows: Mapping[str, Row]) -> tuple[str, ...]:
    """Return the oldest and the newest version that has a field and all it is in."""
    around = [rows[path] for path in _above(row.path) if path in rows]
    known = [row.enforced, *(found.since for found in [row, *around])]
    since = [version for version in known if version is not None]
    oldest = max(since, key=lambda text: int(text.split(".")[1]), default="2.18")
    return oldest, before(row.removed) if row.removed else "latest"


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path.removesuffix("[]")
