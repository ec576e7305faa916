"""The user's own configuration: ``user.toml`` beside the login, ``.neuro.toml`` in a project.

Facts: config-and-auth.md §8. All functions block; callers run them in a thread.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import ConfigError

GLOBAL_NAME = "user.toml"
LOCAL_NAME = ".neuro.toml"
ALIAS = "alias"
_ALIAS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class ConfigScope(enum.Flag):
    """Say in which of the two files a key may stand; every key may stand in the local one."""

    GLOBAL = enum.auto()
    LOCAL = enum.auto()
    ALL = GLOBAL | LOCAL


class ValueKind(enum.Enum):
    """Name the type of a key's value."""

    INT = "an integer"
    FLOAT = "a number"
    BOOL = "true or false"
    STR = "a text"

    def accepts(self, value: object) -> bool:
        """Tell whether ``value`` is of this type; a boolean passes as a number."""
        if self is ValueKind.INT:
            return isinstance(value, int)
        if self is ValueKind.FLOAT:
            return isinstance(value, int | float)
        if self is ValueKind.BOOL:
            return isinstance(value, bool)
        return isinstance(value, str)


@attrs.frozen
class KeySpec:
    """Describe a registered key; ``is_list`` for a list of values of that kind."""

    kind: ValueKind
    is_list: bool = False
    scope: ConfigScope = ConfigScope.ALL


UserKeys = Mapping[tuple[str, str], KeySpec]


def find_project_root(path: Path | None = None) -> Path:
    """Return the nearest folder, from ``path`` upwards, that holds ``.neuro.toml``.

    The root of the file system itself is not examined.

    Raises:
        ConfigError: there is none.
    """
    start = (path if path is not None else Path.cwd()).absolute()
    folder = start
    while folder != folder.parent:
        if (folder / LOCAL_NAME).exists():
            return folder
        folder = folder.parent
    raise ConfigError(
        f"There is no {LOCAL_NAME} in {start} or above; create an empty one in the project's folder"
    )


def load_user_config(
    folder: Path, keys: UserKeys, project: Path | None = None
) -> Mapping[str, Any]:
    """Read the global file of the config folder and the project's local one, and merge them.

    ``project`` is where the search for the local file begins, by default the current folder.
    Tables merge, else the local value wins; a missing file counts as empty.

    Raises:
        ConfigError: a file cannot be read, or has a key or value that is not registered; it names
            the file and the key.
    """
    path = folder / GLOBAL_NAME
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is not a regular file; move it away")
    merged = _load(path, keys, ConfigScope.GLOBAL)
    try:
        root = find_project_root(project)
    except ConfigError:
        return merged
    return _merge(merged, _load(root / LOCAL_NAME, keys, ConfigScope.LOCAL))


def _load(path: Path, keys: UserKeys, scope: ConfigScope) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not a TOML file: {error}; correct it by hand") from error
    for section, table in config.items():
        _check_section(path, section, table, keys, scope)
    return config


def _check_section(
    path: Path, section: str, table: object, keys: UserKeys, scope: ConfigScope
) -> None:
    sections = {name for name, _ in keys} | {ALIAS}
    if section not in sections:
        raise ConfigError(
            f"{path}: unknown section [{section}]; known are {', '.join(sorted(sections))}"
        )
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {section} must be a table, [{section}]")
    for key, value in table.items():
        if section == ALIAS:
            _check_alias(path, key, value)
        else:
            _check_value(path, section, key, value, keys, scope)


def _check_alias(path: Path, name: str, value: object) -> None:
    if not _ALIAS_NAME.fullmatch(name):
        raise ConfigError(
            f"{path}: the alias {name!r} must begin with a letter and have only letters, digits "
            "and dashes"
        )
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: alias.{name} must be a table, [alias.{name}]")


def _check_value(
    path: Path, section: str, key: str, value: object, keys: UserKeys, scope: ConfigScope
) -> None:
    spec = keys.get((section, key))
    if spec is None:
        known = sorted(name for part, name in keys if part == section)
        raise ConfigError(f"{path}: unknown key {section}.{key}; known are {', '.join(known)}")
    if scope is ConfigScope.GLOBAL and ConfigScope.GLOBAL not in spec.scope:
        raise ConfigError(
            f"{path}: {section}.{key} belongs to a project; move it into its {LOCAL_NAME}"
        )
    if not spec.is_list:
        if not spec.kind.accepts(value):
            raise ConfigError(f"{path}: {section}.{key} must be {spec.kind.value}")
        return
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {section}.{key} must be a list")
    for index, item in enumerate(value):
        if not spec.kind.accepts(item):
            raise ConfigError(f"{path}: {section}.{key}[{index}] must be {spec.kind.value}")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[key] = _merge(known, value)
        else:
            merged[key] = value
    return merged
