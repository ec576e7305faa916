"""What can be done with files and folders of both file systems."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import fsspec
import pytest

from neuro_client.config.services import AIStoreSettings, Services

from ..cli.kit import Program

pytestmark = pytest.mark.thorough

MiB = 1 << 20
Place = tuple[Any, str]


def test_folders_are_listed_walked_and_counted(place: Place) -> None:
    fs, root = place
    fs.pipe({f"{root}/a.txt": b"one", f"{root}/sub/é #%20?.bin": b"three", f"{root}/sub/b": b""})
    fs.mkdir(f"{root}/empty")

    # In AIStore a folder is there while something is in it.
    empty = [] if fs.protocol == "ais" else [f"{root}/empty"]
    assert fs.ls(root, detail=False) == [f"{root}/a.txt", *empty, f"{root}/sub"]
    assert fs.ls(f"{root}/a.txt", detail=False) == [f"{root}/a.txt"]
    assert fs.find(root) == [f"{root}/a.txt", f"{root}/sub/b", f"{root}/sub/é #%20?.bin"]
    assert fs.glob(f"{root}/**/*.bin") == [f"{root}/sub/é #%20?.bin"]
    walked = {path: (set(folders), set(files)) for path, folders, files in fs.walk(root)}
    assert walked[root] == ({"sub", *(name.rpartition("/")[2] for name in empty)}, {"a.txt"})
    assert fs.du(root) == 8
    assert fs.du(root, total=False)[f"{root}/a.txt"] == 3
    with pytest.raises(FileNotFoundError):
        fs.ls(f"{root}/missing")


def test_what_is_there_is_described(place: Place) -> None:
    fs, root = place
    fs.pipe_file(f"{root}/sub/a", b"12345")
    told = fs.info(f"{fs.protocol}://{root}/sub/a")
    assert (told["name"], told["size"], told["type"]) == (f"{root}/sub/a", 5, "file")
    assert fs.info(f"{root}/sub")["type"] == "directory"
    assert fs.isfile(f"{root}/sub/a")
    assert fs.isdir(f"{root}/sub")
    assert not fs.exists(f"{root}/missing")
    assert not fs.isdir(f"{root}/missing")
    assert fs.size(f"{root}/sub/a") == 5
    if fs.protocol != "ais":  # which tells it in listings only
        assert fs.modified(f"{root}/sub/a").year >= 2026
    with pytest.raises(FileNotFoundError, match="missing"):
        fs.info(f"{root}/missing")


def test_a_path_names_a_cluster(blob_fs: Any, storage_fs: Any) -> None:
    for fs in (blob_fs, storage_fs):
        with pytest.raises(ValueError, match="names no cluster"):
            fs.info("")


def test_the_root_of_ais_lists_the_buckets(ais_fs: Any) -> None:
    assert "data" in ais_fs.ls("ais://", detail=False)
    assert ais_fs.isdir("ais://")
    assert ais_fs.isdir("ais://data")
    assert not ais_fs.exists("ais://none")
    with pytest.raises(FileNotFoundError):
        ais_fs.cat_file("ais://none/x")
    with pytest.raises(ValueError, match="names no bucket"):
        ais_fs.pipe_file("", b"x")


def test_ais_needs_no_login(
    program: Program, tmp_path: Path, closed_at_the_end: None, ais_fs: Any
) -> None:
    endpoint = Services.read(program.config).settings(AIStoreSettings).url
    fs = fsspec.filesystem("ais", endpoint=endpoint, config=tmp_path)
    path = f"ais://data/{tmp_path.name}/x"
    fs.pipe_file(path, b"here")
    assert ais_fs.cat_file(path) == b"here"


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (2, 5), (0, 0), (3, 2), (-4, None), (2, -3), (8, 99), (99, None), (None, -99)],
)
def test_ranges_are_those_of_slices(place: Place, start: int | None, end: int | None) -> None:
    fs, root = place
    fs.pipe_file(f"{root}/a", b"0123456789")
    assert fs.cat_file(f"{root}/a", start, end) == b"0123456789"[start:end]


def test_several_files_are_read_at_once(place: Place) -> None:
    fs, root = place
    fs.pipe({f"{root}/a": b"A", f"{root}/b": b"", f"{root}/c": b"C"})
    assert fs.cat([f"{root}/a", f"{root}/b"]) == {f"{root}/a": b"A", f"{root}/b": b""}
    assert fs.cat_ranges([f"{root}/a", f"{root}/c"], 0, 1) == [b"A", b"C"]
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{root}/missing")
    found = fs.cat([f"{root}/a", f"{root}/missing"], on_error="return")
    assert isinstance(found[f"{root}/missing"], FileNotFoundError)


def test_trees_go_there_and_back(place: Place, tmp_path: Path) -> None:
    fs, root = place
    source = tmp_path / "data"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("hello")
    (source / "sub" / "é %20 #.bin").write_bytes(os.urandom(100))
    fs.put(str(source), f"{root}/tree", recursive=True)
    fs.cp(f"{root}/tree", f"{root}/copy", recursive=True)
    fs.mv(f"{root}/copy", f"{root}/moved", recursive=True)
    assert not fs.exists(f"{root}/copy")
    fs.get(f"{root}/moved", str(tmp_path / "back"), recursive=True)
    for name in ("a.txt", "sub/é %20 #.bin"):
        assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes()
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{root}/missing", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{root}/missing", f"{root}/x")
    with pytest.raises(FileNotFoundError):
        fs.put_file(str(tmp_path / "missing"), f"{root}/x")
    assert not fs.exists(f"{root}/x")


def test_removing_asks_for_recursive(place: Place) -> None:
    fs, root = place
    fs.pipe({f"{root}/sub/{name}": b"x" for name in ("a", "b", "c.txt")})
    for remove in (fs.rm, fs.rm_file):
        with pytest.raises(IsADirectoryError):
            remove(f"{root}/sub")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{root}/sub")
    fs.rm(f"{root}/sub/*.txt")
    fs.rm([f"{root}/sub/b"])
    assert fs.ls(f"{root}/sub", detail=False) == [f"{root}/sub/a"]
    fs.rm(f"{root}/sub", recursive=True)
    assert not fs.exists(f"{root}/sub")
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{root}/sub")


@pytest.mark.parametrize("place", ["blob", "storage"], indirect=True)
def test_folders_are_made_and_removed(place: Place) -> None:
    fs, root = place
    fs.makedirs(f"{root}/a/b")
    assert fs.isdir(f"{root}/a/b")
    fs.makedirs(f"{root}/a/b", exist_ok=True)
    for make in (fs.makedirs, fs.mkdir):
        with pytest.raises(FileExistsError):
            make(f"{root}/a/b")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{root}/x/y", create_parents=False)
    fs.rmdir(f"{root}/a/b")
    assert not fs.exists(f"{root}/a/b")


def test_a_path_outside_every_bucket_is_missing(blob_fs: Any) -> None:
    assert not blob_fs.exists("default/user/nowhere/key")
    assert not blob_fs.exists("default/user")
    with pytest.raises(FileNotFoundError):
        blob_fs.cat_file("default/stranger/data/key")


def test_two_threads_use_one_object(place: Place) -> None:
    fs, root = place

    def work(name: str) -> None:
        for number in range(3):
            fs.pipe_file(f"{root}/{name}{number}", name.encode())

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {fs.cat_file(path) for path in fs.find(root)} == {b"a", b"b"}
    assert len(fs.find(root)) == 6


def test_it_is_pickled_without_its_connections(place: Place, program: Program) -> None:
    fs, root = place
    fs.pipe_file(f"{root}/a", b"x")
    again = pickle.loads(pickle.dumps(fs))
    assert again is fs
    type(fs).clear_instance_cache()
    other = pickle.loads(pickle.dumps(fs))
    assert other is not fs
    assert other.cat_file(f"{root}/a") == b"x"
    assert fsspec.filesystem(fs.protocol, config=program.config) is other
    fsspec.asyn.sync(fs.loop, fs.aclose)


@pytest.mark.parametrize("scheme", ["blob", "storage"])
def test_from_coroutines_in_one_loop_after_the_other(
    program: Program, closed_at_the_end: None, tmp_path: Path, scheme: str
) -> None:
    root = f"default/user/data/{tmp_path.name}"

    async def use(close: bool) -> bytes:
        fs = fsspec.filesystem(scheme, config=program.config, asynchronous=True)
        try:
            await fs._makedirs(root, exist_ok=True)
            await asyncio.gather(*(fs._pipe_file(f"{root}/{n}", b"x") for n in range(3)))
            assert len(await fs._ls(root)) == 3
            found: bytes = await fs._cat_file(f"{root}/0")
            return found
        finally:
            if close:
                await fs.aclose()

    assert asyncio.run(use(True)) == asyncio.run(use(True)) == b"x"
