"""``workspace``: from a data set to a task and its results, as a user types it."""

from __future__ import annotations

import json
import tomllib
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from .kit import Program

_MODEL = """
import time


class Model:
    def __init__(self, start=0.0):
        self.weights = {"w": start}

    def state_dict(self):
        return dict(self.weights)

    def load_state_dict(self, weights):
        self.weights = dict(weights)


def fl_train(model, env, output_dir, logger=None):
    if env.get("FAIL"):
        raise RuntimeError(f"told to fail with {env['FAIL']}")
    while env.get("HOLD"):
        time.sleep(0.05)
    logger.info("seed %s, epochs %s", env["SEED"], env["EPOCHS"])
    return {"weights": {"w": model.state_dict()["w"] + 1}, "samples": 1}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write a model and a data set."""
    (tmp_path / "model_def.py").write_text(_MODEL)
    for number in range(4):
        path = tmp_path / "data" / ("even" if number % 2 == 0 else "odd") / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    return tmp_path


def _submission(files: Path, name: str, *more: str) -> list[str]:
    scripts = ["--scripts", str(files / "model_def.py"), "--shards", str(files / "shards")]
    return ["workspace", "submit", name, *scripts, "--rounds", "1", *more]


def _shard(program: Program, files: Path, number: int = 2) -> None:
    words = [str(files / "data"), str(number), str(files / "shards")]
    program.call("workspace", "shard", *words, "--stratified")


def test_a_workspace_from_a_data_set_to_its_results(program: Program, files: Path) -> None:
    made = program.document("workspace", "shard", str(files / "data"), "2", str(files / "shards"))
    assert [(one["name"], one["files"]) for one in made["shards"]] == [
        ("shard_0.zip", 2),
        ("shard_1.zip", 2),
    ]
    table = program.call("workspace", "shard", str(files / "data"), "2", str(files / "shards"))
    assert table.stdout.split()[:4] == ["SHARD", "SIZE", "FILES", "SHA256"]
    submit = _submission(files, "Whole Way", "--extra", "SEED=7", "--model-arg", "start=2.5")

    plan = program.document(*submit, "--dry-run")
    assert plan["slug"] == "whole-way"
    assert plan["bytes_to_send"] == sum(file["size"] for file in plan["files"])
    assert "jobs/whole-way/shards/shard_0.zip" in program.call(*submit, "--dry-run").stdout
    assert "Whole Way" not in program.call("workspace", "ls").stdout

    ended = program.call(*submit, "--progress")
    id = ended.stdout.strip()
    assert "Sent 10 of 10 files" in ended.stderr
    assert f"workspace logs {id}" in ended.stderr
    lines = [line["line"] for line in program.documents("workspace", "logs", "Whole Way")]
    assert sum("seed 7, epochs 1" in line for line in lines) == 2
    assert program.document("workspace", "wait", id)["state"] == "FINISHED"
    status = program.document("workspace", "status", "Whole Way")
    assert (status["id"], status["num_rounds"]) == (id, 1)
    shown = program.call("workspace", "status", id).stdout
    assert "Workspace  jobs/whole-way" in shown
    assert "Round      1 of 1" in shown
    assert [task["id"] for task in program.documents("workspace", "ls", "-n", "Whole")] == [id]
    assert program.documents("workspace", "ls", "-s", "running", "-n", "Whole") == []
    assert program.documents("workspace", "ls", "--limit", "1")
    _check_results(program, files, id)

    existing = program.call("workspace", "submit", "Whole Way", "--existing").stdout.strip()
    assert existing != id
    assert program.document("workspace", "status", "Whole Way")["id"] == existing


def _check_results(program: Program, files: Path, id: str) -> None:
    found = {one["path"]: one for one in program.documents("workspace", "results", id, "--links")}
    assert "files_out/training_log.txt" in found
    with urllib.request.urlopen(found["files_out/training_log.txt"]["link"]) as answer:
        log = answer.read()
    assert b"seed 7" in log
    listed = program.call("workspace", "results", "--slug", "whole-way").stdout
    assert listed.split()[:3] == ["FILE", "SIZE", "MODIFIED"]
    done = program.document("workspace", "results", id, str(files / "out"))
    assert done["files"] == len(found)
    assert (files / "out/files_out/training_log.txt").read_bytes() == log
    checkpoint = json.loads((files / "out/model_out/checkpoint.json").read_text())
    assert checkpoint == {"w": 3.5}
    usage = program.document("workspace", "usage")
    assert usage["used"] > sum(one["size"] for one in found.values())
    assert f"Objects             {usage['objects']}" in program.call("workspace", "usage").stdout


