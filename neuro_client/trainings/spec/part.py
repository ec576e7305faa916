"""The common base of a spec and its parts: reading, writing and checking by the field table."""

from __future__ import annotations

import copy
import enum
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar, cast

import attrs

from ...wire import converter
from .kinds import Kind, NotReadableError, gate
from .naming import join, wire_name
from .quantity import Quantity
from .versions import Asked
from .violations import InvalidSpecError, Rule, Violation

PartT = TypeVar("PartT", bound="Part")

_TABLES: dict[type[Part], tuple[Entry, ...]] = {}


@attrs.frozen
class Entry:
    """Describe one field of a part: its names, its type, the versions that have it."""

    attribute: str
    kind: Kind
    since: str | None
    removed: str | None
    required: bool
    unit: str | None
    hidden: bool

    @property
    def wire(self) -> str:
        """Return the name on the wire."""
        return wire_name(self.attribute)


def about(
    kind: Kind,
    *,
    since: str | None = None,
    removed: str | None = None,
    required: bool = False,
    unit: str | None = None,
    hidden: bool = False,
) -> dict[str, Any]:
    """Make the metadata of a field; ``hidden`` keeps its value out of ``repr``."""
    facts = {"since": since, "removed": removed, "required": required, "unit": unit}
    return {"wire": {"kind": kind, "hidden": hidden, **facts}}


def wire(kind: Kind, **facts: Any) -> Any:
    """Make a field of a part that is not set unless given; ``facts`` are those of `about`."""
    return attrs.field(default=None, metadata=about(kind, **facts))


def entries(part: type[Part]) -> tuple[Entry, ...]:
    """List the fields of a part, in the order they are written."""
    if part not in _TABLES:
        _TABLES[part] = tuple(
            Entry(field.name, **field.metadata["wire"])
            for field in attrs.fields(part)
            if "wire" in field.metadata
        )
    return _TABLES[part]


@attrs.frozen(kw_only=True, repr=False)
class Part:
    """Be a part of a spec. None is "not set", and is not sent.

    ``extra`` keeps, by their names on the wire, fields that this version does not know and values
    that their fields cannot hold; both are sent back as they came, and checks report them.
    """

    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)

    def __attrs_post_init__(self) -> None:
        extra = dict(self.extra)
        for entry in entries(type(self)):
            kept = extra.pop(entry.wire, None)
            value = getattr(self, entry.attribute)
            if value is None:
                value = kept
            if value is None:
                continue
            try:
                read = entry.kind.read(value)
            except NotReadableError:
                extra[entry.wire], read = value, None
            object.__setattr__(self, entry.attribute, read)
        object.__setattr__(self, "extra", extra)

    @classmethod
    def from_dict(cls: type[PartT], data: Mapping[str, Any]) -> PartT:
        """Read decoded JSON; null is the same as absent, whatever does not fit goes to ``extra``.

        Raises:
            InvalidSpecError: the data is no object.
        """
        received: object = data
        if not isinstance(received, Mapping):
            violation = Violation(cls.__name__, "must be an object", Rule.TYPE)
            raise InvalidSpecError(str(violation), violations=[violation])
        known = {entry.wire: entry for entry in entries(cls)}
        values: dict[str, Any] = {
            entry.attribute: None for entry in known.values() if entry.required
        }
        extra: dict[str, Any] = {}
        for key, value in data.items():
            entry = known.get(key)
            if entry is None:
                extra[key] = copy.deepcopy(value)
            elif value is not None:
                try:
                    values[entry.attribute] = entry.kind.read(value)
                except NotReadableError:
                    values[entry.attribute], extra[key] = None, copy.deepcopy(value)
        return cls(**values, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without what is not set."""
        written = {
            entry.wire: plain(value)
            for entry in entries(type(self))
            if (value := getattr(self, entry.attribute)) is not None
        }
        return {**written, **{key: plain(value) for key, value in self.extra.items()}}

    def given(self, attribute: str) -> bool:
        """Tell whether a field has a value, be it one that does not fit."""
        if getattr(self, attribute) is not None:
            return True
        return self.extra.get(wire_name(attribute)) is not None

    @property
    def excluded(self) -> bool:
        """Tell whether this only drops, by its name, an entry that a policy adds."""
        return getattr(self, "exclude", None) is True and bool(getattr(self, "name", None))

    def problems(self, path: str, asked: Asked) -> Iterator[Violation]:
        """Say all that is wrong here and below, with dotted paths that begin with ``path``."""
        known = entries(type(self))
        for entry in known:
            place = join(path, entry.wire)
            value = getattr(self, entry.attribute)
            if value is None:
                value = self.extra.get(entry.wire)
            if value is not None:
                yield from gate(place, asked, since=entry.since, removed=entry.removed)
                yield from entry.kind.problems(value, place, asked)
            elif entry.required and not self.excluded:
                yield Violation(place, "is required", Rule.REQUIRED)
        names = [entry.wire for entry in known]
        for key, value in self.extra.items():
            if key not in names and value is not None:
                yield from _unknown_problems(key, value, names, path, asked)
        yield from self.rules(path, asked)

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        """Say which rules between the fields of this part are broken."""
        yield from ()

    def __repr__(self) -> str:
        shown = [
            f"{entry.attribute}={'...' if entry.hidden else repr(value)}"
            for entry in entries(type(self))
            if (value := getattr(self, entry.attribute)) is not None
        ]
        if self.extra:
            shown.append(f"extra={{{', '.join(f'{key!r}: ...' for key in self.extra)}}}")
        return f"{type(self).__name__}({', '.join(shown)})"


@attrs.frozen
class Object(Kind):
    """Be an object that a part describes."""

    name: ClassVar[str] = "object"
    expected: ClassVar[str] = "an object"
    part: type[Part] = attrs.field(kw_only=True)

    def read(self, value: Any) -> Any:
        if isinstance(value, self.part):
            return value
        if not isinstance(value, Mapping):
            raise NotReadableError
        return self.part.from_dict(value)

    def problems_of_read(self, value: Part, path: str, asked: Asked) -> Iterator[Violation]:
        yield from value.problems(path, asked)

    def schema(self, asked: Asked) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.part.__name__}"}


def plain(value: Any) -> Any:
    """Return what ``json.dumps`` takes for what attributes and ``extra`` hold."""
    if isinstance(value, Part):
        return value.to_dict()
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_quantity(value: Quantity | str | float | Decimal | None) -> Quantity | None:
    """Read an argument; one that is no quantity is left for the checks to report."""
    try:
        return None if value is None else Quantity.of(value)
    except ValueError:
        return cast("Quantity", value)


def as_number(value: float | str | Decimal | Quantity | None) -> float | None:
    """Read an argument such as ``500m`` into a number, without rounding."""
    if isinstance(value, str | Decimal | Quantity):
        try:
            return Quantity.of(value).number()
        except ValueError:
            return cast("float", value)
    return value


def _unknown_problems(
    key: str, value: Any, names: list[str], path: str, asked: Asked
) -> Iterator[Violation]:
    place = join(path, str(key))
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        yield Violation(place, "must be a JSON value", Rule.TYPE)
    if asked.strict:
        near = get_close_matches(str(key), names, 1)
        hint = f"; {near[0]} is meant?" if near else ""
        yield Violation(place, f"is not a field that is known{hint}", Rule.UNKNOWN)


def _is_part(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Part)


converter().register_structure_hook_func(_is_part, lambda value, cls: cls.from_dict(value))
converter().register_unstructure_hook_func(_is_part, lambda part: part.to_dict())
