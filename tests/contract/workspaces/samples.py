"""The golden samples of workspaces."""

from __future__ import annotations

import json
from pathlib import Path

from ..golden import Sample

SAMPLES = Path(__file__).parent / "samples"


def samples() -> list[Sample]:
    """Return all samples."""
    return [
        Sample(f"workspaces/{path.stem}", json.loads(path.read_text()))
        for path in sorted(SAMPLES.glob("*.json"))
    ]
