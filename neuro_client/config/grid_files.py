"""The login that the published Grid client keeps in ``~/.grid`` (grid-artifacts.md §3.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DEFAULT_URL = "https://platform.grid.ai"


def grid_settings(home: Path) -> Mapping[str, str]:
    """Return the settings of artifacts that the files hold, nothing without a whole login.

    A file that cannot be read counts as absent: it belongs to another program. Blocks.
    """
    folder = home / ".grid"
    login = _object(folder / "credentials.json")
    user, key = login.get("UserID"), login.get("APIKey")
    if not (isinstance(user, str) and isinstance(key, str) and user and key):
        return {}
    more = _object(folder / "settings.json")
    found = {"url": str(more.get("grid_url") or _DEFAULT_URL), "user_id": user, "api_key": key}
    if more.get("context"):
        found["cluster_id"] = str(more["context"])
    return found


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
