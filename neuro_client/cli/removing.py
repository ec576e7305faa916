"""What ``rm`` tells about what it removes."""

from __future__ import annotations

import click

from ..transfer import AbstractDeleteProgress, StorageProgressDelete
from .output import printable


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
