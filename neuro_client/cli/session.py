"""Run the body of a command: one event loop, one client, one exit code."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import click

from ..client import Client
from ..config import PASS_CONFIG_ENV_NAME
from ..errors import NDJSONError, ProtocolError, ResourceNotFound
from ..factory import Factory
from ..threads import run_blocking
from . import errors
from .main import drop_output
from .settings import Settings

_FROM_SERVERS = (NDJSONError, ProtocolError)
"""Errors that tell of an answer and have no status."""


def async_command(body: Callable[..., Awaitable[int | None]]) -> Callable[..., None]:
    """Turn ``async def body(settings, **options)`` into the callback of a command.

    What the body returns is the exit code, None is 0.
    """

    @functools.wraps(body)
    def run(*arguments: Any, **options: Any) -> int | None:
        async def main() -> int | None:
            return await body(*arguments, **options)

        with asyncio.Runner() as runner:
            return runner.run(main())

    return command(run)


def command(body: Callable[..., int | None]) -> Callable[..., None]:
    """Turn ``def body(settings, **options)`` into the callback of a command."""

    @functools.wraps(body)
    def callback(**options: Any) -> None:
        context = click.get_current_context()
        settings = context.ensure_object(Settings)
        context.exit(_execute(settings, lambda: body(settings, **options)))

    return callback


def _execute(settings: Settings, body: Callable[[], int | None]) -> int:
    """Run ``body`` to its end and return the exit code; errors are reported."""
    try:
        return body() or errors.DONE
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except BrokenPipeError:
        drop_output()
        return errors.BROKEN_PIPE
    except KeyboardInterrupt:
        click.echo("Interrupted", err=True)
        return errors.INTERRUPTED
    except Exception as error:
        errors.report(error, debug=settings.debug)
        return errors.exit_code(error)


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[Client]:
    """Open the client of the login that the command was given.

    Raises:
        NotLoggedIn: there is no login.
    """
    factory = await run_blocking(Factory, settings.config)
    present = await run_blocking(lambda: factory.is_config_present)
    if not present and not os.environ.get(PASS_CONFIG_ENV_NAME):
        raise errors.NotLoggedIn(
            f"There is no login in {factory.path}; run `{settings.command_line('login')}`, or "
            f"`{settings.command_line('login', '--local')}` for a platform on this machine"
        )
    client = await factory.get()
    async with client:
        yield client


def check_cluster(settings: Settings, client: Client, name: str | None) -> None:
    """Refuse a cluster that the login does not have; None is the current one.

    Raises:
        ResourceNotFound: there is none of that name.
    """
    known = client.config.clusters
    if name is not None and name not in known:
        raise ResourceNotFound(
            f"There is no cluster {name!r} (known: {', '.join(sorted(known)) or 'none'}); "
            f"`{settings.command_line('config', 'fetch')}` reads the list anew"
        )


@contextmanager
def usage_errors() -> Iterator[None]:
    """Report a ``ValueError`` of what reads the user's words as wrong usage.

    What a server said is none, although some of those errors are of that class too.
    """
    try:
        yield
    except ValueError as error:
        if isinstance(error, _FROM_SERVERS) or getattr(error, "status", None) is not None:
            raise
        raise click.UsageError(str(error), ctx=click.get_current_context(silent=True)) from error
