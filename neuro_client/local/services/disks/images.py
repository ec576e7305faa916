"""Disks as files that hold a file system, whose size is a limit; all functions block.

A job mounts one in its own namespace by a loop device, which takes root.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from ... import runners

SMALLEST = 2**20
"""Bytes of the smallest disk that is worth a file system."""
_SUPERVISOR = Path(runners.__file__).with_name("supervisor.py")
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_SUPERBLOCK = 1024
_PROBE_TIME = 10


def make_image(path: Path, storage: int) -> bool:
    """Make the image of an empty disk; False where that is not possible."""
    program = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if program is None:
        return False
    command = [program, "-q", "-F", "-m", "0", "-O", "^has_journal", str(path)]
    try:
        with path.open("xb") as file:
            # What the file system needs for itself comes on top.
            file.truncate((storage + storage // 32 + 2**20) // 4096 * 4096)
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    except (OSError, OverflowError, subprocess.CalledProcessError):
        # Larger than a file of this host can be, say.
        path.unlink(missing_ok=True)
        return False
    return True


def can_mount() -> bool:
    """Try out whether jobs can mount images here."""
    if sys.platform != "linux" or os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        return False
    with tempfile.TemporaryDirectory() as name:
        image, root = Path(name, "image"), Path(name, "root")
        root.mkdir()
        if not make_image(image, SMALLEST):
            return False
        words = [sys.executable, "-S", "-E", str(_SUPERVISOR), "--probe", str(root), str(image)]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_PROBE_TIME, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def used_of_image(path: Path) -> int:
    """Return how many bytes are on the disk, as of the last time its superblock was written."""
    with path.open("rb") as file:
        file.seek(_SUPERBLOCK)
        block = file.read(_SUPERBLOCK)

    def field(offset: int) -> int:
        return int(struct.unpack_from("<I", block, offset)[0])

    blocks, free, overhead = field(0x4), field(0xC), field(0x248)
    return max(0, blocks - overhead - free) * (1024 << field(0x18))
