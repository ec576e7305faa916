"""Tables of the foreign systems: ours against their published clients, case by case."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from .measuring import Outcome, spread
from .race import BARE, OURS, PUBLISHED
from .world import DISTANT, LOOPBACK

Table = list[Sequence[str]]
Build = Callable[[Outcome], Table]

TITLES = {
    "put": "put, {files:,} × 64 KiB",
    "get": "get, {files:,} × 64 KiB",
    "head": "head, {files:,} objects",
    "put-large": "put, {gib:g} GiB",
    "get-large": "get, {gib:g} GiB",
    "list": "list, {names:,} names",
}


ARTIFACTS = {
    "artifacts-small": "download, {files:,} × 16 KiB",
    "artifacts-large": "download, {gib:g} GiB",
}
ARTIFACTS_AIMS = {
    ("artifacts-small", LOOPBACK): 1.4,
    ("artifacts-large", LOOPBACK): 1.4,
    ("artifacts-small", DISTANT): 10.0,
    ("artifacts-large", DISTANT): 2.0,
}


def against(ratios: Sequence[float], aim: float | None) -> str:
    """Show ratios, and whether their median misses the aim."""
    if not ratios:
        return "–"
    missed = aim is not None and statistics.median(ratios) < aim
    return f"{spread(ratios)}{' **missed**' if missed else ''}"


def compared(aims: Mapping[str, float | None], title: Callable[[Outcome, str], str]) -> Build:
    """Make a table with a column for each other contender, and the medians of all in seconds."""

    def build(outcome: Outcome) -> Table:
        heads = [
            f"ours / {name}" + ("" if aim is None else f" (≥ {aim})") for name, aim in aims.items()
        ]
        names = (OURS, *aims)
        table: Table = [("", "link", *heads, *(f"{name}, s" for name in names))]
        for case, link in outcome.cases():
            ratios = [
                against(outcome.ratio(case, link, OURS, name), aim) for name, aim in aims.items()
            ]
            rows = [outcome.row(case, link, name) for name in names]
            seconds = ["–" if row is None else f"{row.median('seconds'):.2f}" for row in rows]
            table.append((title(outcome, case), link, *ratios, *seconds))
        return table

    return build


def _of_objects(outcome: Outcome, case: str) -> str:
    settings = outcome.settings
    gib = round(settings["size"] / 2**30, 3)
    return TITLES[case].format(files=settings["files"], gib=gib, names=settings["names"])


def _of_workloads(outcome: Outcome, case: str) -> str:
    settings = outcome.settings
    if case == "list":
        return f"list {settings['workloads']:,} workloads"
    return f"watch {settings['watched']:,} to their ends, {case.partition('-')[2]} looks"


def of_artifacts(outcome: Outcome) -> Table:
    """Compare downloads with the published client, each case with an aim of its own."""
    table: Table = [("", "link", "ours / published", "aim", "ours, s", "published, s")]
    for case, link in outcome.cases():
        aim = ARTIFACTS_AIMS[case, link]
        rows = [outcome.row(case, link, name) for name in (OURS, PUBLISHED)]
        seconds = ["–" if row is None else f"{row.median('seconds'):.2f}" for row in rows]
        ratio = against(outcome.ratio(case, link, OURS, PUBLISHED), aim)
        gib = round(outcome.settings["size"] / 2**30, 3)
        title = ARTIFACTS[case].format(files=outcome.settings["files"], gib=gib)
        table.append((title, link, ratio, f"≥ {aim}", *seconds))
    return table


SERVICES: dict[str, tuple[str, Build]] = {
    "aistore": ("aistore", compared({BARE: 0.85, PUBLISHED: 1.0}, _of_objects)),
    "artifacts": ("artifacts", of_artifacts),
    "trainings": ("trainings", compared({PUBLISHED: None}, _of_workloads)),
}
