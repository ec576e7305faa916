"""Count what a transfer does, and show it as bars on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from yarl import URL

from ..transfer import (
    AbstractRecursiveFileProgress,
    StorageProgressComplete,
    StorageProgressEnterDir,
    StorageProgressFail,
    StorageProgressLeaveDir,
    StorageProgressStart,
    StorageProgressStep,
)
from .output import human_size, printable

_OWN_BAR = 2**20
"""Files of at least so many bytes get a bar of their own; all others only count in the total."""

_NAME_WIDTH = 32


class Tally(AbstractRecursiveFileProgress):
    """Count files and bytes, and keep what was passed over; a context manager."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.failed: list[StorageProgressFail] = []
        self._positions: dict[tuple[URL, URL], int] = {}
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @property
    def seconds(self) -> float:
        """Return the time since the begin."""
        return time.monotonic() - self._since

    def document(self) -> dict[str, Any]:
        """Return the account as JSON values."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "failed": [
                {"src": str(fail.src), "dst": str(fail.dst), "message": fail.message}
                for fail in self.failed
            ],
        }

    def account(self) -> str:
        """Return the account in one line."""
        seconds = self.seconds
        noun = "file" if self.files == 1 else "files"
        return (
            f"Copied {self.files} {noun}, {human_size(self.bytes)} in {seconds:.1f} s "
            f"({human_size(self.bytes / max(seconds, 1e-3))}/s)"
        )

    def start(self, data: StorageProgressStart) -> None:
        """Begin to count a file."""
        self._positions[data.src, data.dst] = 0

    def step(self, data: StorageProgressStep) -> None:
        """Count the bytes since the last step."""
        key = data.src, data.dst
        self.bytes += data.current - self._positions.get(key, 0)
        self._positions[key] = data.current

    def complete(self, data: StorageProgressComplete) -> None:
        """Count the file."""
        self._positions.pop((data.src, data.dst), None)
        self.files += 1

    def enter(self, data: StorageProgressEnterDir) -> None:
        """Take no note."""

    def leave(self, data: StorageProgressLeaveDir) -> None:
        """Take no note."""

    def fail(self, data: StorageProgressFail) -> None:
        """Keep it and tell the user at once."""
        self.failed.append(data)
        named = str(data.src) in data.message
        self.tell(f"Passed over: {data.message if named else f'{data.src}: {data.message}'}")

    def tell(self, text: str) -> None:
        """Print a message for the user."""
        click.echo(text, err=True)


class Bars(Tally):
    """Show a bar for each large file, and one for all files of a directory, on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bars: dict[tuple[URL, URL], TaskID] = {}
        self._total: TaskID | None = None

    def __enter__(self) -> Self:
        self._shown.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shown.stop()

    def start(self, data: StorageProgressStart) -> None:
        """Show a bar for a large file, or for the only one."""
        super().start(data)
        if data.size >= _OWN_BAR or self._total is None:
            name = printable(data.src.name)
            if len(name) > _NAME_WIDTH:
                name = f"{name[: _NAME_WIDTH - 1]}…"
            self._bars[data.src, data.dst] = self._shown.add_task(escape(name), total=data.size)

    def step(self, data: StorageProgressStep) -> None:
        """Move the bar of the file, and the one of the total."""
        super().step(data)
        bar = self._bars.get((data.src, data.dst))
        if bar is not None:
            self._shown.update(bar, completed=data.current)
        self._move_total()

    def complete(self, data: StorageProgressComplete) -> None:
        """Take the bar of the file away."""
        super().complete(data)
        bar = self._bars.pop((data.src, data.dst), None)
        if bar is not None:
            self._shown.update(bar, completed=data.size)
            if self._total is not None:
                self._shown.remove_task(bar)
        self._move_total()

    def enter(self, data: StorageProgressEnterDir) -> None:
        """Show the total once a directory begins; its end is not known before it comes."""
        if self._total is None:
            self._total = self._shown.add_task("0 files", total=None)

    def tell(self, text: str) -> None:
        """Print a message above the bars."""
        self._shown.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _move_total(self) -> None:
        if self._total is not None:
            self._shown.update(self._total, completed=self.bytes, description=f"{self.files} files")


def watch(*, bars: bool | None, quiet: bool) -> Tally:
    """Return what follows a transfer: bars if wanted, by default on a terminal."""
    wanted = sys.stderr.isatty() and not quiet if bars is None else bars
    return Bars() if wanted else Tally()
