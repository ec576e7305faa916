"""Run the program as a user would: as a process, in a pipe, on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from click.testing import CliRunner, Result

from neuro_client.cli.main import cli

_PATIENCE = 20.0


def _heed_ctrl_c() -> None:
    """Undo what a shell does to commands in the background: they would never notice a Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _take_terminal() -> None:
    """Make the terminal the controlling one, so that Ctrl-C is a signal."""
    _heed_ctrl_c()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@attrs.frozen
class Program:
    """Start ``neuro-client`` under a login of its own."""

    home: Path
    config: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment of the processes; nothing of the user's own."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "NEUROMATION_CONFIG": str(self.config),
            "TERM": "xterm",
            "COLUMNS": "100",
            # A detached platform outlives the program that started it, which is what is wanted.
            "PYTHONWARNINGS": "error,ignore:subprocess:ResourceWarning",
        }

    def command(self, *args: str) -> list[str]:
        """Return the words to start a process with."""
        return [sys.executable, "-m", "neuro_client", *args]

    def run(
        self, *args: str, code: int = 0, stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a process to its end and check its exit code."""
        done = subprocess.run(
            self.command(*args),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            env=self.environment,
            cwd=cwd or self.home,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def call(self, *args: str, code: int = 0) -> Result:
        """Run a command in this process, which is quicker, and check its exit code."""
        ended = CliRunner().invoke(cli, ["--config", str(self.config), *args])
        assert ended.exit_code == code, (ended.output, ended.exception)
        assert "Traceback" not in ended.stderr
        return ended

    def document(self, *args: str, code: int = 0) -> Any:
        """Run a command with ``--json`` and read its one document."""
        return json.loads(self.call("--json", *args, code=code).stdout)

    def documents(self, *args: str) -> list[Any]:
        """Run a command with ``--json`` and read a document from each line."""
        return [json.loads(line) for line in self.call("--json", *args).stdout.splitlines()]

    def spawn(self, *args: str) -> subprocess.Popen[str]:
        """Start a process in a group of its own; the caller ends it."""
        return subprocess.Popen(
            self.command(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.home,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
        )

    def terminal(self, *args: str) -> Terminal:
        """Start a process on a terminal of its own."""
        return Terminal(self.command(*args), self.environment, self.home)


class Terminal:
    """Be the terminal of a process: read what it shows, type, press Ctrl-C."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._child = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        os.close(self._ours)

    def wait_for(self, text: str) -> None:
        """Read until the text has been shown."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline and self._read(), f"{text!r} not in {self.shown!r}"

    def type(self, text: str) -> None:
        """Type on the keyboard; ``\\x03`` is Ctrl-C."""
        os.write(self._ours, text.encode())

    def attributes(self) -> list[Any]:
        """Return how the terminal is set."""
        return termios.tcgetattr(self._ours)

    def hang_up(self) -> None:
        """Ask the process to end."""
        self._child.terminate()

    def end(self) -> int:
        """Read the rest and return the exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self._read():
            assert time.monotonic() < deadline, self.shown
        return self._child.wait(_PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], _PATIENCE)
        assert ready, f"silent after {self.shown!r}"
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Send what Ctrl-C sends."""
    os.killpg(process.pid, signal.SIGINT)
