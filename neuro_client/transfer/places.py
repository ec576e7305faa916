"""Local paths as URLs and as ends of a transfer."""

from __future__ import annotations

import os
from pathlib import Path

from yarl import URL

from ..threads import run_blocking
from ..uris import child, file_path
from .engine import Side
from .local import LocalStore
from .sweep import local_place


async def absolute(where: URL | Path) -> Path:
    """Return the absolute path, links not resolved; ``ValueError`` if the URL names none."""
    path = where if isinstance(where, Path) else file_path(where)
    return await run_blocking(lambda: Path(os.path.abspath(path)))


def path_url(path: Path) -> URL:
    """Return the ``file:`` URL of an absolute path."""
    return URL(path.as_uri())


def under(base: URL, path: str) -> URL:
    """Return the URL of a relative path, which may be empty."""
    for name in path.split("/") if path else ():
        base = child(base, name)
    return base


def local_side(root: Path, *, files: Path | None = None, dirs: Path | None = None) -> Side:
    """Make a path an end of a transfer; progress events call it *files* and *dirs*."""
    file_url, dir_url = path_url(files or root), path_url(dirs or root)
    return Side(
        LocalStore(root),
        "",
        lambda p: under(file_url, p),
        lambda p: under(dir_url, p),
        place=local_place(root),
    )
