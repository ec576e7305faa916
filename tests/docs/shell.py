"""Write the page of the command line anew: ``python -m tests.docs.shell``."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import click

from neuro_client.cli.main import cli

from .snippets import ROOT

PAGE = ROOT / "docs" / "reference" / "shell.md"
HEAD = """# Command line

What `--help` prints, written by `python -m tests.docs.shell`.
"""


def commands(command: click.Command = cli, path: str = "") -> Iterator[str]:
    """Yield every command as the words that call it, groups before what is in them."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


def section(command: str) -> str:
    """Return a command's part of the page; as wide as ``COLUMNS`` says."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        cli.main([*command.split(), "--help"], prog_name="neuro-client", standalone_mode=False)
    return f"\n## neuro-client{command}\n\n```text\n{shown.getvalue().rstrip()}\n```\n"


if __name__ == "__main__":
    os.environ["COLUMNS"] = "80"
    PAGE.write_text(HEAD + "".join(section(command) for command in commands()), "utf-8")
