"""``grid``: runs of the platform's Grid control plane, and what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kit import Program

SCRIPT = """
import sys
print("factor", sys.argv[-1], flush=True)
open("model.ckpt", "w").write(sys.argv[-1])
open("notes.txt", "w").write("none")
"""


@pytest.fixture
def run(program: Program, tmp_path: Path) -> str:
    """Submit a sweep of two experiments of the test's own, and return its name when it is over."""
    name = tmp_path.name.replace("_", "-")[:40].rstrip("-0123456789") + "-run"
    (tmp_path / "train.py").write_text(SCRIPT)
    words = ["grid", "run", "--name", name, "--dir", str(tmp_path), "train.py"]
    assert program.call(*words, "--factor", "[2,4]").stdout.strip() == name
    for number in (0, 1):
        program.call("-q", "grid", "logs", f"{name}-exp{number}")
    return name


def test_artifacts_come_home(program: Program, run: str, tmp_path: Path) -> None:
    first = f"{run}-exp0"
    program.call("grid", "artifacts", "--follow", first, "--download_dir", str(tmp_path / "one"))
    assert (tmp_path / "one" / first / "model.ckpt").read_text() == "2"
    words = ["grid", "artifacts", run, "none", "-m", "[.]ckpt$", "--download_dir"]
    told = program.document(*words, str(tmp_path / "all"), code=4)
    assert (told["files"], told["failed"]) == (2, [])
    home = tmp_path / "all" / run
    found = {str(path.relative_to(home)): path.read_text() for path in home.rglob("*.*")}
    assert found == {f"{first}/model.ckpt": "2", f"{run}-exp1/model.ckpt": "4"}
    assert "no run 'none'" in program.call("grid", "artifacts", "none", code=4).stderr
    assert "regular expression" in program.call("grid", "artifacts", run, "-m", "(", code=2).stderr

    heading, *rows = program.call("grid", "artifacts", "--bucket_path", run).stdout.splitlines()
    assert heading.split("  ")[0] == "experiment name"
    assert heading.endswith("bucket path to artifacts")
    assert [row.split()[0] for row in rows] == [first, f"{run}-exp1"]
    assert all(row.endswith("/artifacts/") and "s3://" in row for row in rows)
    assert program.call("grid", "share", first, "model.ckpt").stdout.startswith("http://127.0.0.1")


def test_runs_are_listed_and_ended(program: Program, run: str) -> None:
    told = program.call("grid", "status", run)
    heading, *rows = told.stdout.splitlines()
    assert heading.split("  ")[0] == "Experiment"
    for column in ("Status", "Queued Duration", "Run Duration", "Command"):
        assert column in heading
    assert [row.split()[:2] for row in rows] == [
        [f"{run}-exp0", "succeeded"],
        [f"{run}-exp1", "succeeded"],
    ]
    assert "is an experiment" in program.call("grid", "status", f"{run}-exp0", code=2).stderr
    heading, *rows = program.call("grid", "history", "--global").stdout.splitlines()
    assert heading.split()[:4] == ["Run", "Created", "By", "Created"]
    [row] = [row.split() for row in rows if row.startswith(run)]
    assert row[-4:] == ["2", "0", "0", "2"]
    status = program.call("grid", "status")
    assert run not in status.stdout
    assert "not active" in status.stderr
    [found] = [item for item in program.documents("grid", "history") if item["name"] == run]
    assert (found["phase"], found["experiments"]["succeeded"]) == ("succeeded", 2)

    lines = program.call("grid", "logs", "--show-build-logs", run).stdout.splitlines()
    assert lines[-1].startswith("[experiment] [20") and lines[-1].endswith("] factor 2")
    assert lines[0].startswith("[build] [")
    assert program.documents("grid", "logs", "-l", "1", f"{run}-exp1")[0]["line"] == "factor 4"

    program.call("grid", "stop", "run", run)
    program.call("grid", "stop", "experiment", run, code=2)
    program.call("grid", "delete", "run", run, code=1)  # nobody says yes
    assert program.document("grid", "delete", "-y", "experiment", f"{run}-exp1") == {
        "deleted": [f"{run}-exp1"]
    }
    program.call("grid", "delete", "-y", "run", run, "none", code=4)
    assert run not in program.call("grid", "history").stdout


def test_datastores_are_uploaded_and_gone_on_with(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a").write_text("a")
    id = program.call("grid", "datastore", "upload", str(folder)).stdout.strip()
    [found] = [item for item in program.documents("grid", "datastore", "ls") if item["id"] == id]
    assert (found["name"], found["version"]) == ("set", 0)
    assert program.call("grid", "datastore", "resume").stdout.split() == [
        "Name", "Source", "Cluster", "Files", "sent",
    ]  # fmt: skip
    program.call("grid", "datastore", "resume", "set", code=4)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--name", "Bad_Name", "train.py"),
        ("run", "train.txt"),
        ("run", "--strategy", "random_search", "train.py"),
        ("run", "-e", "WRONG", "train.py"),
        ("run", "--name", "a-exp1", "train.py"),
    ],
)
def test_wrong_words_are_refused(program: Program, words: tuple[str, ...]) -> None:
    program.call("grid", *words, code=2)
