"""What ``rm`` tells about what it removes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import click

from ..errors import NeuroError
from ..transfer import AbstractDeleteProgress, StorageProgressDelete
from . import errors
from .output import print_json, printable
from .settings import Settings


class Removed(AbstractDeleteProgress):
    """Collect the URIs of what is gone, and print each if that is wanted."""

    def __init__(self, *, tell: bool) -> None:
        self.uris: list[str] = []
        self._tell = tell

    def delete(self, data: StorageProgressDelete) -> None:
        """Note what is gone."""
        self.uris.append(str(data.uri))
        if self._tell:
            click.echo(f"Removed {printable(str(data.uri))}", err=True)


async def remove_each(
    settings: Settings,
    names: Sequence[str],
    remove: Callable[[str], Awaitable[None]],
    *,
    done: str = "removed",
) -> int:
    """Remove one after the other, report what fails, and return the code of the first failure.

    ``done`` is what the JSON document calls those that did not fail.
    """
    removed = []
    code = errors.DONE
    for name in names:
        try:
            await remove(name)
        except (NeuroError, OSError, ValueError) as error:
            errors.report(error, debug=settings.debug)
            code = code or errors.exit_code(error)
        else:
            removed.append(name)
    if settings.json:
        print_json({done: removed})
    return code
