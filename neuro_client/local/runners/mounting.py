"""Carry out the steps of mounts.py by system calls; part of supervisor.py."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .loops import mount_image
else:  # used by a script: its folder is on the path
    from loops import mount_image

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 1, 32, 4096, 8192, 16384, 1 << 18
MS_LOCKED = 2 | 4 | 8 | 1024 | 2048  # nosuid nodev noexec noatime nodiratime: same bits as statvfs

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the ``OSError`` of a failed C call."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Call mount(2)."""
    arguments = (source.encode(), target.encode(), kind.encode(), flags, data.encode())
    check(libc.mount(*arguments), f"cannot mount {source} on {target}")


def build_root(root: str, steps: list[list[str]]) -> None:
    """Mount the root of the command and enter it; ``steps`` come from mounts.py."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | (CLONE_NEWUSER if user else 0)
    check(libc.unshare(flags), "cannot make a mount namespace")
    if user:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", 0, "mode=755")
    read_only = []
    for kind, target, source in steps:
        inside = root + target
        if kind == "dir":
            os.makedirs(inside, exist_ok=True)
        elif kind == "file":
            if not os.path.exists(inside):
                os.makedirs(os.path.dirname(inside), exist_ok=True)
                os.close(os.open(inside, os.O_CREAT | os.O_WRONLY, 0o644))
        elif kind == "symlink":
            os.symlink(source, inside)
        elif kind == "tmpfs":
            mount("tmpfs", inside, "tmpfs", 0, source)
        else:
            if kind in ("image", "image_ro"):
                mount_image(source, inside, mount)
            else:
                mount(source, inside, "none", MS_BIND | MS_REC)
            if kind in ("bind_ro", "image_ro"):
                read_only.append(inside)
    for inside in read_only:
        # In a user namespace a remount may not drop the flags the host set.
        kept = os.statvfs(inside).f_flag & MS_LOCKED
        mount("none", inside, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
    os.chdir(root)
    mount(".", "/", "none", MS_MOVE)
    os.chroot(".")