def test_a_task_that_fails(program: Program, files: Path) -> None:
    _shard(program, files)
    submit = _submission(files, "Failing", "--extra", "FAIL=a reason", "--json")
    id = json.loads(program.call(*submit).stdout)["id"]
    ended = program.call("workspace", "wait", id, code=1)
    assert "is FAILED" in ended.stderr
    assert "told to fail with a reason" in ended.stderr
    assert f"workspace logs {id}" in ended.stderr


def test_a_task_that_is_cancelled(program: Program, files: Path) -> None:
    _shard(program, files)
    id = program.document(*_submission(files, "Endless", "--extra", "HOLD=1"))["id"]
    assert program.document("workspace", "cancel", "Endless")["cancelled"] == [id]
    assert "is CANCELLED" in program.call("workspace", "wait", id, code=1).stderr
    refused = program.document("workspace", "cancel", "nobody's", id, code=4)
    assert [one["task"] for one in refused["failed"]] == ["nobody's", id]


def test_what_a_submission_would_not_do(program: Program, files: Path) -> None:
    _shard(program, files, 3)
    submit = _submission(files, "Careful")
    first = program.document(*submit, "--extra", "SEED=1")
    program.call("workspace", "wait", first["id"])  # the next ones write over what it reads
    _shard(program, files, 2)
    assert "--prune deletes them" in program.call(*submit, "--exist-ok").stderr
    assert "--exist-ok" in program.call(*submit, "--extra", "SEED=2", code=5).stderr
    plan = program.document(*submit, "--prune", "--exist-ok", "--dry-run")
    assert plan["orphans"] == ["jobs/careful/shards/shard_2.zip"]
    table = program.call(*submit, "--prune", "--exist-ok", "--dry-run").stdout
    assert "delete" in table


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["submit", "x"], "--scripts"),
        (["submit", "x", "--scripts", "."], "--shards"),
        (["submit", "x", "--existing", "--rounds", "2", "--prune"], "--rounds, --prune"),
        (["submit", "x", "--existing", "--slug", "../y"], "slug"),
        (["submit", " ", "--existing"], "name"),
        (["submit", "x", "--scripts", "a", "--shards", "b", "--extra", "SEED"], "NAME=JSON"),
        (["submit", "x", "--scripts", "a", "--shards", "b", "--extra", "batch_size=1"], "extra"),
        (
            ["submit", "x", "--scripts", "a", "--shards", "b", "--configs", "c", "--epochs", "1"],
            "--epochs",
        ),
        (["shard", "absent", "1", "out"], "absent"),
        (["results", "a/b", "--slug"], "slug"),
        (["results", "x", "--slug", "--links", "out"], "--links"),
    ],
)
def test_wrong_usage(program: Program, words: Sequence[str], told: str) -> None:
    code = 1 if words[0] == "shard" else 2
    assert told in program.call("workspace", *words, code=code).stderr


@pytest.mark.parametrize("command", ["status", "wait", "logs", "cancel", "results"])
def test_a_task_that_is_not_there(program: Program, command: str) -> None:
    assert "nobody's" in program.call("workspace", command, "nobody's", code=4).stderr


def test_a_new_access_key_is_kept_where_the_old_one_was(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program.config / "services.toml"
    path.write_text(f"# mine\n{path.read_text()}")
    before = tomllib.loads(path.read_text())
    program.call("workspace", "rotate-key")
    after = tomllib.loads(path.read_text())
    changed = {
        key for key, value in after["workspaces"].items() if value != before["workspaces"][key]
    }
    assert changed == {"access_key_id", "secret_access_key"}
    assert {**after, "workspaces": 0} == {**before, "workspaces": 0}
    assert path.read_text().startswith("# mine\n")
    assert path.stat().st_mode & 0o777 == 0o600
    program.call("workspace", "results", "--slug", "none")

    monkeypatch.setenv("RESON_ACCESS_KEY_ID", "GK0")
    assert "--print" in program.call("workspace", "rotate-key", code=2).stderr
    monkeypatch.delenv("RESON_ACCESS_KEY_ID")
    shown = program.document("workspace", "rotate-key", "--print")
    kept = tomllib.loads(path.read_text())["workspaces"]
    assert shown == {name: kept[name] for name in ("access_key_id", "secret_access_key")}

    # Spelled in another way it is not found in the text; the new one is the only one there is.
    text = path.read_text()
    path.write_text(text.replace(kept["access_key_id"], "\\u0047" + kept["access_key_id"][1:]))
    told = program.call("--json", "workspace", "rotate-key", code=1)
    new = json.loads(told.stdout)
    assert "put the new key" in told.stderr and new["access_key_id"] != kept["access_key_id"]
    for name, value in new.items():
        text = text.replace(kept[name], value)
    path.write_text(text)
    program.call("workspace", "results", "--slug", "none")


def test_without_settings(program: Program, tmp_path: Path) -> None:
    ended = program.call("--config", str(tmp_path), "workspace", "ls", code=3)
    assert "RESON_API_URL" in ended.stderr
