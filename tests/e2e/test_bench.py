"""The benchmarks still run: each program once with hardly anything to do, nothing timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.measuring import Outcome, Row, load, save
from tests.bench.world import LINKS, LOOPBACK, ROOT

SIZE = str(9 * 2**20)
RUNS = {
    "storage": [
        *("tests.bench.storage", "--files", "4", "--folders", "2", "--size", SIZE),
        *("--links", LOOPBACK),
    ],
    "many_files": ["tests.bench.many_files", "--files", "6", "--folders", "2"],
    "memory": ["tests.bench.memory", "--size", SIZE],
    "start": ["tests.bench.start"],
    "platform_rates": [
        "tests.bench.platform_rates",
        *("--requests", "20", "--bodies", "2", "--large", str(2 * 2**20)),
    ],
}


def _run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NEURO_BENCH_PUBLISHED": os.devnull},
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", RUNS)
def test_program_measures_and_is_reported(name: str, tmp_path: Path) -> None:
    _run(*RUNS[name], "--rounds", "1", "--json", str(tmp_path / f"{name}.json"))
    outcome, _ = load(tmp_path / f"{name}.json")
    assert outcome.name == name
    assert outcome.rows
    assert all(row.samples for row in outcome.rows)
    assert all(seconds > 0 for row in outcome.rows for seconds in row.of("seconds"))
    made = report.tables(tmp_path)
    assert set(made) == {table for table, (file, _) in report.TABLES.items() if file == name}
    report.fill(report.PAGE.read_text("utf-8"), made)


def test_storage_measures_every_case_of_both_links(tmp_path: Path) -> None:
    path = tmp_path / "storage.json"
    _run(
        *RUNS["storage"][:-1], *LINKS, "--rounds", "1", "--contenders", "bare", "--json", str(path)
    )
    outcome, _ = load(path)
    works = ("up-tree", "sync-tree", "down-tree", "up-file", "down-file")
    assert set(outcome.cases()) == {(work, link) for work in works for link in LINKS}


def test_profile_names_functions() -> None:
    shown = _run("tests.bench.profiling", "down-tree", "--files", "3")
    assert "== down-tree, loopback" in shown
    assert "base_events.py" in shown


def test_a_ratio_above_one_means_that_we_are_faster(tmp_path: Path) -> None:
    outcome = Outcome("storage", {"files": 2, "size": 2**30})
    figures = {"cpu": 1.0, "platform_cpu": 1.0}
    mine = [{"seconds": value, **figures} for value in (1.0, 2.0, 1.0)]
    theirs = [{"seconds": value, **figures} for value in (3.0, 4.0, 0.5)]
    outcome.rows += [
        Row("up-file", LOOPBACK, "ours", mine),
        Row("up-file", LOOPBACK, "bare", theirs),
    ]
    save(outcome, tmp_path / "storage.json")
    assert "machine" in json.loads((tmp_path / "storage.json").read_text("utf-8"))
    line = report.tables(tmp_path)["storage"].splitlines()[2]
    assert line == "| upload, 1 GiB | loopback | 2.00 (0.50–3.00) | ≥ 0.9 | – | ≥ 1.3 |"


def test_tables_go_into_their_places_again_and_again() -> None:
    page = "a\n<!-- start: made by tests.bench.report -->\nold\n<!-- end -->\nb\n"
    once = report.fill(page, {"start": "| new |"})
    assert "old" not in once
    assert once.endswith("\n\n| new |\n\n<!-- end -->\nb\n")
    assert report.fill(once, {"start": "| new |"}) == once
    with pytest.raises(ValueError, match="memory"):
        report.fill(page, {"memory": "| new |"})
