"""What the values of a field may be, besides their type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .versions import Asked, Version
from .violations import Rule


@attrs.frozen
class Limit:
    """Refuse some values; ``schema`` says the same in JSON Schema.

    A limit may hold from a version on, or only where the caller wants doubts refused.
    """

    rule: Rule
    message: str
    allows: Callable[[Any], bool]
    schema: Mapping[str, Any]
    since: Version | None = None
    strict: bool = False

    def applies(self, asked: Asked) -> bool:
        """Tell whether the limit holds for what was asked."""
        if self.strict and not asked.strict:
            return False
        return self.since is None or asked.version >= self.since

    def from_version(self, text: str) -> Limit:
        """Return the limit for this version and newer ones only."""
        return attrs.evolve(self, since=Version.parse(text))

    def when_strict(self) -> Limit:
        """Return the limit for strict checks only."""
        return attrs.evolve(self, strict=True)


def at_least(bound: int) -> Limit:
    """Refuse smaller numbers."""
    return Limit(
        Rule.MINIMUM,
        f"must be at least {bound}",
        lambda value: bool(value >= bound),
        {"minimum": bound},
    )


def at_most(bound: int) -> Limit:
    """Refuse larger numbers."""
    return Limit(
        Rule.MAXIMUM,
        f"must be at most {bound}",
        lambda value: bool(value <= bound),
        {"maximum": bound},
    )


def not_empty() -> Limit:
    """Refuse the empty text."""
    return Limit(Rule.LENGTH, "must not be empty", lambda text: text != "", {"minLength": 1})


def at_most_chars(bound: int) -> Limit:
    """Refuse longer texts; the bound counts characters."""
    return Limit(
        Rule.LENGTH,
        f"must have at most {bound} characters",
        lambda text: len(text) <= bound,
        {"maxLength": bound},
    )


def matches(pattern: str, what: str, rule: Rule = Rule.PATTERN) -> Limit:
    """Refuse texts that the pattern does not match from end to end; ``what`` names the form."""
    form = re.compile(pattern)
    return Limit(
        rule,
        f"must be {what}",
        lambda text: form.fullmatch(text) is not None,
        {"pattern": f"^(?:{pattern})$"},
    )
