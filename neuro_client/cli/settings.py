"""What every command understands: where the login is, how to print, how much to say."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

PROGRAM = "neuro-client"

F = TypeVar("F", bound=Callable[..., Any])


class Settings:
    """Hold the options that may stand before or after the name of a command."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.json = False
        self.quiet = False
        self.debug = False

    def command_line(self, *words: str) -> str:
        """Return what to type for another command under the same login."""
        config = () if self.config is None else ("--config", str(self.config))
        return shlex.join((PROGRAM, *config, *words))

    def note(self, text: str) -> None:
        """Tell the user something that is not data; on stderr, unless ``--quiet``."""
        if not self.quiet:
            click.echo(text, err=True)


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    settings = context.ensure_object(Settings)
    if value and parameter.name is not None:
        setattr(settings, parameter.name, value)


def common_options(function: F) -> F:
    """Add the options of ``Settings`` to a command or group."""
    options = (
        click.option(
            "--config",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Folder of the login; default $NEUROMATION_CONFIG, else ~/.neuro.",
            expose_value=False,
            callback=_store,
        ),
        click.option(
            "--json",
            is_flag=True,
            help="Print JSON: one document, or one a line where results stream.",
            expose_value=False,
            callback=_store,
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Print data and errors only.",
            expose_value=False,
            callback=_store,
        ),
        click.option(
            "--debug",
            is_flag=True,
            help="Show where an error comes from.",
            expose_value=False,
            callback=_store,
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
