"""Open one of the foreign systems that ``services.toml`` or the environment names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from ..config.paths import config_dir
from ..config.services import Services, ServiceSettings
from ..errors import ConfigError
from ..threads import run_blocking
from . import errors
from .settings import Settings


class Closable(Protocol):
    """Be a client of a system."""

    async def close(self) -> None:
        """Close the connections."""


S = TypeVar("S", bound=ServiceSettings)
C = TypeVar("C", bound=Closable)


@asynccontextmanager
async def open_service(
    settings: Settings, kind: type[S], make: Callable[[S], C], **arguments: str | None
) -> AsyncIterator[C]:
    """Open what the settings name; no login to a platform is needed.

    ``arguments`` go before the environment and the file.

    Raises:
        NotLoggedIn: a setting is missing.
    """
    services = await run_blocking(lambda: Services.read(config_dir(settings.config)))
    try:
        found = make(services.settings(kind, **arguments))
    except ConfigError as error:
        raise errors.NotLoggedIn(str(error)) from error
    try:
        yield found
    finally:
        await found.close()
