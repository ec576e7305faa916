"""Plugins: packages that register keys of the user's files and releases to watch.

Facts: public-api.md §5, config-and-auth.md §8 and §13. A plugin is an entry point of the group
``neuro_api``: a function that is called with the ``PluginManager``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partialmethod
from importlib.metadata import entry_points
from types import MappingProxyType

import attrs

from .config.user_files import ALIAS, ConfigScope, KeySpec, UserKeys, ValueKind
from .errors import ConfigError

GROUP = "neuro_api"
_OURS = "neuro_client"


class ConfigBuilder:
    """Register keys of the user's files.

    Each ``define_…`` takes the section and the name of a key, and in ``scope`` the files it may
    stand in. ``ConfigError`` for the section ``alias`` and for a key that is registered already.
    """

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], KeySpec] = {}

    @property
    def keys(self) -> UserKeys:
        """Return what is registered so far."""
        return MappingProxyType(self._keys)

    def _define(
        self,
        kind: ValueKind,
        is_list: bool,
        section: str,
        name: str,
        *,
        scope: ConfigScope = ConfigScope.ALL,
    ) -> None:
        if section == ALIAS:
            raise ConfigError("The section [alias] is the user's; choose another one")
        if (section, name) in self._keys:
            raise ConfigError(f"The key {section}.{name} is registered already")
        self._keys[section, name] = KeySpec(kind, is_list, scope)

    define_bool = partialmethod(_define, ValueKind.BOOL, False)
    define_bool_list = partialmethod(_define, ValueKind.BOOL, True)
    define_int = partialmethod(_define, ValueKind.INT, False)
    define_int_list = partialmethod(_define, ValueKind.INT, True)
    define_float = partialmethod(_define, ValueKind.FLOAT, False)
    define_float_list = partialmethod(_define, ValueKind.FLOAT, True)
    define_str = partialmethod(_define, ValueKind.STR, False)
    define_str_list = partialmethod(_define, ValueKind.STR, True)


@attrs.frozen
class WatchedPackage:
    """Name a package whose newer release users are told about.

    ``update_text`` makes the message of the old and the new version; ``delay`` is the age in
    seconds from which a release is told about.
    """

    package: str
    update_text: Callable[[str, str], str]
    exclusive: bool = False
    delay: float = 0.0


class VersionChecker:
    """Collect the packages whose newer releases users are told about."""

    def __init__(self) -> None:
        self._records: dict[str, WatchedPackage] = {}

    @property
    def records(self) -> Mapping[str, WatchedPackage]:
        """Return the packages to watch; an exclusive one is the only one."""
        return MappingProxyType(self._records)

    def register(
        self,
        package: str,
        update_text: Callable[[str, str], str],
        *,
        exclusive: bool = False,
        delay: float = 0,
    ) -> None:
        """Watch a package.

        An exclusive one replaces all others; what comes after it is ignored.

        Raises:
            ConfigError: a second exclusive one.
        """
        taken = next((record for record in self._records.values() if record.exclusive), None)
        if taken is not None:
            if exclusive:
                raise ConfigError(f"{taken.package} is watched exclusively, not {package} too")
            return
        if exclusive:
            self._records.clear()
        self._records[package] = WatchedPackage(package, update_text, exclusive, delay)


class PluginManager:
    """Be what a plugin is given to register itself with."""

    def __init__(self) -> None:
        self._config = ConfigBuilder()
        self._version_checker = VersionChecker()

    @property
    def config(self) -> ConfigBuilder:
        """Return where keys are registered."""
        return self._config

    @property
    def version_checker(self) -> VersionChecker:
        """Return where releases to watch are registered."""
        return self._version_checker


def register_cli_keys(manager: PluginManager) -> None:
    """Register the keys of the command line, the same as the stock CLI's plugin does.

    Where that plugin is installed too, its registrations count and ours are left out.
    """
    known = manager.config.keys
    builder = manager.config
    local = ConfigScope.LOCAL
    if ("job", "ps-format") in known:
        return
    for name in ("ps-format", "top-format", "life-span"):
        builder.define_str("job", name)
    for name in ("cluster-name", "org-name"):
        builder.define_str("job", name, scope=local)
    for name in ("cp-exclude", "cp-exclude-from-files"):
        builder.define_str_list("storage", name)


def load_plugins() -> PluginManager:
    """Call every installed plugin, ours last.

    Raises:
        ConfigError: a plugin cannot be loaded or fails; names it.
    """
    manager = PluginManager()
    found = sorted(entry_points(group=GROUP), key=lambda point: point.module.split(".")[0] == _OURS)
    for point in found:
        try:
            point.load()(manager)
        except Exception as error:
            raise ConfigError(
                f"The plugin {point.name} ({point.value}) failed: {error}; update or remove it"
            ) from error
    return manager
