"""Look at watched folders: what is there, in which state, and what may not be followed.

Everything here blocks and runs in threads. Facts: grid-artifacts.md §2.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

import attrs

IGNORED = (
    ".git/",
    ".hg/",
    ".svn/",
    ".bzr/",
    "CVS/",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".cache/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".nv/",
)
"""Folders of version control and caches, which are no artifacts."""

_SAFE = re.compile(r"[A-Za-z0-9_./-]+")
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What opening a file says that was removed or replaced since it was seen."""


@attrs.frozen
class Stamp:
    """Tell one state of a file from another."""

    size: int
    mtime_ns: int
    inode: int

    def __str__(self) -> str:
        return f"{self.size}-{self.mtime_ns}-{self.inode}"

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take the state from what the system says."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


@attrs.frozen
class Root:
    """Name a watched folder, links resolved; its files' names begin with ``prefix``."""

    prefix: str
    path: str

    def holds(self, path: str) -> bool:
        """Tell whether a resolved path is the folder or below it."""
        return path == self.path or path.startswith(self.path.rstrip(os.sep) + os.sep)


@attrs.frozen
class Found:
    """Describe a file that may be captured: where it really is, ``below`` which root."""

    name: str
    root: str
    below: str
    stamp: Stamp


@attrs.frozen
class Scan:
    """Hold what is in the roots, by name; ``skipped`` has the reason for each that is left out."""

    files: Mapping[str, Found]
    skipped: Mapping[str, str]


@attrs.frozen
class Inventory:
    """Hold what was there before the work began; `dumps` keeps it for a restarted capture."""

    stamps: Mapping[str, Stamp] = attrs.field(factory=dict)
    skipped: frozenset[str] = frozenset()

    def dumps(self) -> str:
        """Return the inventory as JSON."""
        stamps = {name: attrs.astuple(stamp) for name, stamp in self.stamps.items()}
        return json.dumps({"stamps": stamps, "skipped": sorted(self.skipped)})

    @classmethod
    def loads(cls, text: str) -> Inventory:
        """Read what `dumps` wrote; ``ValueError`` for anything else."""
        try:
            document = json.loads(text)
            stamps = {name: Stamp(*map(int, parts)) for name, parts in document["stamps"].items()}
            return cls(stamps, frozenset(document["skipped"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no inventory of a capture: {error!r}") from error

    @classmethod
    def of(cls, scan: Scan) -> Inventory:
        """Remember a scan."""
        stamps = {name: found.stamp for name, found in scan.files.items()}
        return cls(stamps, frozenset(scan.skipped))


def resolve_roots(roots: Mapping[str, Path] | Iterable[Path]) -> tuple[Root, ...]:
    """Give each root its prefix and resolve its links; ``ValueError`` for two that clash."""
    if isinstance(roots, Mapping):
        named = list(roots.items())
    else:
        paths = list(roots)
        named = [("" if len(paths) == 1 else path.absolute().name, path) for path in paths]
        if len({name for name, _ in named}) < len(named):
            raise ValueError("Two of the roots have one name; give them as {prefix: folder}")
    if not named:
        raise ValueError("There is nothing to capture: name at least one folder")
    found = [Root(name.strip("/"), os.path.realpath(path)) for name, path in named]
    if len({root.path for root in found}) < len(found):
        raise ValueError("Two of the roots are the same folder")
    return tuple(found)


def scan(roots: Collection[Root], ignore: Collection[str]) -> Scan:
    """Look through all roots; what cannot be looked at is among the skipped."""
    files: dict[str, Found] = {}
    skipped: dict[str, str] = {}
    tops = {root.path for root in roots}
    for root in roots:
        pending = [(root.path, root.prefix)]
        while pending:
            folder, prefix = pending.pop()
            try:
                with os.scandir(folder) as entries:
                    for item in entries:
                        name = f"{prefix}/{item.name}" if prefix else item.name
                        below = _look(item, name, roots, ignore, files, skipped)
                        if below and item.path not in tops:
                            pending.append((item.path, name))
            except OSError as error:
                if error.errno not in GONE:
                    skipped[f"{prefix}/"] = f"the folder cannot be read: {error.strerror}"
    return Scan(files, skipped)


def _look(
    item: os.DirEntry[str],
    name: str,
    roots: Collection[Root],
    ignore: Collection[str],
    files: dict[str, Found],
    skipped: dict[str, str],
) -> bool:
    """Note one entry of a folder; tell whether it is a folder to go into."""
    try:
        is_dir = item.is_dir(follow_symlinks=False)
        if _ignored(item.name, is_dir, ignore):
            return False
        if is_dir:
            return True
        path, found = item.path, item.stat(follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            os.stat(path)  # refuses long chains of links, which `realpath` takes very long for
            path = os.path.realpath(path)
            if not any(root.holds(path) for root in roots):
                skipped[name] = "it is a link that leads out of the captured folders"
                return False
            # What a link to a folder leads to is captured under its own name.
            found = os.stat(path)
    except OSError as error:
        if error.errno not in GONE:
            skipped[name] = f"it cannot be looked at: {error.strerror}"
        elif item.is_symlink():
            skipped[name] = "it is a link that leads nowhere"
        return False
    if stat.S_ISREG(found.st_mode):
        if name in files:
            skipped[name] = "another captured folder has a file of this name, which is kept instead"
            return False
        root = next(root for root in roots if root.holds(path))
        files[name] = Found(name, root.path, os.path.relpath(path, root.path), Stamp.of(found))
    return False


def _ignored(name: str, is_dir: bool, ignore: Collection[str]) -> bool:
    return any(
        fnmatchcase(name, pattern.rstrip("/"))
        for pattern in ignore
        if is_dir or not pattern.endswith("/")
    )


def is_safe(name: str) -> bool:
    """Tell whether a name has safe characters only: letters, digits, ``-``, ``_`` and ``.``."""
    return _SAFE.fullmatch(name) is not None


def key_of(name: str) -> str:
    """Return the key of a name: unsafe characters, also ``%``, as the UTF-8 bytes' ``%XX``."""
    return quote(os.fsencode(name), safe="/").replace("~", "%7E")


def open_inside(root: str, below: str) -> int:
    """Open a file of a root; no part of its path below the root may be a link.

    A pipe that took the file's place does not make the caller wait.
    """
    if os.open not in os.supports_dir_fd:
        return os.open(os.path.join(root, below), _FILE | _NO_LINK | getattr(os, "O_BINARY", 0))
    *folders, last = below.split(os.sep)
    folder = os.open(root, _FOLDER | _NO_LINK)
    try:
        for name in folders:
            inner = os.open(name, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(last, _FILE | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)
