"""The request of a run, and the folder that is packed for it."""

from __future__ import annotations

import asyncio
import io
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from neuro_client.artifacts import DatastoreMount, RunRequest
from neuro_client.artifacts.submission import pack
from neuro_client.artifacts.submission import packed as packed_file


def test_the_request_is_what_the_wire_wants() -> None:
    request = RunRequest(
        name="mnist",
        script="code/train.py",
        args=["--lr", "uniform(0, 1)"],
        strategy="random_search",
        num_trials=3,
        seed=7,
        gpus=1,
        dependency_file="environment.yml",
        dockerfile="Dockerfile",
        env={"TOKEN": "hush"},
        datastores=[DatastoreMount("ds", "/data")],
    )
    request.check()
    spec = request.body("default")["spec"]
    assert spec["runControllerCommand"] == "code/train.py  --lr 'uniform(0, 1)'"
    assert (spec["sweepType"], spec["sweepOptions"]) == (
        "random_search",
        {"num_trials": "3", "seed": "7"},
    )
    assert spec["image"] == {
        "framework": "lightning",
        "dockerfile": "Dockerfile",
        "dependencyFileInfo": {
            "packageManager": "PACKAGE_MANAGER_CONDA",
            "path": "environment.yml",
        },
    }
    assert spec["env"] == {"TOKEN": "hush"}
    assert "hush" not in repr(request)
    plain = RunRequest(script="train.py", num_trials=3).body("default")["spec"]
    assert (plain["sweepOptions"], plain["runControllerCommand"]) == ({}, "train.py")
    blank = RunRequest(script="my train.py", args=["a b"]).body("default")["spec"]
    assert blank["runControllerCommand"] == "'my train.py'  'a b'"
    for args in ("--lr 1", ["--lr", 1]):
        with pytest.raises(TypeError, match="one for each word"):
            RunRequest(script="train.py", args=args)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"script": "train.txt"},
        {"script": "../train.py"},
        {"script": "/train.py"},
        {"script": "train.py", "name": "Upper"},
        {"script": "train.py", "strategy": "random_search"},
    ],
)
def test_what_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be|needs num_trials"):
        RunRequest(**wrong).check()


def packed(folder: Path, script: str = "train.py") -> dict[str, bytes | str | None]:
    """Pack a folder; return files with their content, links with their target."""
    file = io.BytesIO()
    assert pack(folder, script, file, threading.Event()) == len(file.getvalue())
    file.seek(0)
    found: dict[str, bytes | str | None] = {}
    with tarfile.open(fileobj=file) as archive:
        for item in archive:
            content = archive.extractfile(item) if item.isfile() else None
            found[item.name] = item.linkname or None if content is None else content.read()
            assert (item.uid, item.uname) == (0, "root")
    return found


def test_a_folder_is_packed_without_what_is_not_code(tmp_path: Path) -> None:
    tmp_path /= "code"
    for name in (".git", "sub/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").write_bytes(b"x")
    (tmp_path / "train.py").write_bytes(b"print()")
    (tmp_path / "sub/link").symlink_to("../train.py")
    assert packed(tmp_path) == {
        ".": None,
        "./sub": None,
        "./sub/link": "../train.py",
        "./train.py": b"print()",
    }


def test_second_names_and_absolute_links_are_packed(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / "sub/.venv").mkdir(parents=True)
    (folder / "sub/.venv/same").write_bytes(b"print()")
    for name in ("train.py", "other.py"):
        (folder / name).hardlink_to(folder / "sub/.venv/same")
    (folder / "sub/link").symlink_to(folder / "train.py")
    assert packed(folder) == {
        ".": None,
        "./other.py": b"print()",
        "./sub": None,
        "./sub/link": "../train.py",
        "./train.py": b"print()",
    }


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_bytes(b"")
    (tmp_path / "code/link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="leads out"):
        packed(tmp_path / "code")
    with pytest.raises(ValueError, match=r"no file 'other\.py'"):
        packed(tmp_path / "code", "other.py")
    with pytest.raises(ValueError, match="not a folder"):
        packed(tmp_path / "none")


async def test_packing_ends_when_nobody_waits(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.py").touch()
    file = io.BytesIO()
    task = asyncio.create_task(packed_file(folder, "0.py", file))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stop = threading.Event()
    stop.set()
    with pytest.raises(InterruptedError):
        await asyncio.to_thread(pack, folder, "0.py", file, stop)
