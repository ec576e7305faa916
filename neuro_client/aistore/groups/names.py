"""Names of many objects at once, by the servers' grammar (aistore.md §11.1, §11.2)."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import attrs

from ..errors import InvalidObjectRangeIndex
from ..names import check_object

MOST = 10_000_000
"""Names that one template may make."""
_RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)(?:\.\.([0-9]+))?\}")
_AT = re.compile(r"([^@]*)@([0-9]+)(.*)", re.S)
_FORM = re.compile(r"([^%]*)%0([0-9]+)d(.*)", re.S)


class ObjectCollection(Protocol):
    """Name many objects: iterate over their names, or send what selects them."""

    def __iter__(self) -> Iterator[str]:
        """Yield the names; ``RuntimeError`` if only a server can tell them."""

    def get_value(self) -> dict[str, Any]:
        """Return the members of a request that select the objects."""


@attrs.frozen
class Template:
    """Hold the parts of a template as servers read it.

    ``prefix`` is set if there is no range of numbers to count: of a plain prefix, and of a form
    such as ``%03d``, which has no end.
    """

    text: str
    prefix: str | None = None
    between: Sequence[str] = ()
    ranges: Sequence[range] = ()
    widths: Sequence[int] = ()

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template.

        Raises:
            ValueError: the servers would read it as something else, or would not end.
        """
        if "{" in text:
            return cls._of_braces(text)
        numbered, form = _AT.fullmatch(text), _FORM.fullmatch(text)
        if numbered and form:
            raise ValueError(f"{text!r} has both @N and %0Nd; servers read only one of them")
        if numbered:
            last = range(int(numbered[2]) + 1)
            return cls._checked(text, (numbered[1], numbered[3]), (last,), (len(numbered[2]),))
        if form:
            return cls(text, form[1])
        return cls(text, "" if text == "*" else text)

    @classmethod
    def _of_braces(cls, text: str) -> Template:
        between, ranges, widths, position = [], [], [], 0
        for match in _RANGE.finditer(text):
            between.append(text[position : match.start()])
            first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
            if last < first or step < 1:
                raise ValueError(
                    f"{match[0]} in {text!r} counts nowhere: ranges go upwards, in steps of 1 or "
                    "more"
                )
            ranges.append(range(first, last + 1, step))
            # So the servers do it: {1..100} is not padded, {001..100} is, {01..100} to two digits.
            widths.append(min(len(match[1]), len(match[2])))
            position = match.end()
        between.append(text[position:])
        if any("{" in part or "}" in part for part in between):
            raise ValueError(
                f"{text!r} is not a template of AIStore: in braces it knows {{FIRST..LAST}} and "
                "{FIRST..LAST..STEP} only, no lists, letters or nesting; give the names one by one"
            )
        return cls._checked(text, between, ranges, widths)

    @classmethod
    def _checked(
        cls, text: str, between: Sequence[str], ranges: Sequence[range], widths: Sequence[int]
    ) -> Template:
        # Not by len(), which a number of more than 63 bits would break.
        count = math.prod((r.stop - r.start - 1) // r.step + 1 for r in ranges)
        if count > MOST:
            raise ValueError(f"{text!r} makes {count:,} names; servers make {MOST:,} at most")
        return cls(text, None, tuple(between), tuple(ranges), tuple(widths))

    @property
    def is_form(self) -> bool:
        """Tell whether it stands for the numbers of a form without an end."""
        return self.prefix is not None and self.prefix != self.text and self.text != "*"

    def __iter__(self) -> Iterator[str]:
        if self.prefix is not None:
            raise RuntimeError(
                f"{self.text!r} has no range to count; list the bucket with the prefix "
                f"{self.prefix!r} to see what it means"
            )
        for numbers in itertools.product(*self.ranges):
            pieces = [self.between[0]]
            for number, width, text in zip(numbers, self.widths, self.between[1:], strict=True):
                pieces += (f"{number:0{width}d}", text)
            yield "".join(pieces)


class ObjectNames:
    """Name objects one by one."""

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, str):
            raise TypeError(f"give a list of names, not the text {names[:80]!r}")
        self._names = [check_object(name) for name in names]

    def __str__(self) -> str:
        return str(self._names)

    def __repr__(self) -> str:
        return f"ObjectNames({self._names!r})"

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def get_value(self) -> dict[str, Any]:
        """Return the members of a request; ``ValueError`` if there is no name at all."""
        if not self._names:
            raise ValueError(
                "the list of names is empty, which a server would take for the whole bucket"
            )
        return {"objnames": list(self._names)}


class ObjectTemplate:
    """Name objects by a template: ``shard-{0000..0099}.tar``, ``part@15``, or a prefix.

    Several ranges may stand in one template, ``{FIRST..LAST..STEP}``; the right-most varies
    fastest. Numbers are padded as the shorter of both ends is written. "" and ``*`` are the whole
    bucket.
    """

    def __init__(self, template: str) -> None:
        self._template = Template.parse(template)

    def __str__(self) -> str:
        return self._template.text

    def __repr__(self) -> str:
        return f"ObjectTemplate({self._template.text!r})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._template)

    @property
    def parsed(self) -> Template:
        """Return the template as servers read it."""
        return self._template

    def get_value(self) -> dict[str, Any]:
        """Return the members of a request."""
        return {"template": self._template.text}


class ObjectRange(ObjectTemplate):
    """Name objects by numbers between ``prefix`` and ``suffix``, both indices included.

    Without indices it is all objects with that prefix.

    Raises:
        InvalidObjectRangeIndex: the indices do not make a range, or the padding is too narrow.
    """

    def __init__(
        self,
        prefix: str,
        min_index: int | None = None,
        max_index: int | None = None,
        pad_width: int = 0,
        step: int = 1,
        suffix: str = "",
    ) -> None:
        if min_index is None and max_index is None:
            if suffix:
                raise ValueError(f"the suffix {suffix!r} needs indices in front of it")
            super().__init__(prefix)
            if self.parsed.prefix != prefix and prefix != "*":
                raise ValueError(f"servers take {prefix!r} for a template, not for a prefix")
            return
        if min_index is None or max_index is None:
            raise InvalidObjectRangeIndex("give both min_index and max_index, or neither")
        if not 0 <= min_index < max_index:
            raise InvalidObjectRangeIndex(
                f"min_index {min_index} is not below max_index {max_index}, or is negative"
            )
        if step < 1:
            raise InvalidObjectRangeIndex(f"the step is {step}; it counts upwards, by 1 or more")
        if pad_width and len(str(min_index)) > pad_width:
            raise InvalidObjectRangeIndex(
                f"min_index {min_index} has more digits than the {pad_width} of pad_width"
            )
        first, last = (f"{index:0{pad_width}d}" for index in (min_index, max_index))
        super().__init__(f"{prefix}{{{first}..{last}..{step}}}{suffix}")

    def __repr__(self) -> str:
        return f"ObjectRange({str(self)!r})"
