"""Types of arguments, durations and moments, and options that several groups have."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

cluster_option = click.option("--cluster", metavar="NAME", help="Default: the current cluster.")

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[dhms]\s*)+")
_PIECE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([dhms])")


def parse_duration(text: str) -> float:
    """Read ``1d12h``, ``1h30m``, ``90s``, ``1.5h`` or ``0`` as seconds; units in falling order.

    Raises:
        ValueError: it is none of these; says how to write it.
    """
    text = text.strip().lower()
    if text == "0":
        return 0.0
    pieces = _PIECE.findall(text)
    units = [unit for _, unit in pieces]
    falling = sorted(set(units), key=list(_UNITS).index)
    if not _DURATION.fullmatch(text) or units != falling:
        raise ValueError(f"{text!r} is not a duration; write days, hours, minutes, seconds: 1h30m")
    return float(sum(float(number) * _UNITS[unit] for number, unit in pieces))


def duration(text: str) -> float:
    """Read the argument of an option that takes a duration; the value is in seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def time(text: str) -> datetime:
    """Read a moment: ISO 8601 (without an offset: local time), or a duration before now."""
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a time like 2024-05-31T12:00 nor a duration like 1h30m"
        ) from None
