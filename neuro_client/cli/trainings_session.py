"""Open the control plane of the settings, and find trainings by name."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager

from ..config.services import TrainingsSettings
from ..errors import ResourceNotFound
from ..trainings import Filter, Trainings
from . import errors
from .foreign import open_service
from .session import usage_errors
from .settings import Settings

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def open_trainings(settings: Settings) -> AbstractAsyncContextManager[Trainings]:
    """Open what the settings name; see `open_service`."""
    return open_service(settings, TrainingsSettings, Trainings.from_settings)


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
