"""``storage``: the shell's rules, in both directions and within the storage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .kit import Program

pytestmark = pytest.mark.thorough


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Write a small directory, with names that need care."""
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_text("hello\n")
    (root / "sub" / "b #%20?.json").write_text("{}")
    return root


def _names(program: Program, uri: str) -> set[str]:
    return {item["name"] for item in program.documents("storage", "ls", uri)}


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_directory_goes_there_and_back(
    program: Program, folder: str, tree: Path, tmp_path: Path
) -> None:
    told = program.document("storage", "cp", "-r", str(tree), f"{folder}/new")
    assert (told["files"], told["bytes"], told["failed"]) == (2, 8, [])
    assert _names(program, f"{folder}/new") == {"a.txt", "sub", "empty"}

    program.call("storage", "cp", "-r", f"{folder}/new", str(tmp_path / "back"))
    assert _files(tmp_path / "back") == _files(tree)
    assert (tmp_path / "back" / "empty").is_dir()


def test_what_is_copied_onto_a_directory_goes_inside(
    program: Program, folder: str, tree: Path, tmp_path: Path
) -> None:
    program.call("storage", "cp", str(tree / "a.txt"), folder)
    assert _names(program, folder) == {"a.txt"}
    program.call("storage", "cp", "-r", str(tree), folder)
    assert _names(program, folder) == {"a.txt", "data"}

    inside = tmp_path / "inside"
    inside.mkdir()
    program.call("storage", "cp", f"{folder}/a.txt", str(inside))
    program.call("storage", "cp", "-r", f"{folder}/data", str(inside))
    assert _files(inside / "data") == _files(tree)
    assert (inside / "a.txt").read_text() == "hello\n"


def test_the_target_may_be_meant_exactly_and_the_content_alone(
    program: Program, folder: str, tree: Path
) -> None:
    program.call("storage", "cp", "-rT", str(tree), folder)
    assert _names(program, folder) == {"a.txt", "sub", "empty"}
    program.call("storage", "cp", "-r", f"{tree}/.", folder)
    assert _names(program, folder) == {"a.txt", "sub", "empty"}


