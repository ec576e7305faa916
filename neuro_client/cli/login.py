"""``login`` and ``logout``."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import webbrowser
from pathlib import Path

import click
from yarl import URL

from ..config import DEFAULT_API_URL
from ..config.services import FILE_NAME
from ..factory import Factory
from ..testing.login import login as login_to_platform
from ..testing.login import services_toml
from ..threads import run_blocking
from .errors import NotLoggedIn
from .output import print_json
from .session import async_command, open_client
from .settings import Settings, common_options


@click.command(short_help="Log in to a platform.")
@click.argument("url", required=False, metavar="[URL]")
@click.option("--local", is_flag=True, help="Log in to the local platform.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --local: the platform's data folder, if it is not the default one.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="Log in with a token; - reads it from stdin, which hides it from other users.",
)
@click.option(
    "--headless", is_flag=True, help="Show an address to open elsewhere and ask for the code."
)
@common_options
@async_command
async def login(
    settings: Settings,
    url: str | None,
    local: bool,
    data: Path | None,
    token: str | None,
    headless: bool,
) -> None:
    """Log in to the platform at URL, through a browser unless told otherwise.

    A login that is there already is never replaced; log out first, or choose another folder
    with --config.

    \b
    Examples:
      neuro-client login https://platform.example.com/api/v1
      neuro-client login --local
      neuro-client login --token - https://platform.example.com/api/v1 < token.txt
    """
    _check(url, local, data, token, headless)
    factory = await run_blocking(Factory, settings.config)
    address = URL(url) if url else DEFAULT_API_URL
    if local:
        await _login_local(settings, factory, data)
    elif token is not None:
        text = (await run_blocking(sys.stdin.readline)).strip() if token == "-" else token
        if not text:
            raise click.UsageError("The token is empty")
        await factory.login_with_token(text, url=address)
    elif headless:
        await factory.login_headless(_ask_code, url=address)
    else:
        await factory.login(_show_browser, url=address)
    async with open_client(settings) as client:
        found = client.config
        if settings.json:
            print_json(
                {
                    "username": found.username,
                    "api_url": str(found.api_url),
                    "cluster": found.cluster_name if found.clusters else None,
                    "path": str(found.path),
                }
            )
        cluster = f", cluster {found.cluster_name}" if found.clusters else ", without a cluster"
        settings.note(f"Logged in to {found.api_url} as {found.username}{cluster}")


@click.command(short_help="Remove the login from this machine.")
@common_options
@async_command
async def logout(settings: Settings) -> None:
    """Remove the login from this machine; the platform is not asked."""
    factory = await run_blocking(Factory, settings.config)
    present = await run_blocking(lambda: factory.is_config_present)
    await factory.logout()
    if settings.json:
        print_json({"path": str(factory.path), "removed": present})
    settings.note(
        f"Removed the login in {factory.path}" if present else f"No login in {factory.path}"
    )


def _check(
    url: str | None, local: bool, data: Path | None, token: str | None, headless: bool
) -> None:
    if sum((local, token is not None, headless)) > 1:
        raise click.UsageError("Give one of --local, --token and --headless")
    if local and url:
        raise click.UsageError("--local finds the address by itself; leave out the URL")
    if data is not None and not local:
        raise click.UsageError("--data goes with --local")
    if url and URL(url).scheme not in ("http", "https"):
        raise click.UsageError(f"{url!r} is no address; write https://HOST/api/v1")


async def _login_local(settings: Settings, factory: Factory, data: Path | None) -> None:
    # The platform is an extra: only this kind of login needs it.
    from ..local.serve import status

    ready = await run_blocking(status, data)
    if ready is None:
        where = "" if data is None else f" on {data}"
        option = () if data is None else ("--data", str(data))
        up = settings.command_line("local", "up", "--detach", *option)
        raise NotLoggedIn(f"No local platform is running{where}; start one with `{up}`")
    await login_to_platform(ready, factory.path)
    services = factory.path / FILE_NAME
    if await run_blocking(_differs, services, services_toml(ready)):
        settings.note(
            f"{services} was there already and is left as it is; for the services of this platform "
            "log out, remove it and log in again"
        )


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()


async def _show_browser(url: URL) -> None:
    click.echo(f"Opening your browser; if nothing happens, open this address:\n{url}", err=True)
    await run_blocking(webbrowser.open, str(url))


async def _ask_code(url: URL) -> str:
    click.echo(f"Open this address in any browser and log in:\n{url}", err=True)
    click.echo("Code: ", err=True, nl=False)
    return (await _read_line()).strip()


async def _read_line() -> str:
    """Read a line from stdin; the thread is left behind when the command is interrupted."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def finish(line: bytes) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        # Raw reads: a thread inside of sys.stdin would hold its lock when the program ends.
        line = b""
        while not line.endswith(b"\n") and (more := os.read(0, 4096)):
            line += more
        loop.call_soon_threadsafe(finish, line)

    threading.Thread(target=read, daemon=True).start()
    return (await answer).decode(errors="replace")
