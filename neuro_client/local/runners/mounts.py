"""Plan the root file system of a job: the host's tree with the job's mounts put into it.

Nothing may be created on the host. So a mount point that does not exist there is made by *opening
up* its nearest existing parent: that folder becomes an empty one of the job's own, every entry of
the host's is bound into it, and the mount point is made beside them. All functions block.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

import attrs

from .base import Mount

Step = tuple[str, str, str]
"""(kind, target, source); kinds: dir file symlink tmpfs bind bind_ro image image_ro."""

_PRIVATE = ("/tmp",)


@attrs.frozen
class Root:
    """What the root of a job consists of."""

    mounts: Sequence[Mount]
    folders: Sequence[str] = ()
    """Folders that must exist, made in memory if need be (the working directory)."""
    scratch: Path | None = None
    """The folder of the host that becomes ``/tmp``."""
    shm: int = 64 << 20
    """Size of the job's own ``/dev/shm``."""
    keep: Sequence[Path] = ()
    """Host folders to show at their own path even below ``/tmp`` (the Python environment)."""


def plan(root: Root) -> list[Step]:
    """Give the steps in the order in which they are to be done."""
    mounts = sorted(root.mounts, key=lambda mount: mount.target.count("/"))
    # Only what no other mount contains needs a place in the host's tree.
    targets = [_clean(mount.target) for mount in mounts]
    wanted = [*targets, *(_clean(folder) for folder in root.folders)]
    outer = [path for path in wanted if not _inside_any(path, [*targets, *_PRIVATE])]
    opened = {parent for path in outer if not os.path.lexists(path) for parent in _parents(path)}
    for path in outer:
        if os.path.islink(path):  # a bind on a link would land on what it points to
            opened |= set(_parents(path))
    steps = _tree("/", opened, set(outer))
    if root.scratch is not None:
        steps += [("dir", "/tmp", ""), ("bind", "/tmp", str(root.scratch))]
    for folder in root.keep:
        if _inside_any(str(folder), _PRIVATE):
            steps += [("dir", str(folder), ""), ("bind", str(folder), str(folder))]
    if os.path.isdir("/dev/shm"):
        steps.append(("tmpfs", "/dev/shm", f"mode=1777,size={root.shm}"))
    for mount in mounts:
        target = _clean(mount.target)
        is_folder = mount.image or mount.source.is_dir()
        steps.append(("dir" if is_folder else "file", target, ""))
        kind = "image" if mount.image else "bind"
        steps.append((f"{kind}_ro" if mount.read_only else kind, target, str(mount.source)))
    steps += [("dir", _clean(folder), "") for folder in root.folders]
    return steps


def bubblewrap(program: str, steps: Sequence[Step], working_dir: str) -> list[str]:
    """Write the steps as the head of a command line of bubblewrap."""
    arguments = [program, "--die-with-parent"]
    late = []
    for kind, target, source in steps:
        if kind == "dir":
            arguments += ["--dir", target]
        elif kind == "file":
            arguments += ["--ro-bind-try", "/dev/null", target]
        elif kind == "symlink":
            arguments += ["--symlink", source, target]
        elif kind == "tmpfs":
            size = source.rpartition("size=")[2]
            arguments += ["--perms", "1777", "--size", size, "--tmpfs", target]
        else:
            arguments += ["--dev-bind", source, target]
            if kind == "bind_ro":
                late += ["--remount-ro", target]
    return [*arguments, *late, "--chdir", working_dir, "--"]


def _tree(folder: str, opened: set[str], wanted: set[str]) -> list[Step]:
    steps: list[Step] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = posixpath.join(folder, entry.name)
        if path in _PRIVATE:
            continue
        if entry.is_symlink():
            if path not in wanted and path not in opened:
                steps.append(("symlink", path, os.readlink(path)))
        elif path in opened:
            steps.append(("dir", path, ""))
            steps += _tree(path, opened, wanted)
        else:
            kind = "dir" if entry.is_dir(follow_symlinks=False) else "file"
            steps += [(kind, path, ""), ("bind", path, path)]
    return steps


def _clean(path: str) -> str:
    """Normalise, with the links of the host followed up to the last component."""
    folder, name = posixpath.split(posixpath.normpath("/" + path.lstrip("/")))
    return posixpath.join(os.path.realpath(folder), name)


def _parents(path: str) -> list[str]:
    found = []
    while path != "/":
        path = posixpath.dirname(path)
        found.append(path)
    return found


def _inside_any(path: str, folders: Sequence[str]) -> bool:
    return any(path != folder and path.startswith(folder.rstrip("/") + "/") for folder in folders)
