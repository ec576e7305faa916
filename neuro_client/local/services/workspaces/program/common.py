"""What the server and the workers both do: folders, files, waiting for each other."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

APP = Path("/app")
SHARED = Path("/shared")
EXCHANGE = SHARED / "exchange"
OUT = SHARED / "out"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


class Failure(Exception):
    """Say why the training cannot go on; the text is the task's reason."""


# -- what both sides do -----------------------------------------------------------------------


def save(path: Path, value: object) -> None:
    """Put a value into a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
    draft.replace(path)


def save_json(path: Path, value: object) -> None:
    """Put a document into a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=2), "utf-8")
    draft.replace(path)


def load(path: Path) -> Any:
    """Read what ``save`` wrote."""
    with path.open("rb") as file:
        return pickle.load(file)


def wait_for(*paths: Path) -> Path:
    """Wait until one of the files is there and return it; a failure elsewhere ends this too."""
    pause = _FIRST_PAUSE
    while True:
        for path in paths:
            if path.exists():
                return path
        if any(EXCHANGE.glob("failed-*")):
            raise SystemExit(1)
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)


def read_config(name: str) -> dict[str, Any]:
    """Read one of the configurations."""
    try:
        found = json.loads((APP / "configs" / name).read_text("utf-8"))
    except ValueError as error:
        raise Failure(f"configs/{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"configs/{name} is no JSON object")
    return found
