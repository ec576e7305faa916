"""What a dSort is asked for, in the words of the servers it goes to (aistore.md §13)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import NotSupportedError
from ...threads import run_blocking
from ..extras import yaml
from ..versions import Version

_OLD: Version = (3, 18)
_TODAY: Version = (4, 0)
_NAMES = {
    "bck": "input_bck",
    "extension": "input_extension",
    "order_file": "ekm_file",
    "order_file_sep": "ekm_file_sep",
}
"""Members by their names on servers 3.18 and today."""
_KEY_TYPES = ("format_type", "content_key_type")
_YAML = (".yaml", ".yml")


async def read_spec(spec: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec that is given, or written in a file of JSON or YAML.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if isinstance(spec, Mapping):
        return dict(spec)
    return await run_blocking(_read_file, Path(spec))


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path} is not a regular file")
    text = path.read_text("utf-8")
    if path.suffix.lower() in _YAML:
        module = yaml()
        try:
            found = module.safe_load(text)
        except module.YAMLError as error:
            raise ValueError(f"{path} is not YAML: {error}") from error
    else:
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no members, so it is not the spec of a dSort")
    return found


def in_words_of(spec: Mapping[str, Any], version: Version | None) -> dict[str, Any]:
    """Return a spec that servers of a release understand; of an unknown one, both ways of saying.

    Members that a server does not know do no harm: it ignores them.
    """
    found = dict(spec)
    _say_both(found, _NAMES.items())
    algorithm = found.get("algorithm")
    if isinstance(algorithm, Mapping):
        found["algorithm"] = both = dict(algorithm)
        _say_both(both, [_KEY_TYPES])
    shards = found.get("input_format")
    if version is not None and version <= _OLD and isinstance(shards, Mapping):
        if not isinstance(shards.get("template"), str):
            raise NotSupportedError(
                "AIStore 3.18 sorts the shards of a template, not of a list of names"
            )
        found["input_format"] = shards["template"]
    elif version is not None and version >= _TODAY and isinstance(shards, str):
        found["input_format"] = {"template": shards}
    return found


def _say_both(found: dict[str, Any], names: Any) -> None:
    for old, new in names:
        if old in found and new not in found:
            found[new] = found[old]
        elif new in found and old not in found:
            found[old] = found[new]
