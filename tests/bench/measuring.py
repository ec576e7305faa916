"""Samples of contenders that take turns, what they amount to, and where they are kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

PATIENCE = 60.0
RESULTS = Path(__file__).parent / "results"

Figures = dict[str, float]


@attrs.frozen
class Row:
    """Hold the samples of one contender in one case, a round each."""

    case: str
    link: str
    contender: str
    samples: list[Figures]

    def median(self, figure: str) -> float:
        """Return the middle of a figure."""
        return statistics.median(self.of(figure))

    def of(self, figure: str) -> list[float]:
        """Return a figure of every round."""
        return [sample[figure] for sample in self.samples]


@attrs.define
class Outcome:
    """Hold what one program has measured."""

    name: str
    settings: dict[str, Any]
    rows: list[Row] = attrs.field(factory=list)

    def row(self, case: str, link: str, contender: str) -> Row | None:
        """Return the samples of one contender in one case."""
        for row in self.rows:
            if (row.case, row.link, row.contender) == (case, link, contender):
                return row
        return None

    def cases(self) -> Iterator[tuple[str, str]]:
        """Yield every case with its link, in the order measured."""
        yield from dict.fromkeys((row.case, row.link) for row in self.rows)

    def ratio(self, case: str, link: str, ours: str, other: str) -> list[float]:
        """Return, round by round, how many times as fast ``ours`` was as ``other``."""
        first, second = self.row(case, link, ours), self.row(case, link, other)
        if first is None or second is None:
            return []
        pairs = zip(first.of("seconds"), second.of("seconds"), strict=False)
        return [theirs / mine for mine, theirs in pairs]


def take_turns(
    outcome: Outcome,
    case: str,
    link: str,
    contenders: dict[str, Callable[[int], Figures]],
    rounds: int,
) -> None:
    """Let the contenders work one after the other, ``rounds`` times; who begins changes.

    A turn of the first one goes before and is not counted: it pays for what the case before left
    to be written to the disk. Whoever has needed more than a minute in all takes no further turn.
    """
    samples: dict[str, list[Figures]] = {name: [] for name in contenders}
    names = list(contenders)
    if rounds > 1:
        contenders[names[0]](-1)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            if sum(figures["seconds"] for figures in samples[name]) <= PATIENCE:
                samples[name].append(contenders[name](number))
    for name in names:
        outcome.rows.append(row := Row(case, link, name, samples[name]))
        shown = " ".join(f"{seconds:.2f}" for seconds in row.of("seconds"))
        print(f"{case:12} {link:9} {name:10} {row.median('seconds'):7.2f} s  ({shown})", flush=True)
    for name in names[1:] if rounds > 1 else ():
        ratio = outcome.ratio(case, link, names[0], name)
        print(f"{case:12} {link:9} {names[0]} / {name}: {spread(ratio)}", flush=True)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return a median with its lowest and highest value."""
    if not values:
        return "–"
    middle = statistics.median(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def machine() -> dict[str, Any]:
    """Describe where the figures were taken."""
    return {
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make the options that every program has."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--rounds", type=int, default=5, help="alternations, default 5")
    made.add_argument("--json", type=Path, help=f"where to write, default {RESULTS.name}/")
    made.add_argument("--where", help="folder on the disk to use, default that of temporary files")
    made.add_argument("--full", action="store_true", help="also what takes long")
    return made


def save(outcome: Outcome, path: Path | None) -> None:
    """Write an outcome as JSON."""
    target = path or RESULTS / f"{outcome.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), **attrs.asdict(outcome)}
    target.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def load(path: Path) -> tuple[Outcome, dict[str, Any]]:
    """Read an outcome, and the machine it comes from."""
    document = json.loads(path.read_text("utf-8"))
    rows = [Row(**row) for row in document["rows"]]
    return Outcome(document["name"], document["settings"], rows), document["machine"]
