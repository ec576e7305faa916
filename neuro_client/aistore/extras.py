"""What the extra ``aistore`` installs, loaded when a client first needs it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from ..errors import ConfigError


def _load(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"AIStore needs the package {name!r}; run `pip install 'neuro_client[aistore]'`"
        ) from error


@cache
def hashes() -> Any:
    """Return the module of the hash that places and checks objects."""
    return _load("xxhash")


@cache
def packing() -> Any:
    """Return the module of the binary form of listings."""
    return _load("msgpack")


def pickling() -> Any:
    """Return the module that writes functions and classes with their code; blocks."""
    return _load("cloudpickle")


def yaml() -> Any:
    """Return the module of YAML; blocks."""
    return _load("yaml")


def load_all() -> None:
    """Load what every client needs; blocks, so it runs in a thread."""
    hashes()
    packing()