def test_an_unchanged_tree_is_not_copied_again(program: Program, folder: str, tree: Path) -> None:
    for path in tree.rglob("*.*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    program.call("storage", "cp", "-rT", str(tree), folder)
    assert program.document("storage", "cp", "-ruT", str(tree), folder)["files"] == 0


def test_copies_within_the_storage(program: Program, folder: str, tree: Path) -> None:
    program.call("storage", "cp", "-rT", str(tree), f"{folder}/one")
    told = program.document("storage", "cp", "-r", f"{folder}/one", f"{folder}/two")
    assert told["files"] == 2
    assert _names(program, f"{folder}/two") == {"a.txt", "sub", "empty"}
    program.call("storage", "cp", f"{folder}/one/a.txt", f"{folder}/two/sub")
    assert "a.txt" in _names(program, f"{folder}/two/sub")


@pytest.mark.parametrize(
    ("rules", "copied"),
    [
        (["--exclude", "*.txt"], {"sub/b #%20?.json", "sub/c.log"}),
        (["--exclude", "*", "--include", "*/", "--include", "*.log"], {"sub/c.log"}),
        (["--include", "*.log", "--exclude", "sub/"], {"a.txt"}),
    ],
)
def test_rules_choose_what_is_copied(
    program: Program, folder: str, tree: Path, tmp_path: Path, rules: list[str], copied: set[str]
) -> None:
    (tree / "sub" / "c.log").write_text("c")
    program.call("storage", "cp", "-rT", *rules, str(tree), folder)
    program.call("storage", "cp", "-rT", folder, str(tmp_path / "back"))
    assert set(_files(tmp_path / "back")) == copied


def test_ignore_files_are_read_unless_others_are_named(
    program: Program, folder: str, tree: Path
) -> None:
    (tree / ".neuroignore").write_text("*.txt\n")
    (tree / ".other").write_text("sub/\nempty/\n.*\n")
    program.call("storage", "cp", "-rT", str(tree), f"{folder}/a")
    assert "a.txt" not in _names(program, f"{folder}/a")
    program.call("storage", "cp", "-rT", "--exclude-from-files", ".other", str(tree), f"{folder}/b")
    assert _names(program, f"{folder}/b") == {"a.txt"}


def test_what_cannot_be_copied_is_told_and_fails_the_command(
    program: Program, folder: str, tree: Path
) -> None:
    os.mkfifo(tree / "pipe")
    ended = program.call("--json", "storage", "cp", "-rT", str(tree), folder, code=1)
    told = json.loads(ended.stdout)
    assert told["files"] == 2
    (failed,) = told["failed"]
    assert failed["src"].endswith("/pipe")
    assert "Passed over" in ended.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["cp", "{local}", "{remote}/x"], 1, "--recursive"),
        (["cp", "{local}/missing", "{remote}"], 4, "missing: No such file"),
        (["cp", "{remote}/missing", "{local}"], 4, "missing: No such file"),
        (["cp", "{local}/a.txt", "{remote}/no/such"], 1, "Not a directory"),
        (["cp", "{local}/a.txt", "{remote}/no/"], 4, "There is no such directory"),
        (["cp", "{local}/a.txt", "{local}/a.txt", "{remote}/x"], 2, "several sources"),
        (["cp", "{local}/a.txt", "{local}/b.txt"], 2, "both on this machine"),
        (["cp", "{local}/a.txt", "storage://nowhere/x"], 4, "no cluster 'nowhere'"),
        (["cp", "{local}/a.txt", "image:x"], 2, "scheme"),
        (["ls", "{remote}/missing"], 4, "No such file"),
        (["mkdir", "{remote}"], 1, "File exists"),
        (["mkdir", "{remote}/x/y"], 4, "No such file"),
        (["rm", "{remote}"], 1, "--recursive"),
        (["rm", "{remote}/missing"], 4, "No such file"),
        (["mv", "{remote}/missing", "{remote}/x"], 4, "No such file"),
        (["mv", "{remote}", "file:x"], 2, "scheme"),
        (["du", "--cluster", "nowhere"], 4, "known: default, other"),
        (["ls", "storage:/stranger"], 4, "Not found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, folder: str, tree: Path, args: list[str], code: int, words: str
) -> None:
    filled = [text.format(local=tree, remote=folder) for text in args]
    ended = program.call("storage", *filled, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""


def test_listing_moving_and_removing(program: Program, folder: str, tree: Path) -> None:
    program.call("storage", "cp", "-rT", str(tree), folder)
    assert program.call("storage", "ls", folder).stdout == "a.txt\nempty/\nsub/\n"
    long = program.call("storage", "ls", "-l", folder).stdout.splitlines()
    assert long[1].split()[:3] == ["file", "manage", "6B"]
    (only,) = program.documents("storage", "ls", f"{folder}/a.txt")
    assert (only["name"], only["size"], only["type"]) == ("a.txt", 6, "file")
    (itself,) = program.documents("storage", "ls", "-d", folder)
    assert itself["type"] == "directory"

    moved = program.document("storage", "mv", f"{folder}/a.txt", f"{folder}/sub")
    assert moved["moved"][0]["dst"].endswith("/sub/a.txt")
    program.call("storage", "mv", f"{folder}/sub", f"{folder}/renamed")
    assert _names(program, folder) == {"empty", "renamed"}

    removed = program.document("storage", "rm", "-r", f"{folder}/renamed", f"{folder}/empty")
    assert len(removed["removed"]) == 4
    assert _names(program, folder) == set()


def test_one_failure_does_not_keep_rm_from_the_rest(
    program: Program, folder: str, tree: Path
) -> None:
    program.call("storage", "cp", str(tree / "a.txt"), folder)
    program.call("storage", "rm", f"{folder}/missing", f"{folder}/a.txt", code=4)
    assert _names(program, folder) == set()


def test_patterns(program: Program, folder: str, tree: Path) -> None:
    program.call("storage", "cp", "-rT", str(tree), folder)
    patterns = [f"{folder}/?.txt", f"{folder}/**/*.json"]
    found = [item["uri"] for item in program.documents("storage", "glob", *patterns)]
    assert found == [f"{folder}/a.txt", f"{folder}/sub/b%20%23%2520%3F.json"]


def test_usage_of_the_disk(program: Program, folder: str) -> None:
    told = program.document("storage", "du", folder)
    assert told["total"] >= told["free"] > 0
    assert told["uri"].endswith(folder.removeprefix("storage:"))
    assert program.document("storage", "du", "--cluster", "other")["cluster"] == "other"
    assert "Total" in program.call("storage", "du").stdout


def test_one_failure_does_not_keep_cp_from_the_rest(
    program: Program, folder: str, tree: Path
) -> None:
    program.call("storage", "mkdir", f"{folder}/a.txt")
    program.call("storage", "cp", "-rT", str(tree), folder, code=1)
    ended = program.call("storage", "cp", "-rT", "--keep-going", str(tree), folder, code=1)
    assert "a.txt" in ended.stderr
    assert _names(program, f"{folder}/sub") == {"b #%20?.json"}


def test_ctrl_c_leaves_nothing_in_part(program: Program, folder: str, tmp_path: Path) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(4 * 2**30)
    with program.terminal("storage", "cp", str(huge), folder) as terminal:
        terminal.wait_for(" MB/s")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert _names(program, folder) == set()


def test_bars_are_shown_on_a_terminal_only(program: Program, folder: str, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(20_000_000))
    with program.terminal("storage", "cp", str(big), folder) as terminal:
        assert terminal.end() == 0
    assert "big.bin" in terminal.shown
    assert "━" in terminal.shown
    assert "Copied 1 file, 19M" in terminal.shown

    quiet = program.run("storage", "cp", str(big), f"{folder}/again")
    assert quiet.stdout == ""
    assert quiet.stderr.startswith("Copied 1 file")
    with program.terminal("storage", "cp", "-P", str(big), folder) as terminal:
        assert terminal.end() == 0
    assert "━" not in terminal.shown


@pytest.mark.parametrize("uri", ["storage:", "storage:/", "storage:/user", "storage:/team/"])
def test_a_home_folder_is_not_removed(program: Program, uri: str) -> None:
    refused = program.run("storage", "rm", "-r", uri, code=2)
    assert "home folder" in refused.stderr
    program.call("storage", "ls", "storage:")
