"""How much the random suites do, and where their chance comes from."""

from __future__ import annotations

import os
import random
import sys

FULL = bool(os.environ.get("NEURO_CLIENT_FULL"))
"""Whether everything is run, instead of the share that fits into `make test`."""


def luck(name: str) -> random.Random:
    """Return a source of chance of its own for ``name``; its seed is shown when a test fails.

    The seed is always the same, unless ``NEURO_CLIENT_SEED`` names another one: an unlucky draw is
    for whoever looks for it, not for whoever wants to land something else.
    """
    seed = os.environ.get("NEURO_CLIENT_SEED") or "1"
    sys.stdout.write(f"NEURO_CLIENT_SEED={seed} ({name})\n")
    return random.Random(f"{seed} {name}")
