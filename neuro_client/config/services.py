"""Settings of the four foreign systems: ``services.toml`` beside the login, the environment.

Each value comes from the argument, else the environment, else the file. The file holds keys and
secrets, so it must be readable by its owner only. All functions block; callers run them in a
thread.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ..errors import ConfigError
from .grid_files import grid_settings

FILE_NAME = "services.toml"

T = TypeVar("T", bound="ServiceSettings")


def _key(env: str, *, secret: bool = False, required: bool = False) -> Any:
    """Declare one setting and the environment variable that can hold it."""
    return attrs.field(
        default=None, repr=not secret, metadata={"env": env, "required": required}, kw_only=True
    )


@attrs.frozen
class ServiceSettings:
    """Be the base of the settings of one system; a setting nobody gave is None."""


@attrs.frozen
class TrainingsSettings(ServiceSettings):
    """Name a Run:ai control plane and the application that signs in to it."""

    url: str | None = _key("RUNAI_URL", required=True)
    client_id: str | None = _key("RUNAI_CLIENT_ID", required=True)
    client_secret: str | None = _key("RUNAI_CLIENT_SECRET", secret=True, required=True)
    cluster_url: str | None = _key("RUNAI_CLUSTER_URL")
    api_version: str | None = _key("RUNAI_API_VERSION")


@attrs.frozen
class WorkspacesSettings(ServiceSettings):
    """Name an "RT" platform and the Garage bucket of its user."""

    api_url: str | None = _key("RESON_API_URL", required=True)
    api_key: str | None = _key("RESON_API_KEY", secret=True, required=True)
    s3_url: str | None = _key("RESON_S3_URL")
    s3_region: str | None = _key("RESON_S3_REGION")
    access_key_id: str | None = _key("RESON_ACCESS_KEY_ID")
    secret_access_key: str | None = _key("RESON_SECRET_ACCESS_KEY", secret=True)
    bucket: str | None = _key("RESON_BUCKET")


@attrs.frozen
class ArtifactsSettings(ServiceSettings):
    """Name a Grid.ai control plane and its user."""

    url: str | None = _key("GRID_URL", required=True)
    user_id: str | None = _key("GRID_USER_ID", required=True)
    api_key: str | None = _key("GRID_API_KEY", secret=True, required=True)
    cluster_id: str | None = _key("GRID_CLUSTER_ID")


@attrs.frozen
class AIStoreSettings(ServiceSettings):
    """Name an AIStore proxy (gateway) and how to authenticate to it."""

    url: str | None = _key("AIS_ENDPOINT", required=True)
    token: str | None = _key("AIS_AUTHN_TOKEN", secret=True)
    ca_cert: str | None = _key("AIS_CLIENT_CA")
    client_cert: str | None = _key("AIS_CRT")
    client_key: str | None = _key("AIS_CRT_KEY")
    skip_verify: bool | None = _key("AIS_SKIP_VERIFY_CRT")


TABLES: Mapping[type[ServiceSettings], str] = {
    TrainingsSettings: "trainings",
    WorkspacesSettings: "workspaces",
    ArtifactsSettings: "artifacts",
    AIStoreSettings: "aistore",
}
_TRUE = frozenset({"1", "true", "yes", "on"})


def load_services(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read the file's tables, empty when there is no file.

    Raises:
        ConfigError: it cannot be parsed, others could read it, or a table or key is unknown.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            tables = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}; correct it by hand") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if sys.platform != "win32" and mode & 0o077:
        raise ConfigError(
            f"{path} holds secrets and has the permissions {mode:o}; run `chmod 600 {path}`"
        )
    _check_names(path, tables)
    return tables


@attrs.frozen
class Services:
    """Hold what ``services.toml`` said, or why it cannot be read, until a system is asked for."""

    folder: Path
    tables: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, repr=False)
    problem: ConfigError | None = None

    @classmethod
    def read(cls, folder: Path) -> Services:
        """Read the file once; a file that cannot be used hinders only those who need it.

        Without a table for artifacts, the login of the published client counts as one.
        """
        try:
            tables = load_services(folder)
            if "artifacts" not in tables and (found := _home_login()):
                tables = {**tables, "artifacts": found}
            return cls(folder, tables)
        except ConfigError as error:
            return cls(folder, problem=error)

    def settings(self, cls: type[T], **arguments: Any) -> T:
        """Put together the settings of one system; see ``resolve``."""
        if self.problem is not None:
            raise self.problem
        return resolve(cls, self.tables, folder=self.folder, **arguments)


def _home_login() -> Mapping[str, str]:
    try:
        return grid_settings(Path.home())
    except RuntimeError:  # a user without a home, as in some containers
        return {}


def _check_names(path: Path, tables: Mapping[str, Any]) -> None:
    known = {name: {field.name for field in attrs.fields(cls)} for cls, name in TABLES.items()}
    for name, table in tables.items():
        if name not in known or not isinstance(table, dict):
            raise ConfigError(f"{path}: [{name}] is none of the tables {', '.join(sorted(known))}")
        for key, value in table.items():
            if key not in known[name]:
                raise ConfigError(
                    f"{path}: [{name}] has an unknown key {key!r}; known are "
                    f"{', '.join(sorted(known[name]))}"
                )
            wanted = bool if key == "skip_verify" else str
            if not isinstance(value, wanted):
                raise ConfigError(f"{path}: [{name}] {key} must be a {wanted.__name__}")


def resolve(
    cls: type[T],
    tables: Mapping[str, Mapping[str, Any]],
    *,
    folder: Path,
    environ: Mapping[str, str] = os.environ,
    **arguments: Any,
) -> T:
    """Put together the settings of one system: argument, environment, file.

    Raises:
        ConfigError: a required setting is missing; names the file, the table and the variable.
    """
    name = TABLES[cls]
    table = tables.get(name, {})
    values: dict[str, Any] = {}
    for field in attrs.fields(cls):
        variable = field.metadata["env"]
        value = arguments.get(field.name)
        if value is None and environ.get(variable):
            value = environ[variable]
            if field.name == "skip_verify":
                value = value.lower() in _TRUE
        if value is None:
            value = table.get(field.name)
        if value is None and field.metadata["required"]:
            raise ConfigError(
                f"The setting {field.name!r} of {name} is missing; put it into the table [{name}] "
                f"of {folder / FILE_NAME}, or set {variable}"
            )
        values[field.name] = value
    return cls(**values)
