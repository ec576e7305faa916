"""Where the configuration lives."""

from __future__ import annotations

import os
from pathlib import Path

from yarl import URL

DEFAULT_CONFIG_PATH = "~/.neuro"
CONFIG_ENV_NAME = "NEUROMATION_CONFIG"
PASS_CONFIG_ENV_NAME = "NEURO_PASSED_CONFIG"
DEFAULT_API_URL = URL("https://staging.neu.ro/api/v1")


def config_dir(path: Path | None = None) -> Path:
    """Return the config folder: the argument, else the environment's, else the default."""
    if path is None:
        path = Path(os.environ.get(CONFIG_ENV_NAME, DEFAULT_CONFIG_PATH))
    return path.expanduser().absolute()
