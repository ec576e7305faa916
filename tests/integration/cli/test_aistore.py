"""``ais``: objects, buckets and jobs of an AIStore cluster, and ``cp`` between it and the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .kit import Program


@pytest.fixture
def bucket(program: Program, tmp_path: Path) -> str:
    """Make a bucket of the test's own and return its URI."""
    name = tmp_path.name.replace("_", "-")
    program.call("ais", "bucket", "create", name)
    return f"ais:{name}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Write a small directory."""
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    (root / "a 1%.txt").write_text("hello\n")
    (root / "sub" / "b.json").write_text("{}")
    (root / ".neuroignore").write_text("*.tmp\n")
    (root / "left.tmp").write_text("not wanted")
    return root


def _names(program: Program, uri: str) -> list[str]:
    return [item["name"] for item in program.documents("ais", "ls", "-r", uri)]


def test_folders_go_there_and_back(
    program: Program, bucket: str, tree: Path, tmp_path: Path, folder: str
) -> None:
    told = program.document("ais", "cp", "-r", str(tree), f"{bucket}/new")
    assert (told["files"], told["failed"]) == (3, [])
    assert _names(program, bucket) == ["new/.neuroignore", "new/a 1%.txt", "new/sub/b.json"]
    again = program.document("ais", "cp", "-ruT", str(tree), f"{bucket}/new")
    assert (again["files"], again["bytes"]) == (0, 0)

    back = tmp_path / "back"
    program.call("ais", "cp", "-r", f"{bucket}/new", str(back))
    assert (back / "a 1%.txt").read_text() == "hello\n"
    program.call("storage", "cp", "-r", f"{bucket}/new/sub", f"{folder}/copy")
    program.call("storage", "cp", f"{folder}/copy/b.json", f"{bucket}/from-storage")
    assert program.run("ais", "cat", f"{bucket}/from-storage").stdout == "{}"
    assert program.run("ais", "cat", f"{bucket}/new/a 1%.txt").stdout == "hello\n"


def test_what_is_there_is_listed_and_described(program: Program, bucket: str, tree: Path) -> None:
    program.call("ais", "cp", "-r", str(tree), f"{bucket}/d")
    assert program.call("ais", "ls", f"{bucket}/d/").stdout.splitlines() == [
        "d/.neuroignore",
        "d/a 1%.txt",
        "d/sub/",
    ]
    heading, *rows = program.call("ais", "ls", "-lr", f"{bucket}/d/sub").stdout.splitlines()
    assert heading.split() == ["SIZE", "VERSION", "CHECKSUM", "NAME"]
    assert rows[0].split()[::3] == ["2B", "d/sub/b.json"]
    assert bucket in program.call("ais", "ls").stdout.splitlines()
    assert bucket.removeprefix("ais:") in program.call("ais", "bucket", "ls").stdout
    found = program.document("ais", "stat", f"{bucket}/d/sub/b.json")
    assert (found["size"], found["version"]) == (2, "1")
    shown = program.document("ais", "bucket", "show", bucket)
    assert (shown["objects"], shown["bytes"]) == (3, 2 + 6 + 6)
    assert "Objects" in program.call("ais", "bucket", "show", bucket).stdout


def test_removing(program: Program, bucket: str, tree: Path) -> None:
    program.call("ais", "cp", "-r", str(tree), f"{bucket}/d")
    refused = program.call("ais", "rm", f"{bucket}/d", code=1)
    assert "--recursive" in refused.stderr
    missing = program.call("ais", "rm", f"{bucket}/none", f"{bucket}/d/a 1%.txt", code=4)
    assert "none" in missing.stderr
    assert program.document("ais", "rm", "-r", f"{bucket}/d/sub")["removed"] == [f"{bucket}/d/sub"]
    assert _names(program, bucket) == ["d/.neuroignore"]
    assert "--content" in program.call("ais", "bucket", "rm", bucket, code=1).stderr
    program.call("ais", "bucket", "rm", "--content", bucket)
    program.call("ais", "ls", bucket, code=4)


def test_jobs_of_buckets(program: Program, bucket: str, tree: Path) -> None:
    program.call("ais", "cp", "-r", str(tree), f"{bucket}/d")
    job = program.call("ais", "bucket", "copy", bucket, f"{bucket}-2", "--prefix", "d/s").stdout
    job = job.strip()
    assert program.document("ais", "job", "wait", job, "--timeout", "30s")["success"] is True
    assert _names(program, f"{bucket}-2") == ["d/sub/b.json"]
    told = program.documents("ais", "job", "show", job)
    assert {one["state"] for one in told} <= {"finished", "idle"}
    assert sum(one["objects"] for one in told) == 1
    assert "TARGET" in program.call("ais", "job", "show", job).stdout
    program.call("ais", "job", "stop", job)
    renamed = program.document("ais", "bucket", "rename", f"{bucket}-2", f"{bucket[4:]}-3")["job"]
    program.call("ais", "job", "wait", renamed)
    assert _names(program, f"{bucket}-3") == ["d/sub/b.json"]
    assert job not in program.call("ais", "job", "ls").stdout
    assert "nobody-knows" in program.call("ais", "job", "show", "nobody-knows", code=4).stderr
    lru = program.document("ais", "job", "start", "lru", bucket)["job"]
    program.call("ais", "job", "wait", lru)


def test_properties(program: Program, bucket: str) -> None:
    program.call("ais", "bucket", "set", bucket, "--prop", "checksum.type=md5")
    assert program.document("ais", "bucket", "show", bucket)["props"]["checksum"]["type"] == "md5"
    wrong = program.call("ais", "bucket", "set", bucket, "--prop", "checksum", code=2)
    assert "NAME=VALUE" in wrong.stderr
    twice = ("--prop", "mirror=1", "--prop", "mirror.enabled=true")
    assert "twice" in program.call("ais", "bucket", "set", bucket, *twice, code=2).stderr


def test_wrong_usage(program: Program, bucket: str, tree: Path) -> None:
    for words in (
        ("rm", bucket),
        ("cat", bucket),
        ("ls", "bucket"),
        ("cp", f"{tree}/left.tmp", f"{tree}/other"),
        ("bucket", "rm", f"{bucket}/name"),
        ("bucket", "create", "not a name"),
        ("bucket", "create", "aws:cloud"),
    ):
        program.call("ais", *words, code=2)


def test_no_login_is_needed(program: Program, tmp_path: Path, bucket: str, tree: Path) -> None:
    settings = (program.config / "services.toml").read_text()
    config = tmp_path / "config"
    config.mkdir()
    without = Program(tmp_path, config)
    assert "[aistore]" in without.call("ais", "ls", code=3).stderr
    (config / "services.toml").write_text(settings)
    (config / "services.toml").chmod(0o600)
    without.call("ais", "cp", str(tree / "left.tmp"), f"{bucket}/x")
    ended = without.call("ais", "cp", f"{bucket}/x", "storage:x", code=3)
    assert "login" in ended.stderr
    assert json.loads(without.call("--json", "ais", "ls", bucket).stdout)["name"] == "x"
