"""Turn the JSON of the programs into the tables of docs/benchmarks.md, with the aims beside them.

``python -m tests.bench.report`` prints them; ``--write`` puts them into the page.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .buckets import DISK
from .measuring import RESULTS, Outcome, Row, load, spread
from .memory import HUGE
from .platform_rates.__main__ import HANDLERS, PLATFORM
from .race import BARE, CONTENDERS, OURS, PUBLISHED
from .report_services import SERVICES
from .start import LEAST
from .world import DISTANT, LOOPBACK, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
_MARK = "<!-- {}: made by tests.bench.report -->"
_END = "<!-- end -->"
MIB = 2**20

Table = list[Sequence[str]]

TITLES = {
    "up-tree": "upload, {files:,} × 16 KiB",
    "sync-tree": "unchanged re-sync of them",
    "down-tree": "download, {files:,} × 16 KiB",
    "up-file": "upload, {gib:g} GiB",
    "down-file": "download, {gib:g} GiB",
    "up-huge": "upload, {huge:g} GiB",
    "down-huge": "download, {huge:g} GiB",
    "up-many": "upload",
    "sync-many": "unchanged re-sync",
    "down-many": "download",
    "up-blobs": "upload, {files:,} × 64 KiB",
    "sync-blobs": "unchanged re-sync of them",
    "down-blobs": "download, {files:,} × 64 KiB",
    "up-blob": "upload, {gib:g} GiB",
    "down-blob": "download, {gib:g} GiB",
    "import": "`import neuro_client; neuro_client.get`",
    "help": "`neuro-client --help`",
    "submit": "submit, {gib:g} GiB in {shards} shards",
    "resubmit": "submit them again, unchanged",
    "create-small": "CREATE of 16 KiB",
    "open-small": "OPEN of 16 KiB",
    "create-large": "CREATE of {large:g} MiB",
    "open-large": "OPEN of {large:g} MiB",
    "put-small": "S3 PUT of 64 KiB",
    "get-small": "S3 GET of 64 KiB",
}
BARE_AIM = 0.9
PLATFORM_AIM = 0.7
# The byte budget and 64 MiB.
MEMORY_AIM = 128
PUBLISHED_AIM = 0.95
PUBLISHED_AIMS = {
    ("up-file", LOOPBACK): 1.3,
    ("up-file", DISTANT): 8.0,
    ("down-tree", DISTANT): 1.25,
}
WORKSPACES_AIMS = {LOOPBACK: 1.4, DISTANT: 2.0}
# What "ahead" and "within 10 %" come to.
PEER_AIMS = {"boto3": 1.0, "crt": 1.0, "aioboto3": 1.0, "obstore": 0.9}
BUCKET_MEMORY_AIM = 100
START_AIMS = {"import": 80, "help": 300}


def storage(outcome: Outcome) -> Table:
    """Compare speed."""
    table: Table = [("", "link", "ours / bare", "aim", "ours / published", "aim")]
    for case, link in outcome.cases():
        table.append(
            (
                _title(outcome, case),
                link,
                *_against(outcome.ratio(case, link, OURS, BARE), BARE_AIM),
                *_against(
                    outcome.ratio(case, link, OURS, PUBLISHED),
                    PUBLISHED_AIMS.get((case, link), PUBLISHED_AIM),
                ),
            )
        )
    return table


def storage_seconds(outcome: Outcome) -> Table:
    """Show the medians behind the ratios, and the processor time of both sides."""
    heads = [f"{name}, {what}" for name in CONTENDERS for what in ("s", "CPU", "platform CPU")]
    table: Table = [("", "link", *heads)]
    for case, link in outcome.cases():
        cells = [
            _median(outcome.row(case, link, name), figure, 1.0, 2)
            for name in CONTENDERS
            for figure in ("seconds", "cpu", "platform_cpu")
        ]
        table.append((_title(outcome, case), link, *cells))
    return table


def buckets(outcome: Outcome) -> Table:
    """Compare speed on buckets with each peer."""
    table: Table = [
        ("", "endpoint, link", *(f"ours / {name} (≥ {aim})" for name, aim in PEER_AIMS.items()))
    ]
    for case, link in outcome.cases():
        ratios = (
            _against(outcome.ratio(case, link, OURS, name), aim) for name, aim in PEER_AIMS.items()
        )
        cells = [f"{shown}{' **missed**' if 'missed' in aim else ''}" for shown, aim in ratios]
        table.append((_title(outcome, case), link, *cells))
    return table


def buckets_seconds(outcome: Outcome) -> Table:
    """Show the medians behind the ratios, and the processor time of both sides for ours."""
    names = (OURS, *PEER_AIMS)
    heads = [f"{name}, s" for name in names]
    table: Table = [("", "endpoint, link", *heads, "ours, CPU", "ours, endpoint CPU")]
    for case, link in outcome.cases():
        ours = outcome.row(case, link, OURS)
        cells = [_median(outcome.row(case, link, name), "seconds", 1.0, 2) for name in names]
        cells += [_median(ours, figure, 1.0, 2) for figure in ("cpu", "endpoint_cpu")]
        table.append((_title(outcome, case), link, *cells))
    return table


def buckets_memory(outcome: Outcome) -> Table:
    """Show peaks over an opened client, on loopback."""
    names = (OURS, *PEER_AIMS)
    table: Table = [("peak memory, MiB", "endpoint, link", *names, "aim for ours")]
    for case, link in outcome.cases():
        if link.endswith(LOOPBACK):
            cells = [_median(outcome.row(case, link, name), "memory", MIB, 0) for name in names]
            table.append((_title(outcome, case), link, *cells, f"≤ {BUCKET_MEMORY_AIM}"))
    return table


def buckets_disk(outcome: Outcome) -> Table:
    """Compare the local endpoint, driven by whoever is fastest, with a copy on the same disk."""
    table: Table = [("", "fastest client", "endpoint, MiB/s", "disk, MiB/s", "endpoint / disk")]
    for case, link in outcome.cases():
        disk = outcome.row(case, link, DISK)
        rows = [outcome.row(case, link, name) for name in (OURS, *PEER_AIMS)]
        present = [row for row in rows if row is not None]
        if disk is None or not present:
            continue
        best = min(present, key=lambda row: row.median("seconds"))
        large = case.endswith("blob")
        settings = outcome.settings
        size = settings["size"] if large else settings["files"] * settings["small"]
        rates = [f"{size / MIB / row.median('seconds'):,.0f}" for row in (best, disk)]
        ratio = spread(outcome.ratio(case, link, best.contender, DISK))
        table.append((_title(outcome, case), best.contender, *rates, ratio))
    return table


def workspaces(outcome: Outcome) -> Table:
    """Compare submissions, and show the medians behind the ratios."""
    names = (OURS, PUBLISHED)
    figures = (("seconds", 1.0, "s"), ("cpu", 1.0, "CPU"), ("memory", MIB, "peak MiB"))
    heads = [f"{name}, {what}" for name in names for _, _, what in figures]
    table: Table = [("", "link", "ours / published", "aim", *heads)]
    for case, link in outcome.cases():
        ratio = outcome.ratio(case, link, OURS, PUBLISHED)
        cells = [
            _median(outcome.row(case, link, name), figure, unit, 0 if unit == MIB else 2)
            for name in names
            for figure, unit, _ in figures
        ]
        aim = WORKSPACES_AIMS[link]
        table.append((_title(outcome, case), link, *_against(ratio, aim), *cells))
    return table


def many_files(outcome: Outcome) -> Table:
    """Show what very many files take."""
    count = f"{outcome.settings['files']:,} files of 0–1 KiB"
    table: Table = [(count, "seconds", "CPU", "files a second", "peak memory, MiB", "aim")]
    for case, link in outcome.cases():
        row = outcome.row(case, link, OURS)
        assert row is not None
        rate = f"{outcome.settings['files'] / row.median('seconds'):,.0f}"
        seconds, cpu = _median(row, "seconds", 1.0, 1), _median(row, "cpu", 1.0, 1)
        table.append((_title(outcome, case), seconds, cpu, rate, *_memory(row)))
    return table


def memory(outcome: Outcome) -> Table:
    """Show peaks over an opened client."""
    table: Table = [("peak memory, MiB", *CONTENDERS, "aim for ours")]
    for case, link in outcome.cases():
        cells = [_median(outcome.row(case, link, name), "memory", MIB, 0) for name in CONTENDERS]
        table.append((_title(outcome, case), *cells, f"≤ {MEMORY_AIM}"))
    return table


def start(outcome: Outcome) -> Table:
    """Show what a start costs over the least."""
    table: Table = [("", "over the least, ms", "CPU over the least, ms", "aim, ms")]
    for case, link in outcome.cases():
        ours, least = outcome.row(case, link, OURS), outcome.row(case, link, LEAST)
        assert ours is not None and least is not None
        cells = [
            spread([1000 * (a - b) for a, b in zip(ours.of(it), least.of(it), strict=True)], 0)
            for it in ("seconds", "cpu")
        ]
        table.append((_title(outcome, case), *cells, f"≤ {START_AIMS[case]}"))
    return table


def platform_rates(outcome: Outcome) -> Table:
    """Compare the storage service with plain handlers."""
    table: Table = [("", "rate", "platform / handlers", "CPU, handlers / platform", "aim")]
    for case, link in outcome.cases():
        ours, other = outcome.row(case, link, PLATFORM), outcome.row(case, link, HANDLERS)
        assert ours is not None and other is not None
        pairs = zip(ours.of("platform_cpu"), other.of("platform_cpu"), strict=True)
        cpu = [theirs / mine for mine, theirs in pairs if mine]
        ratio = outcome.ratio(case, link, PLATFORM, HANDLERS)
        rate = _rate(outcome.settings, case, ours)
        table.append((_title(outcome, case), rate, spread(ratio), spread(cpu), f"≥ {PLATFORM_AIM}"))
    return table


def _title(outcome: Outcome, case: str) -> str:
    settings = outcome.settings
    gib = round(settings.get("size", 0) / 2**30, 3)
    large = round(settings.get("large", 0) / MIB, 3)
    files = settings.get("files", 0)
    shards = settings.get("shards", 0)
    return TITLES[case].format(files=files, gib=gib, huge=HUGE * gib, large=large, shards=shards)


def _rate(settings: dict[str, Any], case: str, row: Row) -> str:
    if case.endswith("small"):
        return f"{settings['requests'] / row.median('seconds'):,.0f} requests/s"
    moved = settings["bodies"] * settings["large"] / MIB
    return f"{moved / row.median('seconds'):,.0f} MiB/s"


def _against(ratios: Sequence[float], aim: float) -> tuple[str, str]:
    if not ratios:
        return "–", f"≥ {aim}"
    missed = "" if statistics.median(ratios) >= aim else " **missed**"
    return spread(ratios), f"≥ {aim}{missed}"


def _memory(row: Row) -> tuple[str, str]:
    return _median(row, "memory", MIB, 0), f"≤ {MEMORY_AIM}"


def _median(row: Row | None, figure: str, unit: float, digits: int) -> str:
    return "–" if row is None else f"{row.median(figure) / unit:.{digits}f}"


TABLES: dict[str, tuple[str, Callable[[Outcome], Table]]] = {
    "storage": ("storage", storage),
    "storage seconds": ("storage", storage_seconds),
    "buckets": ("buckets", buckets),
    "buckets seconds": ("buckets", buckets_seconds),
    "buckets memory": ("buckets", buckets_memory),
    "buckets disk": ("buckets", buckets_disk),
    "workspaces": ("workspaces", workspaces),
    "many files": ("many_files", many_files),
    "memory": ("memory", memory),
    "start": ("start", start),
    "platform rates": ("platform_rates", platform_rates),
    **SERVICES,
}


def tables(folder: Path) -> dict[str, str]:
    """Return the tables, as markdown, of the results that are in a folder."""
    made = {}
    for name, (file, build) in TABLES.items():
        path = folder / f"{file}.json"
        if path.exists():
            outcome, machine = load(path)
            made[name] = "\n".join([*_markdown(build(outcome)), "", _taken(machine)])
    return made


def _markdown(table: Table) -> Iterable[str]:
    head, *rows = table
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _taken(machine: dict[str, Any]) -> str:
    load = "" if machine["load"] is None else f", load {machine['load']:.1f} at the end"
    return (
        f"{machine['processors']} processors, {machine['system']}, "
        f"Python {machine['python']}{load}."
    )


def fill(page: str, made: dict[str, str]) -> str:
    """Put tables between their marks in the text of a page."""
    for name, table in made.items():
        begin, found, rest = page.partition(_MARK.format(name))
        if not found:
            raise ValueError(f"The page has no place for {name!r}")
        page = f"{begin}{found}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", action="store_true", help="put them into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    made = tables(options.results)
    if options.write:
        PAGE.write_text(fill(PAGE.read_text("utf-8"), made), "utf-8")
    else:
        for name, table in made.items():
            print(f"## {name}\n\n{table}\n")


if __name__ == "__main__":
    main()
