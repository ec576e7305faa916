"""Open the platform of the settings, find tasks by name, keep a new access key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs
import click

from ..config.paths import config_dir
from ..config.services import FILE_NAME, Services, WorkspacesSettings, load_services
from ..errors import ConfigError, ResourceNotFound, ResponseError
from ..transfer.drafts import Draft
from ..workspaces import StorageKey, Task, Workspaces
from .foreign import open_service
from .session import usage_errors
from .settings import Settings

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def open_workspaces(settings: Settings) -> AbstractAsyncContextManager[Workspaces]:
    """Open what the settings name; see `open_service`."""
    return open_service(settings, WorkspacesSettings, Workspaces.from_settings)


@contextmanager
def argument_errors() -> Iterator[None]:
    """Do `usage_errors`, but for errors that tell of what is there, although nothing was asked."""
    try:
        with usage_errors():
            yield
    except click.UsageError as error:
        if isinstance(error.__cause__, ResponseError):
            raise error.__cause__ from None
        raise


async def find_task(workspaces: Workspaces, text: str) -> Task:
    """Return a task given by id, or the newest of those with a name.

    Raises:
        ResourceNotFound: there is none of either.
    """
    try:
        return await workspaces.get(text)
    except ResourceNotFound:
        pass
    async with workspaces.list() as listing:
        named = [task async for task in listing if task.name == text]
    if not named:
        raise ResourceNotFound(f"There is no task with the id or name {text!r}")
    return max(named, key=lambda task: task.created_at or _BEGINNING)


@attrs.frozen
class KeyPlace:
    """Be the file that has the access key of the bucket."""

    path: Path
    key: StorageKey

    @classmethod
    def find(cls, settings: Settings) -> KeyPlace | None:
        """Return it, or None where the key is not in the file but comes from the environment.

        It blocks.
        """
        folder = config_dir(settings.config)
        table = load_services(folder).get("workspaces", {})
        used = Services.read(folder).settings(WorkspacesSettings)
        id, secret = table.get("access_key_id"), table.get("secret_access_key")
        if not id or not secret or (id, secret) != (used.access_key_id, used.secret_access_key):
            return None
        return cls(folder / FILE_NAME, StorageKey(id, secret))

    def keep(self, key: StorageKey) -> None:
        """Put another key in place of this one and leave the rest of the file as it is.

        It blocks.

        Raises:
            ConfigError: the file was changed meanwhile.
        """
        # The directory of the draft must be that of the file, not that of a link to it.
        path = Path(os.path.realpath(self.path))
        text = path.read_text("utf-8")
        for old, new in zip(attrs.astuple(self.key), attrs.astuple(key), strict=True):
            if old not in text:
                raise ConfigError(
                    f"{self.path} was changed meanwhile; put the new key, printed above, into it"
                )
            text = text.replace(old, new)
        with Draft(os.fspath(path), 0o600) as draft:
            draft.publish(text.encode())
