"""Small private files of the data folder; all functions block."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def default_data() -> Path:
    """Return where a platform keeps its data when nobody says otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "neuro-client" / "local"


def write_private(path: Path, text: str) -> None:
    """Replace a file, readable by its owner only, in one step."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing or unreadable file is an empty one."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
