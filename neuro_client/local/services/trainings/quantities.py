"""Quantities as Kubernetes writes them (runai-trainings.md §5.6)."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

_FORM = re.compile(
    r"(?P<sign>[+-]?)(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:(?P<suffix>m|k|Ki|[MGTPE]i?)|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_SUFFIXES = {
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    "Ki": Fraction(1024),
    **{name: Fraction(1000) ** power for power, name in enumerate("MGTPE", start=2)},
    **{f"{name}i": Fraction(1024) ** power for power, name in enumerate("MGTPE", start=2)},
}


def quantity(value: Any) -> Fraction | None:
    """Give the exact value of a quantity, None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Fraction(str(value)) if value == value and abs(value) != float("inf") else None
    return _parsed(value) if isinstance(value, str) else None


@lru_cache(maxsize=1000)
def _parsed(text: str) -> Fraction | None:
    if (found := _FORM.fullmatch(text)) is None:
        return None
    number = Fraction(found["number"] if found["number"][0] != "." else f"0{found['number']}")
    if found["suffix"]:
        number *= _SUFFIXES[found["suffix"]]
    elif found["exponent"]:
        number *= Fraction(10) ** int(found["exponent"])
    return -number if found["sign"] == "-" else number
