"""Amounts as texts with a suffix, parsed and compared exactly (runai-trainings.md §5.6)."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import total_ordering

import attrs

# The bounds on digits are far beyond any real amount; they keep the exact value small.
PATTERN = (
    r"([+]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100}))"
    r"([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,3})?"
)
_FORM = re.compile(PATTERN)
_SCALES = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)},
}


def _parse(text: str) -> Fraction:
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            "Not a quantity: expected a number that is not negative, and a suffix of "
            "n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent, as in 500m, 8Gi, 1e3"
        )
    number, suffix = Fraction(found[1]), found[2] or ""
    # "E" alone is exa; with digits behind it is an exponent, as "e" is.
    scale = _SCALES.get(suffix)
    return number * (scale if scale is not None else Fraction(10) ** int(suffix[1:]))


@total_ordering
@attrs.frozen(eq=False, repr=False)
class Quantity:
    """Hold an amount exactly, and the text it was written as.

    Memory is in bytes, other resources in units: ``8Gi`` is 2**33 bytes, ``500m`` half a core.
    Equal amounts are equal however they are written, and numbers compare with them.

    >>> Quantity("1Ki") == Quantity("1024") == 1024
    True
    >>> Quantity("1E") > Quantity("1E3") == Quantity("1k")
    True

    Raises:
        ValueError: the text is not a quantity. Negative amounts are none.
    """

    text: str
    value: Fraction = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "value", _parse(self.text))

    @classmethod
    def of(cls, value: Quantity | str | float | Decimal) -> Quantity:
        """Take a text or a number; a float counts as the decimal number that it prints as."""
        if isinstance(value, Quantity):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise ValueError("A quantity is a text or a number")
        return cls(str(value))

    def number(self) -> float:
        """Return the amount as a JSON number, an int where it is whole.

        Raises:
            ValueError: no float prints as this amount.
        """
        if self.value.denominator == 1:
            return int(self.value)
        near = float(self.value)
        if exact(near) != self.value:
            raise ValueError("The quantity has more digits than a JSON number keeps")
        return near

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Quantity):
            return self.value == other.value
        return self.value == other if isinstance(other, int | float | Fraction) else NotImplemented

    def __lt__(self, other: Quantity | Fraction | float) -> bool:
        if isinstance(other, Quantity):
            return self.value < other.value
        return self.value < other if isinstance(other, int | float | Fraction) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Quantity({self.text!r})"


def exact(value: Quantity | float) -> Fraction:
    """Return the amount, or the decimal number that a finite float prints as, without rounding."""
    return value.value if isinstance(value, Quantity) else Fraction(repr(value))
