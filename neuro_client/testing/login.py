"""Log in to a local platform: the login and the settings of every service it serves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
from yarl import URL

from ..config.services import FILE_NAME, TABLES
from ..factory import Factory
from ..threads import run_blocking


class ReadyPlatform(Protocol):
    """Be what a started platform tells about itself, in the form of its ``ready.json``."""

    @property
    def ready(self) -> Mapping[str, Any]:
        """Return the addresses and credentials."""
        ...


async def login(
    platform: ReadyPlatform | Mapping[str, Any], path: Path, *, through: URL | None = None
) -> None:
    """Write a login and ``services.toml`` for ``platform`` into the config folder ``path``.

    Takes a started ``LocalPlatform`` or the content of a ``ready.json``. With the address of a
    proxy, ``through``, all requests to the platform's own services go by way of it.

    Raises:
        ConfigError: the folder holds a login already; it is never replaced.
    """
    ready = platform if isinstance(platform, Mapping) else platform.ready
    factory = await run_blocking(Factory, path)
    url = URL(ready["api_url"])
    if through is not None:
        # The platform names its services by the address that it was asked by.
        url = url.with_host(through.host or "").with_port(through.port)
    await factory.login_with_token(ready["token"], url=url)
    text = services_toml(ready)
    if text:
        await run_blocking(_write_private, factory.path / FILE_NAME, text)


def services_toml(ready: Mapping[str, Any]) -> str:
    """Format the settings of the services that ``ready`` names, keys the client knows only."""
    import tomli_w

    tables: dict[str, dict[str, Any]] = {}
    for cls, name in TABLES.items():
        known = {field.name for field in attrs.fields(cls)}
        values = {key: value for key, value in ready.get(name, {}).items() if key in known}
        if name == "workspaces" and "url" in ready.get(name, {}):
            values["api_url"] = ready[name]["url"]
        if values:
            tables[name] = values
    return tomli_w.dumps(tables) if tables else ""


def _write_private(path: Path, text: str) -> None:
    if path.exists():
        return
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
