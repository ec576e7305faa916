"""Files that are opened: read in ranges, written in parts, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from neuro_client import NeuroError, SourceChangedError

from ..cli.kit import Program
from ..cli.uploads import abort_all, unfinished

pytestmark = pytest.mark.thorough

MiB = 1 << 20
Place = tuple[Any, str]


@pytest.mark.thorough
@pytest.mark.parametrize("size", [0, 1, 8 * MiB, 16 * MiB, 20 * MiB + 1])
def test_what_is_written_is_read(place: Place, size: int) -> None:
    fs, root = place
    data = os.urandom(size)
    with fs.open(f"{root}/new", "wb") as file:
        for start in range(0, size, 3 * MiB + 7):
            file.write(data[start : start + 3 * MiB + 7])
        assert not fs.exists(f"{root}/new")
    assert fs.size(f"{root}/new") == size
    with fs.open(f"{root}/new", "rb", block_size=MiB) as file:
        assert file.read() == data
        file.seek(size // 2)
        assert file.read(10) == data[size // 2 : size // 2 + 10]
    assert fs.find(root) == [f"{root}/new"]


def test_one_write_may_have_many_parts(place: Place) -> None:
    fs, root = place
    data = os.urandom(24 * MiB)
    with fs.open(f"{root}/new", "wb", block_size=100) as file:
        assert file.write(data) == len(data)
    assert fs.cat_file(f"{root}/new") == data


def test_lines_of_text(place: Place) -> None:
    fs, root = place
    with fs.open(f"{root}/new.txt", "w", encoding="utf-8") as file:
        file.write("é\nb\n")
    with fs.open(f"{root}/new.txt", "r", encoding="utf-8") as file:
        assert list(file) == ["é\n", "b\n"]


@pytest.mark.parametrize("size", [10, 9 * MiB])
def test_after_an_exception_nothing_appears(place: Place, size: int) -> None:
    fs, root = place
    fs.pipe_file(f"{root}/there", b"before")
    for name in ("new", "there"):
        with pytest.raises(KeyError):
            with fs.open(f"{root}/{name}", "wb") as file:
                file.write(bytes(size))
                raise KeyError(name)
        assert file.closed
    assert fs.find(root) == [f"{root}/there"]
    assert fs.cat_file(f"{root}/there") == b"before"


@pytest.mark.parametrize("size", [10, 9 * MiB])
def test_in_a_transaction_all_appears_at_its_end(place: Place, size: int) -> None:
    fs, root = place
    with fs.transaction:
        with fs.open(f"{root}/a", "wb") as file:
            file.write(bytes(size))
        assert not fs.exists(f"{root}/a")
    assert fs.size(f"{root}/a") == size
    with pytest.raises(KeyError):
        with fs.transaction:
            with fs.open(f"{root}/b", "wb") as file:
                file.write(bytes(size))
            raise KeyError("b")
    assert fs.find(root) == [f"{root}/a"]


def test_a_discarded_upload_leaves_nothing_at_the_provider(
    blob_fs: Any, program: Program, tmp_path: Path
) -> None:
    root = f"default/user/data/{tmp_path.name}"
    with pytest.raises(KeyError):
        with blob_fs.open(f"{root}/new", "wb") as file:
            file.write(bytes(9 * MiB))
            assert unfinished(program, "data") == [f"{tmp_path.name}/new"]
            raise KeyError
    assert unfinished(program, "data") == []


def test_what_cannot_be_sent_to_its_end_does_not_appear(
    blob_fs: Any, program: Program, tmp_path: Path
) -> None:
    root = f"default/user/data/{tmp_path.name}"
    file = blob_fs.open(f"{root}/new", "wb")
    file.write(bytes(9 * MiB))
    abort_all(program, "data")
    with pytest.raises(NeuroError):
        file.write(bytes(9 * MiB))
    assert file.closed
    file.close()
    assert not blob_fs.exists(f"{root}/new")


def test_a_file_that_changes_while_it_is_read_is_refused(place: Place) -> None:
    fs, root = place
    fs.pipe_file(f"{root}/a", b"1" * MiB)
    with fs.open(f"{root}/a", "rb", block_size=1000) as file:
        assert file.read(10) == b"1" * 10
        fs.pipe_file(f"{root}/a", b"22" * MiB)
        file.seek(MiB // 2)
        with pytest.raises(SourceChangedError):
            file.read(10)


def test_modes_that_there_are_not(place: Place) -> None:
    fs, root = place
    for mode in ("ab", "r+b"):
        with pytest.raises((NotImplementedError, ValueError)):
            fs.open(f"{root}/new", mode)
    with pytest.raises(FileNotFoundError):
        fs.open(f"{root}/missing", "rb")


def test_urls_open_without_a_file_system_in_hand(
    program: Program, closed_at_the_end: None, tmp_path: Path
) -> None:
    url = f"blob://default/user/data/{tmp_path.name}/key"
    with fsspec.open(url, "wb", config=program.config) as file:
        file.write(b"content")
    with fsspec.open(url, "rt", config=program.config) as file:
        assert file.read() == "content"


def test_a_program_ends_without_a_word(program: Program, tmp_path: Path) -> None:
    url = f"blob://default/user/data/{tmp_path.name}/key"
    text = (
        "import fsspec\n"
        f"fs = fsspec.filesystem('blob', config={str(program.config)!r})\n"
        f"fs.pipe_file({url!r}, b'x')\n"
        f"print(fs.cat_file({url!r}))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", text],
        env=program.environment,
        capture_output=True,
        text=True,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("b'x'\n", "", 0)
