"""Print records: as JSON, as a table, as pairs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = "  "
_STEPS = ("B", "K", "M", "G", "T", "P")


def print_json(document: Any) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(document))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print rows under a heading; nothing is cut off when the output goes to a file or pipe."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        _print_aligned([list(columns), *cells], [column in right for column in columns])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column == columns[0],
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    _print_rendered(table)


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print a record, one field a line; empty fields are left out."""
    cells = [[name, _cell(value)] for name, value in pairs.items() if value not in (None, "", ())]
    if not sys.stdout.isatty():
        _print_aligned(cells, [False, False])
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    _print_rendered(table)


def _print_rendered(table: Table) -> None:
    """Print a table as wide as the terminal."""
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(table)
    click.echo(capture.get(), nl=False)


def _print_aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print columns of their own width; rich would take a second for some thousand rows."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = []
        for text, width, flush in zip(row, widths, right, strict=True):
            space = " " * (width - cell_len(text))
            padded.append(space + text if flush else text + space)
        click.echo(_GAP.join(padded).rstrip())


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value), always=True)


def printable(text: str, *, always: bool = False) -> str:
    """Replace what could steer a terminal by ``?`` when the output goes to one."""
    if text.isprintable() or not (always or sys.stdout.isatty()):
        return text
    return "".join(char if char.isprintable() else "?" for char in text)


def human_size(size: float) -> str:
    """Format bytes in steps of 1024, as ``ls -h`` does."""
    for unit in _STEPS:
        if size < 1024 or unit == _STEPS[-1]:
            break
        size /= 1024
    return f"{size:.0f}{unit}" if unit == "B" or size >= 10 else f"{size:.1f}{unit}"


def human_time(moment: datetime | None) -> str:
    """Format a moment in local time, to the second."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def human_duration(seconds: float | None) -> str:
    """Format seconds in the form that durations are typed in."""
    if seconds is None:
        return ""
    days, rest = divmod(round(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (left, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def iso(moment: datetime | None) -> str | None:
    """Format a moment for JSON."""
    return None if moment is None else moment.isoformat()
