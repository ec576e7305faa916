"""Which names mean what (grid-artifacts.md §1); pure."""

from __future__ import annotations

import re

_EXPERIMENT = re.compile(r"(.+)-exp[0-9]+")
_RUN = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}", re.IGNORECASE)
_TAKEN_FOR_EXPERIMENT = re.compile(r".*exp[0-9]+")


def is_ulid(text: str) -> bool:
    """Tell whether a text has the form of an id."""
    return _ULID.fullmatch(text) is not None


def is_experiment_name(text: str) -> bool:
    """Tell whether a text has the form of the name of an experiment."""
    return _EXPERIMENT.fullmatch(text) is not None


def run_name_of(experiment: str) -> str:
    """Return the name of the run that an experiment belongs to."""
    found = _EXPERIMENT.fullmatch(experiment)
    return found[1] if found else experiment


def check_run_name(name: str) -> str:
    """Return a name that a new run may have.

    Raises:
        ValueError: it has other characters, or would be taken for an experiment.
    """
    if not _RUN.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a run: use lower-case letters, digits and '-', with "
            "a letter first and no '-' at the end"
        )
    if _TAKEN_FOR_EXPERIMENT.fullmatch(name) or is_ulid(name):
        raise ValueError(
            f"{name!r} cannot be the name of a run: it would be taken for an experiment; choose "
            "one that does not end in 'exp' and digits"
        )
    return name
