"""What the field table says, for other programs: as JSON Schema and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from .kinds import Kind, ListOf, gate
from .models import TrainingRequest
from .naming import join
from .part import Entry, Object, Part, entries
from .versions import DEFAULT_VERSION, Asked

_NULL = {"type": "null"}


@attrs.frozen
class FieldInfo:
    """Describe one field of the wire; ``since`` None is the oldest version known, 2.17.

    ``path`` is dotted, with ``[]`` behind lists. ``removed`` is the first version without it.
    """

    path: str
    type: str
    unit: str | None
    since: str | None
    removed: str | None
    required: bool


def field_table(part: type[Part] = TrainingRequest) -> tuple[FieldInfo, ...]:
    """List all fields of a request, or of a part, in the order they are written."""
    return tuple(_rows(part, ""))


def json_schema(
    part: type[Part] = TrainingRequest, *, version: str = DEFAULT_VERSION, strict: bool = True
) -> dict[str, Any]:
    """Describe the JSON of a request, or of a part, in JSON Schema of draft 2020-12.

    It says what single fields may be, for a server of this version; the rules between fields
    are only in `TrainingRequest.violations`.
    """
    asked = Asked.of(version, strict)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{part.__name__}, version {asked.version}",
        "$ref": f"#/$defs/{part.__name__}",
        "$defs": {found.__name__: _definition(found, asked) for found in _parts(part)},
    }


def _rows(part: type[Part], path: str) -> Iterator[FieldInfo]:
    for entry in entries(part):
        place = join(path, entry.wire)
        yield FieldInfo(
            path=place,
            type=entry.kind.label,
            unit=entry.unit,
            since=entry.since,
            removed=entry.removed,
            required=entry.required,
        )
        below = _part_of(entry.kind)
        if below is not None:
            yield from _rows(below, f"{place}[]" if isinstance(entry.kind, ListOf) else place)


def _part_of(kind: Kind) -> type[Part] | None:
    if isinstance(kind, ListOf):
        return _part_of(kind.item)
    return kind.part if isinstance(kind, Object) else None


def _parts(part: type[Part]) -> dict[type[Part], None]:
    """Collect a part and all below it, each once."""
    found: dict[type[Part], None] = {part: None}
    for entry in entries(part):
        below = _part_of(entry.kind)
        if below is not None:
            found.update(_parts(below))
    return found


def _definition(part: type[Part], asked: Asked) -> dict[str, Any]:
    """Describe a part; null stands for absent everywhere, also of fields a version lacks."""
    known = entries(part)
    definition: dict[str, Any] = {
        "type": "object",
        "properties": {entry.wire: _property(entry, asked) for entry in known},
        "additionalProperties": _NULL if asked.strict else True,
    }
    required = [entry.wire for entry in known if entry.required]
    if not required:
        return definition
    there = {"required": required, "properties": {key: {"not": _NULL} for key in required}}
    if not {"name", "exclude"} <= {entry.wire for entry in known}:
        return {**definition, "allOf": [there]}
    # An entry that drops one of a policy needs no more than the name.
    named = {"type": "string", "minLength": 1}
    drops = {
        "required": ["name", "exclude"],
        "properties": {"name": named, "exclude": {"const": True}},
    }
    return {**definition, "anyOf": [drops, there]}


def _property(entry: Entry, asked: Asked) -> dict[str, Any]:
    if any(gate("", asked, since=entry.since, removed=entry.removed)):
        return dict(_NULL)
    schema: dict[str, Any] = {"anyOf": [entry.kind.schema(asked), _NULL]}
    if entry.unit is not None:
        schema["description"] = f"in {entry.unit}"
    return schema
