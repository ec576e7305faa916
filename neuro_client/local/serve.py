"""Run a platform as a program of its own: in the foreground, or detached; find it; end it.

All functions block and belong into a program's main thread or into a thread of their own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import psutil

from .files import default_data, read_json, write_private
from .platform import LocalPlatform
from .settings import GarageSettings

START_TIME = 30.0
STOP_TIME = 20.0
GARAGE_TOKEN = "GARAGE_ADMIN_TOKEN"
"""The variable that holds the admin token; a command line would show it to everybody."""
_POLL = 0.05
_TAIL = 20
_SECRETS = frozenset({"token", "client_secret", "api_key", "secret_access_key"})


class StartError(RuntimeError):
    """Report a detached platform that did not come up; the text ends with what it said."""


@attrs.frozen
class ServeOptions:
    """Hold the options of ``local up``; see ``LocalPlatform`` for their meaning."""

    data: Path | None = None
    port: int | None = None
    runner: str = "process"
    clusters: tuple[str, ...] = ("default",)
    orgs: tuple[str, ...] = ()
    ready_file: Path | None = None
    host: str = "127.0.0.1"
    allow_remote: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    garage: str | None = None
    garage_s3: str | None = None
    garage_region: str = "garage"

    def folder(self) -> Path:
        """Return where the data is."""
        return (self.data or default_data()).absolute()

    def arguments(self) -> list[str]:
        """Return the same options as words of a command line."""
        words = ["--data", str(self.folder()), "--runner", self.runner, "--host", self.host]
        if self.port is not None:
            words += ["--port", str(self.port)]
        for option, values in (("--cluster", self.clusters), ("--org", self.orgs)):
            for value in values:
                words += [option, value]
        paths = {
            "--ready-file": self.ready_file,
            "--tls-cert": self.tls_cert,
            "--tls-key": self.tls_key,
        }
        for option, path in paths.items():
            if path is not None:
                words += [option, str(path.absolute())]
        if self.garage is not None:
            words += ["--garage", self.garage, "--garage-region", self.garage_region]
        if self.garage_s3 is not None:
            words += ["--garage-s3", self.garage_s3]
        return [*words, "--allow-remote"] if self.allow_remote else words

    def platform(self) -> LocalPlatform:
        """Build the platform; ``ValueError`` for options that make no sense together."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key go together")
        tls = None
        if self.tls_cert is not None and self.tls_key is not None:
            tls = (self.tls_cert, self.tls_key)
        garage = None
        if self.garage is not None:
            token = os.environ.get(GARAGE_TOKEN, "")
            garage = GarageSettings.build(self.garage, token, self.garage_s3, self.garage_region)
        elif self.garage_s3 is not None:
            raise ValueError("--garage-s3 goes together with --garage")
        return LocalPlatform(
            self.data,
            port=self.port,
            clusters=self.clusters,
            orgs=self.orgs,
            runner=self.runner,
            host=self.host,
            allow_remote=self.allow_remote,
            tls=tls,
            garage=garage,
        )


def without_secrets(ready: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a platform told but its secrets, which are in its ready.json only."""
    return {
        key: without_secrets(value) if isinstance(value, Mapping) else value
        for key, value in ready.items()
        if key not in _SECRETS
    }


def up(options: ServeOptions, on_ready: Callable[[Mapping[str, Any]], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``on_ready`` is called once every listener answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_serve(options, on_ready))


def up_detached(options: ServeOptions) -> Mapping[str, Any]:
    """Start a platform that goes on after this program, and return its ``ready.json``.

    Raises:
        StartError: it ended, or was not ready within 30 s.
    """
    folder = options.folder()
    folder.mkdir(0o700, parents=True, exist_ok=True)
    log = folder / "platform.log"
    command = [sys.executable, "-m", "neuro_client.local", "up", *options.arguments()]
    with log.open("ab") as output:
        start = output.tell()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder,
        )
    try:
        deadline = time.monotonic() + START_TIME
        while time.monotonic() < deadline:
            ready = read_json(folder / "ready.json")
            if ready.get("pid") == child.pid:
                # It goes on without us, so nobody will ever wait for it.
                child.returncode = 0
                return ready
            if child.poll() is not None:
                raise StartError(f"The platform ended at once:\n{_tail(log, start)}")
            time.sleep(_POLL)
        raise StartError(f"The platform was not ready in {START_TIME:g} s:\n{_tail(log, start)}")
    except BaseException:
        # Nobody was told of it, so nobody would stop it.
        child.kill()
        child.wait()
        raise


def status(data: Path | None = None) -> Mapping[str, Any] | None:
    """Return the ``ready.json`` of the platform that serves ``data``, None if none does."""
    folder = (data or default_data()).absolute()
    ready = read_json(folder / "ready.json")
    return ready if _server(folder, ready) is not None else None


def down(data: Path | None = None, timeout: float = STOP_TIME) -> bool:
    """End the platform that serves ``data`` and wait for it; False if none does.

    Raises:
        TimeoutError: it did not end within ``timeout`` seconds.
    """
    folder = (data or default_data()).absolute()
    ready = read_json(folder / "ready.json")
    process = _server(folder, ready)
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _server(folder, ready) is None:
            return True
        time.sleep(_POLL)
    raise TimeoutError(f"The platform (process {process.pid}) did not end in {timeout:g} s")


async def _serve(options: ServeOptions, on_ready: Callable[[Mapping[str, Any]], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with options.platform() as platform:
        if options.ready_file is not None:
            text = (platform.data / "ready.json").read_text("utf-8")
            write_private(options.ready_file.absolute(), text)
        on_ready(platform.ready)
        await stop.wait()


def _server(folder: Path, ready: Mapping[str, Any]) -> psutil.Process | None:
    """Return the process that ``ready.json`` names, if it is the one that holds the data.

    After a crash the file names a process that is gone, and its number may be somebody else's. To
    try the lock would be no proof, and would keep a platform that is just starting from it.
    """
    pid = ready.get("pid")
    if not isinstance(pid, int):
        return None
    lock = os.path.realpath(folder / "lock")
    try:
        process = psutil.Process(pid)
        return process if any(file.path == lock for file in process.open_files()) else None
    except psutil.Error:
        return None


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-_TAIL:])
