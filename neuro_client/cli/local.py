"""``local``: run a platform of your own on this machine."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from yarl import URL

from ..local import serve
from ..threads import run_blocking
from ..transport import FixedCredentials, Transport
from . import errors
from .output import print_json, print_pairs
from .session import async_command, command, usage_errors
from .settings import Settings, common_options

_data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where everything is kept; default $XDG_DATA_HOME/neuro-client/local.",
)
_file = click.Path(dir_okay=False, path_type=Path)


@click.group(short_help="Run a platform of your own on this machine.")
@common_options
def local() -> None:
    """Run a platform of your own on this machine.

    It speaks the protocols of the real one on the loopback interface and needs nothing else.
    Jobs are processes of this host; they are not isolated from it.
    """


@local.command("up")
@_data
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the main listener, 0 for a free one; default the last one, at first 8787.",
)
@click.option(
    "--runner",
    type=click.Choice(["process", "docker"]),
    default="process",
    show_default=True,
    help="What runs the jobs.",
)
@click.option("--cluster", multiple=True, metavar="NAME", help="Repeatable; default: default.")
@click.option("--org", multiple=True, metavar="NAME", help="Repeatable.")
@click.option("--ready-file", type=_file, metavar="FILE", help="Write addresses and tokens there.")
@click.option("--detach", is_flag=True, help="Return once it is ready, and leave it running.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Listen on more than loopback; needs TLS.")
@click.option("--tls-cert", type=_file, metavar="FILE")
@click.option("--tls-key", type=_file, metavar="FILE")
@click.option(
    "--garage",
    metavar="URL",
    help="Keep the buckets of workspaces on the Garage with this admin API; its token is read from "
    "GARAGE_ADMIN_TOKEN.",
)
@click.option("--garage-s3", metavar="URL", help="Garage's S3; default port 3900 of that host.")
@click.option("--garage-region", default="garage", show_default=True, metavar="NAME")
@common_options
@command
def up(
    settings: Settings,
    detach: bool,
    cluster: tuple[str, ...],
    org: tuple[str, ...],
    **options: Any,
) -> None:
    """Start the platform and serve until Ctrl-C.

    \b
    Examples:
      neuro-client local up --detach && neuro-client login --local
      neuro-client local up --data ./platform --port 0 --cluster one --cluster two
    """
    chosen = serve.ServeOptions(clusters=cluster or ("default",), orgs=org, **options)
    with usage_errors():
        chosen.platform()
    if detach:
        _started(settings, chosen, serve.up_detached(chosen))
    else:
        serve.up(chosen, lambda ready: _started(settings, chosen, ready))


@local.command("status")
@_data
@common_options
@command
def status(settings: Settings, data: Path | None) -> int:
    """Show where the platform serves; exit code 4 if it is not running."""
    ready = serve.status(data)
    if settings.json:
        print_json({"running": ready is not None, **serve.without_secrets(ready or {})})
    elif ready is not None:
        print_pairs(_pairs(ready))
    if ready is None:
        settings.note("No platform is running")
        return errors.NOT_FOUND
    return errors.DONE


@local.command("down")
@_data
@common_options
@command
def down(settings: Settings, data: Path | None) -> int:
    """Stop the platform; exit code 4 if it is not running. What it keeps stays."""
    stopped = serve.down(data)
    if settings.json:
        print_json({"stopped": stopped})
    settings.note("Stopped" if stopped else "No platform is running")
    return errors.DONE if stopped else errors.NOT_FOUND


@local.command("dashboard")
@_data
@click.option("--open", "open_", is_flag=True, help="Open it in the browser.")
@common_options
@async_command
async def dashboard(settings: Settings, data: Path | None, open_: bool) -> int:
    """Print a link to the platform's pages; it signs you in, once, within five minutes.

    Exit code 4 if no platform is running.
    """
    ready = await run_blocking(serve.status, data)
    if ready is None:
        settings.note("No platform is running")
        return errors.NOT_FOUND
    credentials = FixedCredentials.bearer(str(ready["token"]))
    async with Transport(credentials=credentials) as transport:
        answer = await transport.json("POST", URL(str(ready["dashboard_url"])) / "links")
    link = str(answer["url"])
    if settings.json:
        print_json({"url": link})
    else:
        click.echo(link)
    if open_ and not await run_blocking(webbrowser.open, link):
        settings.note("No browser could be started; open the link yourself")
    return errors.DONE


def _started(settings: Settings, options: serve.ServeOptions, ready: Mapping[str, Any]) -> None:
    if settings.json:
        print_json(serve.without_secrets(ready))
        return
    print_pairs(_pairs(ready))
    data = () if options.data is None else ("--data", str(options.data))
    settings.note(f"Log in with: {settings.command_line('login', '--local', *data)}")


def _pairs(ready: Mapping[str, Any]) -> dict[str, object]:
    return {
        "Platform": ready.get("api_url"),
        "Dashboard": ready.get("dashboard_url"),
        "Cluster": ready.get("cluster"),
        "User": ready.get("username"),
        "Process": ready.get("pid"),
    }
