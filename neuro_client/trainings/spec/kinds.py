"""The types that fields have on the wire: how each is read, checked and described."""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs

from .limits import Limit, at_least, at_most, matches, not_empty
from .quantity import PATTERN, Quantity
from .versions import Asked, Version
from .violations import Rule, Violation

_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_HEX = "[0-9a-fA-F]"


class NotReadableError(ValueError):
    """Say that a value is not of its field's type."""

    def __init__(self, rule: Rule = Rule.TYPE) -> None:
        super().__init__(rule.value)
        self.rule = rule


@attrs.frozen
class Kind(ABC):
    """Describe one type of a field; ``limits`` narrow it."""

    name: ClassVar[str]
    expected: ClassVar[str]
    limits: tuple[Limit, ...] = ()

    @property
    def label(self) -> str:
        """Return the type as the table of fields names it."""
        return self.name

    @abstractmethod
    def read(self, value: Any) -> Any:
        """Return what an attribute holds for a value; a value read before stays as it is.

        Raises:
            NotReadableError: the value is of another type.
        """

    @abstractmethod
    def schema(self, asked: Asked) -> dict[str, Any]:
        """Describe a value that is not null in JSON Schema."""

    def problems(self, value: Any, path: str, asked: Asked) -> Iterator[Violation]:
        """Say what is wrong with a value, read or not."""
        try:
            read = self.read(value)
        except NotReadableError as error:
            yield Violation(path, f"must be {self.expected}", error.rule)
            return
        yield from self.problems_of_read(read, path, asked)

    def problems_of_read(self, value: Any, path: str, asked: Asked) -> Iterator[Violation]:
        """Say what is wrong with a value of the right type."""
        for limit in self.limits:
            if limit.applies(asked) and not limit.allows(value):
                yield Violation(path, limit.message, limit.rule)

    def narrowed(self, schema: dict[str, Any], asked: Asked) -> dict[str, Any]:
        """Add what the limits say to a schema."""
        for limit in self.limits:
            if limit.applies(asked):
                schema.update(limit.schema)
        return schema


class Text(Kind):
    """Be a text."""

    name = "string"
    expected = "a text"

    def read(self, value: Any) -> Any:
        if isinstance(value, enum.Enum) or not isinstance(value, str):
            raise NotReadableError
        return value

    def schema(self, asked: Asked) -> dict[str, Any]:
        return self.narrowed({"type": "string"}, asked)


