"""Mount files that hold a file system, each for as long as somebody uses it; part of supervisor.py.

The kernel detaches a device by itself when its last mount is gone, and the mounts of a run go with
its namespace: nothing is left behind, whatever is killed.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct
from collections.abc import Callable

LOOP_SET_FD, LOOP_SET_STATUS64, LOOP_GET_STATUS64 = 0x4C00, 0x4C04, 0x4C05
LOOP_CTL_GET_FREE = 0x4C82
LO_FLAGS_AUTOCLEAR = 4
INFO = struct.Struct("=5Q4I64s64s32s2Q")  # loop_info64 of linux/loop.h
TRIES = 20

Mount = Callable[[str, str, str, int], None]


def mount_image(image: str, target: str, mount: Mount) -> None:
    """Mount the ext4 file system in ``image``; two runs of one image share its device."""
    with open(image, "rb") as lock, open(image, "r+b") as file:
        # One at a time: of two devices with one image neither would know what the other writes.
        # The device keeps the file that it is given open, and with it would keep the lock.
        fcntl.flock(lock, fcntl.LOCK_EX)
        device = _attached(image) or _attach(file.fileno())
        try:
            mount(os.readlink(f"/proc/self/fd/{device}"), target, "ext4", 0)
        finally:
            os.close(device)


def _attached(image: str) -> int | None:
    """Open the device that has the image already; open it stays attached."""
    wanted = os.stat(image)
    for name in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            device = os.open(f"/dev/{name.split('/')[3]}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            info = INFO.unpack(fcntl.ioctl(device, LOOP_GET_STATUS64, bytes(INFO.size)))
        except OSError:
            info = (0, 0)
        if info[:2] == (wanted.st_dev, wanted.st_ino):
            return device
        os.close(device)
    return None


def _attach(file: int) -> int:
    """Give the image a free device."""
    with open("/dev/loop-control", "rb") as control:
        for _ in range(TRIES):
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, LOOP_SET_FD, file)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # else somebody was faster
                    raise
                continue
            info = INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0)
            fcntl.ioctl(device, LOOP_SET_STATUS64, info)
            return device
    raise OSError(errno.EBUSY, "no loop device is free")
