"""Ids and names of runs and experiments (grid-artifacts.md §1)."""

from __future__ import annotations

import re
import secrets
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_RUN = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_EXPERIMENT = re.compile(r"-exp[0-9]+$")
_ULID = re.compile(rf"[0-7][{_DIGITS}]{{25}}", re.IGNORECASE)
_LONGEST = 200
_ADJECTIVES = (
    *("amber", "brave", "calm", "clever", "eager", "fancy", "gentle", "happy"),
    *("icy", "jolly", "keen", "lucky", "mellow", "noble", "quiet", "rapid"),
)
_NOUNS = (
    *("badger", "comet", "dune", "falcon", "fern", "glacier", "heron", "island"),
    *("lagoon", "maple", "nebula", "otter", "pebble", "raven", "summit", "willow"),
)


def new_id() -> str:
    """Make a ULID: its time comes first, so that ids sort by it."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Tell whether a text is a ULID, in letters of either case."""
    return _ULID.fullmatch(text) is not None


def random_name() -> str:
    """Make a name for a run that was given none."""
    number = secrets.randbelow(9000) + 1000
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{number}"


def why_no_run_name(name: str) -> str | None:
    """Say why a run cannot have a name, None if it can."""
    if not _RUN.fullmatch(name) or len(name) > _LONGEST:
        return (
            f"{name[:_LONGEST]!r} cannot name a run: use lower-case letters, digits and dashes, a "
            f"letter first and no dash at the end, {_LONGEST} characters at most"
        )
    if _EXPERIMENT.search(name) or is_id(name):
        return f"{name!r} cannot name a run: it would be taken for an experiment"
    return None