class Identifier(Text):
    """Be a text that may come as a whole number."""

    expected = "a text or a whole number"

    def read(self, value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return str(value) if is_number else super().read(value)

    def schema(self, asked: Asked) -> dict[str, Any]:
        return self.narrowed({"type": ["string", "integer"]}, asked)


class Flag(Kind):
    """Be a boolean."""

    name = "boolean"
    expected = "true or false"

    def read(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise NotReadableError
        return value

    def schema(self, asked: Asked) -> dict[str, Any]:
        return {"type": "boolean"}


@attrs.frozen
class Integer(Kind):
    """Be a whole number that fits its bits."""

    name: ClassVar[str] = "integer"
    expected: ClassVar[str] = "a whole number"
    bits: int = 32

    @property
    def label(self) -> str:
        return f"int{self.bits}"

    def read(self, value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool | enum.Enum) or not isinstance(value, int):
            raise NotReadableError
        return value

    def schema(self, asked: Asked) -> dict[str, Any]:
        return self.narrowed({"type": "integer"}, asked)


class Number(Kind):
    """Be a finite number."""

    name = "number"
    expected = "a number"

    def read(self, value: Any) -> Any:
        if isinstance(value, bool | enum.Enum) or not isinstance(value, int | float):
            raise NotReadableError
        if not math.isfinite(value):
            raise NotReadableError
        return value

    def schema(self, asked: Asked) -> dict[str, Any]:
        return self.narrowed({"type": "number"}, asked)


class Amount(Kind):
    """Be a quantity: a text, or a number that is sent as a text."""

    name = "quantity"
    expected = "a quantity such as 500m, 20M, 8Gi or 1e3"

    def read(self, value: Any) -> Any:
        try:
            return Quantity.of(value)
        except ValueError:
            rule = Rule.PATTERN if isinstance(value, str) else Rule.TYPE
            raise NotReadableError(rule) from None

    def schema(self, asked: Asked) -> dict[str, Any]:
        return {"type": ["string", "number"], "pattern": f"^(?:{PATTERN})$", "minimum": 0}


@attrs.frozen
class Choice(Kind):
    """Be one of the values of an enum; another text stays a text and is a violation.

    ``since`` and ``removed`` are versions of single values. Before ``enforced`` any text will
    do; from ``open_from`` on, any text will do where doubts are not refused.
    """

    name: ClassVar[str] = "enum"
    expected: ClassVar[str] = "a text"
    values: type[enum.Enum] = attrs.field(kw_only=True)
    since: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    removed: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    enforced: str = attrs.field(default="0.0", kw_only=True)
    open_from: str | None = attrs.field(default=None, kw_only=True)

    def read(self, value: Any) -> Any:
        if isinstance(value, enum.Enum) and not isinstance(value, self.values):
            raise NotReadableError
        if not isinstance(value, str):
            raise NotReadableError
        try:
            return self.values(value)
        except ValueError:
            return value

    def problems_of_read(self, value: Any, path: str, asked: Asked) -> Iterator[Violation]:
        if self._is_free(asked):
            if value == "":
                yield Violation(path, "must not be empty", Rule.LENGTH)
            return
        if not isinstance(value, self.values):
            allowed = ", ".join(self.allowed(asked))
            yield Violation(path, f"must be one of {allowed}", Rule.OPTIONS)
            return
        yield from gate(
            path,
            asked,
            since=self.since.get(value.value),
            removed=self.removed.get(value.value),
            what=f"has the value {value.value}, which",
        )

    def allowed(self, asked: Asked) -> list[str]:
        """List the values that the asked version has."""
        return [
            member.value
            for member in self.values
            if not any(
                gate(
                    "",
                    asked,
                    since=self.since.get(member.value),
                    removed=self.removed.get(member.value),
                )
            )
        ]

    def schema(self, asked: Asked) -> dict[str, Any]:
        if self._is_free(asked):
            return {"type": "string", "minLength": 1}
        return {"type": "string", "enum": self.allowed(asked)}

    def _is_free(self, asked: Asked) -> bool:
        if asked.version < Version.parse(self.enforced):
            return True
        if asked.strict or self.open_from is None:
            return False
        return asked.version >= Version.parse(self.open_from)


@attrs.frozen
class ListOf(Kind):
    """Be a list of values of one kind."""

    name: ClassVar[str] = "list"
    expected: ClassVar[str] = "a list"
    item: Kind = attrs.field(kw_only=True)

    @property
    def label(self) -> str:
        return f"list of {self.item.label}"

    def read(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise NotReadableError
        return tuple(self.item.read(item) for item in value)

    def problems(self, value: Any, path: str, asked: Asked) -> Iterator[Violation]:
        if not isinstance(value, list | tuple):
            yield Violation(path, f"must be {self.expected}", Rule.TYPE)
            return
        for index, item in enumerate(value):
            yield from self.item.problems(item, f"{path}[{index}]", asked)

    def schema(self, asked: Asked) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(asked)}


def gate(
    path: str,
    asked: Asked,
    *,
    since: str | None,
    removed: str | None,
    what: str = "is a field that",
) -> Iterator[Violation]:
    """Refuse what the asked version does not have yet, or has no longer."""
    if since is not None and asked.version < Version.parse(since):
        message = f"{what} needs version {since} or newer; {asked.version} was asked for"
        yield Violation(path, message, Rule.SINCE)
    if removed is not None and asked.version >= Version.parse(removed):
        message = f"{what} was removed in version {removed}; {asked.version} was asked for"
        yield Violation(path, message, Rule.REMOVED)


def text(*limits: Limit, empty: bool = False) -> Text:
    """Make a text, not empty unless said so."""
    return Text(limits if empty else (not_empty(), *limits))


def int32(least: int = 0, most: int = _INT32) -> Integer:
    """Make a whole number of 32 bits."""
    return Integer((at_least(least), at_most(most)), bits=32)


def int64(least: int = 0) -> Integer:
    """Make a whole number of 64 bits."""
    return Integer((at_least(least), at_most(_INT64)), bits=64)


def number(least: int = 0, most: int | None = None) -> Number:
    """Make a number that may have a fraction."""
    return Number((at_least(least), *([] if most is None else [at_most(most)])))


def uuid() -> Text:
    """Make a text of the form of a UUID."""
    form = "-".join(f"{_HEX}{{{count}}}" for count in (8, 4, 4, 4, 12))
    return Text((matches(form, "a UUID", Rule.UUID),))


PORT = int32(1, 65535)
BOOL = Flag()
QUANTITY = Amount()
