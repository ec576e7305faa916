"""Disks as images: how they are planned into a job's root, and what is read from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neuro_client.local.runners import Mount, RunnerError, RunSpec, limits, loops, mounts
from neuro_client.local.runners.process import ProcessRunner
from neuro_client.local.services.disks import images
from neuro_client.local.services.disks.folders import DiskFolders
from neuro_client.local.services.disks.models import Disk


@pytest.mark.parametrize(("read_only", "kind"), [(False, "image"), (True, "image_ro")])
def test_an_image_is_mounted_on_a_folder(tmp_path: Path, read_only: bool, kind: str) -> None:
    image = tmp_path / "disk.ext4"
    image.touch()
    steps = mounts.plan(mounts.Root([Mount(image, "/brand-new/data", read_only, image=True)]))
    assert steps[-2:] == [("dir", "/brand-new/data", ""), (kind, "/brand-new/data", str(image))]


def test_only_root_mounts_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "disk.ext4"
    image.touch()
    runner = ProcessRunner(tmp_path, "unshare", limits.Hierarchies(None, None, 0))
    spec = RunSpec("job-1", 0, ("true",), {}, 1.0, 1, mounts=(Mount(image, "/d", False, True),))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RunnerError, match="only root"):
        runner.check(spec)
    assert not images.can_mount()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    runner.check(spec)


def test_the_record_of_a_loop_device_has_the_size_of_the_kernels() -> None:
    assert loops.INFO.size == 232


def test_disks_are_folders_where_there_is_no_file_system_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(images, "_SYSTEM_PATH", "/nowhere")
    assert not images.make_image(tmp_path / "image", images.SMALLEST)
    folders = DiskFolders(tmp_path, images=True)
    disk = Disk("disk-1", "default", "user", None, None, images.SMALLEST, 0.0)
    folders.make(disk)
    assert folders.of(disk) == tmp_path / "default" / "disk-1"
    assert folders.used(disk) == 0
    folders.remove(disk)
    assert folders.used(disk) is None


def test_an_empty_image_has_next_to_nothing_on_it(tmp_path: Path) -> None:
    folders = DiskFolders(tmp_path, images=True)
    disk = Disk("disk-1", "default", "user", None, None, 2**24, 0.0)
    folders.make(disk)
    place = folders.of(disk)
    if place.is_dir():
        assert folders.used(disk) == 0
        return
    used = folders.used(disk)
    assert used is not None
    assert used < 2**16
    assert place.stat().st_size > 2**24
    folders.sweep([disk])
    assert place.exists()
    folders.sweep([])
    assert not place.exists()
