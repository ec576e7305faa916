"""The program ``neuro-client``: its groups, loaded only when they are used.

``neuro-client --help`` must be quick, so this module imports neither the library nor rich; the
short helps stand here, and a test compares them with those of the commands.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .._version import __version__
from .errors import BROKEN_PIPE, INTERRUPTED
from .settings import PROGRAM, common_options

COMMANDS = {
    "local": ("local:local", "Run a platform of your own on this machine."),
    "login": ("login:login", "Log in to a platform."),
    "logout": ("login:logout", "Remove the login from this machine."),
    "config": ("config:config", "Show and change what the client is configured to."),
    "run": ("run:run", "Start a job and follow its log."),
    "job": ("job_streams:job", "Inspect, follow and end jobs, reach into them."),
    "storage": ("storage:storage", "Work with files on the platform's storage."),
    "blob": ("blobs:blob", "Work with what is in buckets."),
    "bucket": ("buckets:bucket", "Make, share and remove buckets."),
    "training": (
        "trainings:training",
        "Submit, follow and stop trainings of a Run:ai control plane.",
    ),
    "workspace": (
        "workspaces:workspace",
        "Train on shards in your own bucket, through an RT platform.",
    ),
    "ais": ("aistore:ais", "Work with the objects of an AIStore cluster."),
    "grid": ("grid:grid", "Bring home what Grid runs wrote; submit, follow and end them."),
    "image": ("images:image", "Look at images, push and pull them."),
    "disk": ("disks:disk", "Make, list and remove persistent disks."),
    "secret": ("secrets:secret", "Keep values that jobs get and nobody reads."),
    "acl": ("acl:acl", "Share what is yours, and see what is shared."),
    "service-account": (
        "service_accounts:service_account",
        "Make and remove logins for programs.",
    ),
}
"""For every command where it is and what it does in one line."""


class LazyGroup(click.Group):
    """Import the module of a sub-command when it is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        try:
            found: click.Command = getattr(importlib.import_module(f".{module}", __package__), name)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`{PROGRAM} {cmd_name}` needs the package {error.name}; install it with "
                "`pip install 'neuro_client[cli,local]'`"
            ) from error
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not logged in, 4 not found, 5 refused, "
    "124 time-out, 130 interrupted; `run` ends with the job's own code, 125 if it never started.",
)
@click.version_option(__version__, prog_name=PROGRAM)
@common_options
def cli() -> None:
    """Run training jobs and move the data they need.

    \b
    Examples:
      neuro-client local up --detach        start a platform on this machine
      neuro-client login --local            log in to it
      neuro-client storage cp -r data storage:data
      neuro-client run -v storage:data:/data:ro python:3.11 -- python train.py
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the program and end the process with its exit code."""
    _prepare_streams()
    try:
        code = _run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        code = BROKEN_PIPE
    sys.exit(code)


def _run(args: Sequence[str] | None) -> int:
    try:
        ended: Any = cli.main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted", err=True)
        return INTERRUPTED
    return ended if isinstance(ended, int) else 0


def drop_output() -> None:
    """Point stdout to nowhere, so that the last flush of a closed pipe raises nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _prepare_streams() -> None:
    """Print lines as they come, and any name, whatever the terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(
                errors="surrogateescape" if utf8 else "backslashreplace", line_buffering=True
            )
