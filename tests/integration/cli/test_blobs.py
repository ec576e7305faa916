"""``blob``: what is in buckets, and ``cp`` between them, the storage and this machine."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import pytest

from .kit import Program
from .uploads import unfinished


@pytest.fixture
def bucket(program: Program) -> str:
    """Make a bucket of the test's own and return its URI."""
    return f"blob:{program.document('bucket', 'create')['id']}"


@pytest.fixture(scope="session")
def shared_bucket(program: Program) -> str:
    """Make a bucket that has the blob ``dir/b``, for tests that change nothing."""
    uri = f"blob:{program.document('bucket', 'create')['id']}"
    program.call("blob", "cp", __file__, f"{uri}/dir/b")
    return uri


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Write a small directory."""
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.txt").write_text("hello\n")
    (root / "sub" / "b.json").write_text("{}")
    return root


def _keys(program: Program, uri: str) -> list[str]:
    return [item["key"] for item in program.documents("blob", "ls", "-r", uri)]


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_directory_goes_there_and_back(
    program: Program, bucket: str, tree: Path, tmp_path: Path
) -> None:
    told = program.document("blob", "cp", "-r", str(tree), f"{bucket}/new")
    assert (told["files"], told["bytes"], told["failed"]) == (2, 8, [])
    assert _keys(program, bucket) == [
        "new/",
        "new/a.txt",
        "new/empty/",
        "new/sub/",
        "new/sub/b.json",
    ]
    program.call("blob", "cp", "-r", f"{bucket}/new", str(tmp_path / "back"))
    assert _files(tmp_path / "back") == _files(tree)
    assert (tmp_path / "back" / "empty").is_dir()


def test_what_is_copied_onto_a_folder_goes_inside(
    program: Program, bucket: str, tree: Path, tmp_path: Path
) -> None:
    program.call("blob", "cp", str(tree / "a.txt"), bucket)
    program.call("blob", "cp", "-r", str(tree / "sub"), bucket)
    program.call("blob", "cp", str(tree / "a.txt"), f"{bucket}/sub")
    program.call("blob", "cp", str(tree / "a.txt"), str(tree / "sub" / "b.json"), f"{bucket}/sub/")
    program.call("blob", "cp", str(tree / "a.txt"), f"{bucket}/new/key")
    found = [key for key in _keys(program, bucket) if not key.endswith("/")]
    assert found == ["a.txt", "new/key", "sub/a.txt", "sub/b.json"]
    program.call("blob", "cp", f"{bucket}/a.txt", str(tmp_path))
    assert (tmp_path / "a.txt").read_text() == "hello\n"


def test_an_unchanged_tree_is_not_copied_again(program: Program, bucket: str, tree: Path) -> None:
    for path in tree.rglob("*.*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    program.call("blob", "cp", "-rT", str(tree), bucket)
    assert program.document("blob", "cp", "-ruT", str(tree), bucket)["files"] == 0


def test_rules_choose_what_is_copied(
    program: Program, bucket: str, tree: Path, tmp_path: Path
) -> None:
    program.call("blob", "cp", "-rT", "--exclude", "*.txt", str(tree), f"{bucket}/a")
    assert "a/a.txt" not in _keys(program, bucket)
    program.call("blob", "cp", "-rT", str(tree), f"{bucket}/b")
    program.call("blob", "cp", "-rT", "--exclude", "sub/", f"{bucket}/b", str(tmp_path / "back"))
    assert set(_files(tmp_path / "back")) == {"a.txt"}
    program.call("blob", "cp", "-rT", "--exclude", "*.json", f"{bucket}/b", f"{bucket}/c")
    assert "c/a.txt" in _keys(program, bucket)
    assert "c/sub/b.json" not in _keys(program, bucket)


def test_copies_between_buckets_and_the_storage(
    program: Program, bucket: str, folder: str, tree: Path, tmp_path: Path
) -> None:
    program.call("storage", "cp", "-rT", str(tree), f"{folder}/one")
    assert program.document("blob", "cp", "-r", f"{folder}/one", bucket)["files"] == 2
    assert program.document("storage", "cp", "-r", f"{bucket}/one", f"{folder}/two")["files"] == 2
    program.call("blob", "cp", "-r", f"{bucket}/one", f"{bucket}/deep/three")
    program.call("blob", "cp", f"{bucket}/one/a.txt", f"{bucket}/alone")
    program.call("blob", "cp", f"{bucket}/alone", folder)
    for place in (f"{folder}/two", f"{bucket}/deep/three"):
        program.call("blob", "cp", "-rT", place, str(tmp_path / "back"))
        assert _files(tmp_path / "back") == _files(tree)
    assert program.run("blob", "cat", f"{bucket}/alone", f"{bucket}/alone").stdout == 2 * "hello\n"
    assert {"one", "two", "alone"} == {
        item["name"] for item in program.documents("storage", "ls", folder)
    }


def test_listing_describing_and_counting(program: Program, bucket: str, tree: Path) -> None:
    program.call("blob", "cp", "-rT", str(tree), bucket)
    assert program.call("blob", "ls", bucket).stdout == "empty/\nsub/\na.txt\n"
    assert program.call("blob", "ls", f"{bucket}/s").stdout == "sub/\n"
    assert program.call("blob", "ls", f"{bucket}/sub/", f"{bucket}/a").stdout == (
        "sub/\nsub/b.json\na.txt\n"
    )
    long = program.call("blob", "ls", "-l", bucket).stdout.splitlines()
    assert long[0].split() == ["SIZE", "MODIFIED", "KEY"]
    assert (long[-1].split()[0], long[-1].split()[-1]) == ("6B", "a.txt")
    *_, told = program.documents("blob", "ls", f"{bucket}/a.txt")
    assert (told["key"], told["type"], told["size"]) == ("a.txt", "blob", 6)
    full = program.call("blob", "ls", "--full-uri", f"{bucket}/a.txt").stdout.strip()
    assert full == told["uri"]

    assert program.document("blob", "stat", full)["size"] == 6
    assert program.document("blob", "stat", f"{bucket}/sub")["type"] == "folder"
    assert "6B (6 bytes)" in program.call("blob", "stat", full).stdout
    assert program.document("blob", "du", bucket)["bytes"] == 8
    assert "8B" in program.call("blob", "du", bucket).stdout


def test_removing(program: Program, bucket: str, tree: Path) -> None:
    program.call("blob", "cp", "-rT", str(tree), bucket)
    refused = program.call("blob", "rm", f"{bucket}/sub", f"{bucket}/no", f"{bucket}/a.txt", code=1)
    assert "--recursive" in refused.stderr
    assert "/no: No such file" in refused.stderr
    assert "a.txt" not in _keys(program, bucket)
    told = program.call("blob", "rm", "-rv", f"{bucket}/sub")
    assert "sub/b.json" in told.stderr
    assert len(program.document("blob", "rm", "-r", f"{bucket}/empty")["removed"]) == 1
    assert _keys(program, bucket) == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["ls", "blob:nowhere"], 4, "blob:nowhere: No bucket"),
        (["stat", "blob:/stranger/x/y"], 4, "No bucket"),
        (["ls", "blob://nowhere/user/x"], 4, "no cluster 'nowhere'"),
        (["ls", "storage:x"], 2, "expected blob:"),
        (["cat", "{remote}/missing"], 4, "/missing: No such file"),
        (["cat", "{remote}"], 2, "whole bucket"),
        (["cat", "{remote}/dir"], 1, "It is a folder"),
        (["stat", "{remote}/missing"], 4, "/missing: No such file"),
        (["rm", "{remote}/missing"], 4, "No such file"),
        (["rm", "-r", "{remote}/"], 2, "whole bucket"),
        (["sign", "{remote}"], 2, "whole bucket"),
        (["sign", "--expires-in", "8d", "{remote}/a"], 2, "7 days"),
        (["cp", "{remote}/missing", "{local}"], 4, "missing: No such file"),
        (["cp", "{remote}/dir", "{local}"], 1, "--recursive"),
        (["cp", "{local}/missing", "{remote}"], 4, "missing: No such file"),
        (["cp", "--continue", "{local}/a.txt", "{remote}"], 1, "cannot be continued"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, shared_bucket: str, tree: Path, args: list[str], code: int, words: str
) -> None:
    filled = [text.format(local=tree, remote=shared_bucket) for text in args]
    ended = program.call("blob", *filled, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("typed", "key", "file"),
    [("sp ace", "sp%20ace", "sp ace"), ("é", "%C3%A9", "é"), ("a%20b", "a%20b", "a b")],
)
def test_a_typed_key_is_what_the_uri_encodes(
    program: Program, bucket: str, tree: Path, tmp_path: Path, typed: str, key: str, file: str
) -> None:
    uri = f"{bucket}/{typed}"
    program.call("blob", "cp", str(tree / "a.txt"), uri)
    assert program.call("blob", "ls", uri).stdout == f"{key}\n"
    assert program.document("blob", "stat", uri)["key"] == key
    program.call("blob", "cp", uri, str(tmp_path))
    assert (tmp_path / file).read_text() == "hello\n"
    told = program.document("blob", "stat", program.document("blob", "stat", uri)["uri"])
    assert told["key"] == key
    program.call("blob", "rm", uri)
    assert _keys(program, bucket) == []


def test_names_of_files_are_kept(program: Program, bucket: str, tree: Path, tmp_path: Path) -> None:
    (tree / "sub" / "é #%20?.json").write_text("[]")
    program.call("blob", "cp", "-rT", str(tree), bucket)
    assert "sub/é #%20?.json" in _keys(program, bucket)
    program.call("blob", "cp", "-rT", bucket, str(tmp_path / "back"))
    assert _files(tmp_path / "back") == _files(tree)
    told = program.document("blob", "rm", "-r", f"{bucket}/sub")
    assert len(told["removed"]) == 3


def test_a_signed_url_needs_no_login(program: Program, bucket: str, tree: Path) -> None:
    program.call("blob", "cp", str(tree / "a.txt"), bucket)
    url = program.call("blob", "sign", "--expires-in", "1m", f"{bucket}/a.txt").stdout.strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"hello\n"
    assert program.document("blob", "sign", f"{bucket}/a.txt")["url"].startswith("http")


def test_ctrl_c_leaves_no_unfinished_upload(program: Program, bucket: str, tmp_path: Path) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(4 * 2**30)
    with program.terminal("blob", "cp", str(huge), bucket) as terminal:
        terminal.wait_for(" MB/s")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert _keys(program, bucket) == []
    assert unfinished(program, bucket.removeprefix("blob:")) == []


def test_a_reader_may_close_the_pipe_of_a_large_blob(
    program: Program, bucket: str, tmp_path: Path
) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(64_000_000))
    with program.terminal("blob", "cp", str(big), bucket) as terminal:
        assert terminal.end() == 0
    assert "━" in terminal.shown
    with program.spawn("blob", "cat", f"{bucket}/big.bin") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == "\0" * 10
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""


def test_a_failure_does_not_keep_cp_from_the_rest(
    program: Program, bucket: str, tree: Path
) -> None:
    os.mkfifo(tree / "pipe")
    ended = program.call("--json", "blob", "cp", "-rT", str(tree), bucket, code=1)
    told = json.loads(ended.stdout)
    assert told["files"] == 2
    assert told["failed"][0]["src"].endswith("/pipe")
