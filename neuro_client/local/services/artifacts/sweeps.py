"""From the command of a run to those of its experiments, as pure functions (§8)."""

from __future__ import annotations

import ast
import itertools
import math
import posixpath
import random
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

MOST = 1000
"""Experiments of one run."""
GRID_SEARCH, RANDOM_SEARCH = "grid_search", "random_search"
_UNIFORM = re.compile(r"(?P<prefix>-[^=]*=)?uniform\((?P<low>[^,]*),(?P<high>[^,]*)\)")
_INTERPRETERS = {".py": "python", ".sh": "bash", ".jl": "julia"}


class SweepError(ValueError):
    """Report a command or options that no experiments can be made of."""


def commands(command: str, kind: str, options: Mapping[str, Any]) -> list[list[str]]:
    """Give the command of each experiment, the interpreter of the script first.

    In a search a word in brackets, also behind ``--name=``, stands for its values; of several the
    last one changes fastest. A random search takes ``num_trials`` of all combinations; with words
    such as ``uniform(0,1)`` each trial draws its own values.

    Raises:
        SweepError: the command cannot be read, or there would be too many experiments.
    """
    try:
        script, *words = shlex.split(command)
    except ValueError as error:
        raise SweepError(f"the command {command!r} names no script: {error}") from None
    interpreter = _INTERPRETERS.get(posixpath.splitext(script)[1])
    head = [script] if interpreter is None else [interpreter, script]
    if kind not in (GRID_SEARCH, RANDOM_SEARCH):
        return [[*head, *words]]
    choices = [_values(word) for word in words]
    total = math.prod(map(len, choices))
    if kind == GRID_SEARCH:
        _limited(total)
        return [[*head, *chosen] for chosen in itertools.product(*choices)]
    draw, trials = random.Random(_number(options, "seed")), _number(options, "num_trials")
    ranges = [_range(word) for word in words]
    if any(ranges):
        if trials is None:
            raise SweepError("a random search over uniform(…) needs num_trials")
        pairs = list(zip(ranges, choices, strict=True))
        return [
            [
                *head,
                *(draw.choice(some) if span is None else span.drawn(draw) for span, some in pairs),
            ]
            for _ in range(_limited(trials))
        ]
    wanted, places = _limited(min(trials or total, total)), dict[int, None]()
    while len(places) < wanted:
        places[draw.randrange(total)] = None
    return [[*head, *_combination(choices, place)] for place in places]


def parameters(command: Sequence[str]) -> list[tuple[str, str]]:
    """Give the options of a command with their values."""
    found: list[tuple[str, str]] = []
    name = None
    for word in command:
        if word.startswith("--"):
            if name is not None:
                found.append((name, ""))
            name, equals, value = word[2:].partition("=")
            if equals:
                found.append((name, value))
                name = None
        elif name is not None:
            found.append((name, word))
            name = None
    return found if name is None else [*found, (name, "")]


def _limited(count: int) -> int:
    if count > MOST:
        raise SweepError(f"the sweep would have {count} experiments; {MOST} is the most")
    return count


def _combination(choices: Sequence[Sequence[str]], place: int) -> list[str]:
    chosen = []
    for values in reversed(choices):
        place, index = divmod(place, len(values))
        chosen.append(values[index])
    return chosen[::-1]


def _values(word: str) -> list[str]:
    option, equals, value = word.partition("=")
    prefix = f"{option}=" if equals and option.startswith("-") else ""
    text = value if prefix else word
    if not (text.startswith("[") and text.endswith("]")):
        return [word]
    try:
        listed = ast.literal_eval(text)
        found = [str(one) for one in listed]
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # words without quotes
        found = [part.strip().strip("'\"") for part in text[1:-1].split(",") if part.strip()]
    if not found:
        raise SweepError(f"{word!r} has no values to try")
    return [prefix + one for one in found]


@attrs.frozen
class _Range:
    """Numbers that trials draw from, and the option that the word begins with."""

    prefix: str
    low: float
    high: float

    def drawn(self, draw: random.Random) -> str:
        return f"{self.prefix}{draw.uniform(self.low, self.high)}"


def _range(word: str) -> _Range | None:
    found = _UNIFORM.fullmatch(word)
    if found is None:
        return None
    try:
        low, high = float(found["low"]), float(found["high"])
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SweepError(f"{word!r} must have two numbers, as uniform(0,1)")
    return _Range(found["prefix"] or "", low, high)


def _number(options: Mapping[str, Any], name: str) -> int | None:
    value = options.get(name)
    if value in (None, ""):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise SweepError(f"{name} must be a number, not {value!r}") from None
    if number < (1 if name == "num_trials" else 0):
        raise SweepError(f"{name} must be positive, not {number}")
    return number
