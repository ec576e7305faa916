"""The one converter between JSON and records; what does not fit names its place in the JSON."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ClassValidationError, IterableValidationError
from yarl import URL

from .errors import ProtocolError

T = TypeVar("T")


@cache
def converter() -> Converter:
    """Return the converter, made on first use; register hooks of a package's own types on it."""
    found = Converter(detailed_validation=True)
    for cls in (str, bool, int, float):
        found.register_structure_hook(cls, _exact(cls))
    found.register_structure_hook(URL, lambda value, _: URL(_text(value)))
    found.register_structure_hook(Decimal, lambda value, _: _decimal(value))
    found.register_structure_hook(datetime, lambda value, _: _datetime(_text(value)))
    found.register_unstructure_hook(URL, str)
    found.register_unstructure_hook(Decimal, str)
    found.register_unstructure_hook(datetime, datetime.isoformat)
    return found


def structure(value: Any, cls: type[T]) -> T:
    """Build a record of type ``cls`` from decoded JSON; unknown keys are ignored.

    Raises:
        ProtocolError: something is missing or of a wrong type. The message names the place, as in
            ``$.jobs[3].history.status``, and never repeats the value, which may be a secret.
    """
    try:
        return converter().structure(value, cls)
    except (BaseValidationError, ValueError, TypeError, KeyError) as error:
        problems = "; ".join(_problems(error, "$")) or "it has an unexpected shape"
        raise ProtocolError(
            f"The answer is not a {getattr(cls, '__name__', 'record')} as expected: {problems}"
        ) from None


def unstructure(record: Any) -> Any:
    """Turn a record into what ``json.dumps`` takes."""
    return converter().unstructure(record)


def _problems(error: BaseException, path: str) -> Iterator[str]:
    if isinstance(error, ClassValidationError):
        for attribute_error, note in error.group_exceptions()[0]:
            yield from _problems(attribute_error, f"{path}.{note.name}")
        for other in error.group_exceptions()[1]:
            yield from _problems(other, path)
    elif isinstance(error, IterableValidationError):
        for item_error, item_note in error.group_exceptions()[0]:
            index = item_note.index
            place = f"[{index}]" if isinstance(index, int) else f".{index}"
            yield from _problems(item_error, f"{path}{place}")
        for other in error.group_exceptions()[1]:
            yield from _problems(other, path)
    elif isinstance(error, BaseValidationError):
        yield f"{path} does not fit ({len(transform_error(error))} problems)"
    elif isinstance(error, KeyError):
        yield f"{path} is missing" if path != "$" else f"{path}.{error.args[0]} is missing"
    elif isinstance(error, _WrongTypeError):
        yield f"{path} {error}"
    else:
        yield f"{path} cannot be read"


class _WrongTypeError(TypeError):
    """Say what was expected and what kind of value came, not its content."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"should be {expected}, not {_kind(value)}")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return {str: "a text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(value), type(value).__name__
    )


def _exact(cls: type) -> Any:
    accepted = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}[cls]

    def hook(value: Any, target: type) -> Any:
        if issubclass(target, enum.Enum):
            # The hook of `str` is also found for enums that are texts.
            return target(value)
        if isinstance(value, bool) and cls is not bool:
            raise _WrongTypeError(f"a {cls.__name__}", value)
        if cls is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, accepted) or isinstance(value, enum.Enum):
            raise _WrongTypeError(f"a {cls.__name__}", value)
        return cls(value)

    return hook


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongTypeError("a text", value)
    return value


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongTypeError("a decimal number", value)
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise _WrongTypeError("a decimal number", value) from None


def _datetime(text: str) -> datetime:
    """Read ISO 8601; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _WrongTypeError("an ISO 8601 time", text) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
