"""Where it is what is on the disks: in folders, or in images; all functions block."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

import attrs

from .images import SMALLEST, can_mount, make_image, used_of_image
from .models import Disk

_IMAGE = ".ext4"


@attrs.define
class DiskFolders:
    """Make, measure and remove ``<root>/<cluster>/<disk id>``, or the image ``<disk id>.ext4``.

    With ``images`` None it is tried out, when the first disk is made, whether jobs can mount them.
    """

    root: Path
    images: bool | None = None

    def of(self, disk: Disk) -> Path:
        """Return the image of a disk if it has one, else its folder."""
        folder = self.root / disk.cluster / disk.id
        image = folder.with_name(f"{disk.id}{_IMAGE}")
        return image if image.exists() else folder

    def make(self, disk: Disk) -> None:
        """Make what holds a new disk."""
        folder = self.root / disk.cluster / disk.id
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.images is None:
            self.images = can_mount()
        image = folder.with_name(f"{disk.id}{_IMAGE}")
        if not (self.images and disk.storage >= SMALLEST and make_image(image, disk.storage)):
            folder.mkdir(mode=0o700)

    def remove(self, disk: Disk) -> None:
        """Remove a disk with all that is on it; what cannot go now goes at the next start."""
        _remove(self.of(disk))

    def used(self, disk: Disk) -> int | None:
        """Return how many bytes are on a disk; None if what held it is gone."""
        place = self.of(disk)
        if is_image(place):
            return used_of_image(place)
        return measure(place) if place.is_dir() else None

    def sweep(self, known: Collection[Disk]) -> None:
        """Remove what belongs to no disk: a kill came while one was made or removed."""
        kept = {disk.id for disk in known}
        for place in self.root.glob("*/disk-*"):
            if place.name.removesuffix(_IMAGE) not in kept:
                _remove(place)


def is_image(place: Path) -> bool:
    """Tell whether what holds a disk is an image, from its name."""
    return place.suffix == _IMAGE


def _remove(place: Path) -> None:
    if is_image(place):
        place.unlink(missing_ok=True)
    else:
        shutil.rmtree(place, ignore_errors=True)


def measure(folder: Path) -> int:
    """Return how many bytes the files below a folder take; a file of two names counts once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    pending = [os.fspath(folder)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:  # removed meanwhile, or closed to everybody by a job
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_nlink > 1 and (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            # A file with holes takes less than its length, a short one is rounded up on the host.
            total += min(status.st_size, status.st_blocks * 512)
    return total
