"""The program as a whole: what it loads, what it says about itself, how it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from neuro_client import __version__
from neuro_client.cli.main import COMMANDS, cli


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from _commands(found, (*path, name))
        else:
            yield (*path, name)


def _command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = cli
    for name in path:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None
        found = inner
    return found


LEAVES = list(_commands(cli))


def test_help_loads_neither_the_library_nor_rich() -> None:
    code = (
        "import sys\n"
        "from neuro_client.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = ('aiohttp', 'rich', 'attrs', 'yarl', 'neuro_client.client', 'asyncio')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stderr.strip() == "[]"
    assert "storage" in done.stdout


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['psutil'] = None\n"
        "from neuro_client.cli.main import main\n"
        "main(['local', 'status'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "needs the package psutil" in done.stderr
    assert "neuro_client[cli,local]" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_one_of_the_command(name: str) -> None:
    assert _command((name,)).get_short_help_str(limit=200) == COMMANDS[name][1]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_explains_itself_and_has_the_common_options(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    for option in ("--json", "--quiet", "--config DIR", "--debug"):
        assert option in shown.output
    assert _command(path).help


@pytest.mark.parametrize(
    "args",
    [
        ["nothing"],
        ["--nothing"],
        ["job"],
        ["job", "status"],
        ["job", "wait", "--timeout", "soon", "x"],
        ["job", "ls", "--status", "dead"],
        ["run"],
        ["run", "--life-span", "5", "image"],
        ["storage", "cp", "x"],
        ["login", "--local", "--headless"],
        ["login", "--local", "http://127.0.0.1:1/api/v1"],
        ["login", "--data", "x"],
        ["login", "ftp://x"],
        ["config", "switch-org"],
        ["config", "switch-org", "--none", "x"],
    ],
    ids=" ".join,
)
def test_usage_errors_end_with_2(args: list[str]) -> None:
    ended = CliRunner().invoke(cli, args)
    assert ended.exit_code == 2
    assert ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "args",
    [["job", "ls"], ["config", "show"], ["run", "i"], ["storage", "ls"], ["config", "fetch"]],
    ids=" ".join,
)
def test_without_a_login_commands_end_with_3_and_say_what_to_do(args: list[str]) -> None:
    ended = CliRunner().invoke(cli, ["--config", "/nowhere/at all", *args])
    assert ended.exit_code == 3
    assert "neuro-client --config '/nowhere/at all' login --local" in ended.stderr
    assert ended.stdout == ""


def test_version() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output.strip().endswith(__version__)
