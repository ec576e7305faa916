"""Open the control plane of the settings, and find trainings by name."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..config.paths import config_dir
from ..config.services import Services, TrainingsSettings
from ..errors import ConfigError, ResourceNotFound
from ..threads import run_blocking
from ..trainings import Filter, Trainings
from . import errors
from .session import usage_errors
from .settings import Settings

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@asynccontextmanager
async def open_trainings(settings: Settings) -> AsyncIterator[Trainings]:
    """Open what the settings name; no login to a platform is needed.

    Raises:
        NotLoggedIn: a setting is missing.
    """
    services = await run_blocking(lambda: Services.read(config_dir(settings.config)))
    try:
        found = Trainings.from_settings(services.settings(TrainingsSettings))
    except ConfigError as error:
        raise errors.NotLoggedIn(str(error)) from error
    try:
        yield found
    finally:
        await found.close()


async def find_id(trainings: Trainings, text: str) -> str:
    """Return the id of a training given by id or name.

    Raises:
        ResourceNotFound: there is none of that name.
        CommandFailed: several projects have one.
    """
    if _UUID.fullmatch(text):
        return text
    with usage_errors():
        named = Filter("name", "==", text)
        str(named)
    async with trainings.list(filters=[named]) as listing:
        found = [item async for item in listing]
    if not found:
        raise ResourceNotFound(f"There is no training with the id or name {text!r}")
    if len(found) > 1:
        listed = ", ".join(f"{item.id} of {item.project_name}" for item in found)
        raise errors.CommandFailed(f"Several trainings are named {text!r}: {listed}", errors.USAGE)
    return found[0].id
