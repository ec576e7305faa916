"""JSON of strangers: only what can be kept and told again."""

from __future__ import annotations

import json
import math
from typing import Any

_DEPTH = 60
_DIGITS = 30


def read_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: it is none, or has a number without end, lone surrogates, or no end of depth.
    """
    try:
        found = json.loads(data, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check(found)
    if not isinstance(found, dict):
        raise ValueError("it must be an object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _check(value: Any) -> None:
    level = [value]
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += [*one, *one.values()]
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str):
                one.encode()  # a lone surrogate is no text
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")
