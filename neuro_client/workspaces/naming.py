"""Names and places of a workspace: slugs, keys, paths of the API, content types (§2)."""

from __future__ import annotations

import enum
import re
from pathlib import PurePosixPath

ROOT = "jobs"
SCRIPTS = "scripts"
CONFIGS = "configs"
REQUIREMENTS = "requirements"
SHARDS = "shards"
MODEL = "model"
INPUTS = (SCRIPTS, CONFIGS, REQUIREMENTS, SHARDS, MODEL)
OUTPUTS = ("files_out", "model_out")

MODEL_DEF = f"{SCRIPTS}/model_def.py"
"""The one file of a workspace that only the user can write."""

BINARY = "application/octet-stream"
_TYPES = {
    ".py": "text/x-python",
    ".json": "application/json",
    ".txt": "text/plain",
    ".zip": "application/zip",
}
_LONGEST_SLUG = 200


class SlugStyle(enum.StrEnum):
    """Choose how a name becomes a slug: DASH as the published clients do, STRIP as it is told.

    With DASH a space becomes a dash, with STRIP it is removed like any other foreign character.
    """

    DASH = "dash"
    STRIP = "strip"


def slug_of(name: str, style: SlugStyle | str = SlugStyle.DASH) -> str:
    """Return the folder name that a workspace called *name* gets (§2.1).

    Raises:
        ValueError: the name is empty, or the strip rule leaves nothing of it.
    """
    if not name.strip():
        raise ValueError("a workspace needs a name; an empty one cannot be found again")
    text = name.strip().lower()
    if SlugStyle(style) is SlugStyle.DASH:
        text = text.replace(" ", "-")
    slug = _kept(text)
    if not slug and SlugStyle(style) is SlugStyle.STRIP:
        raise ValueError(f"nothing of the name {name!r} can be in a slug; give slug=")
    return slug or "job"


def _kept(text: str) -> str:
    # Letters and digits in the sense of `str.isalnum`, which `\w` is not quite.
    return "".join(c for c in text if c.isalnum() or c in "-_")


def check_slug(slug: str) -> str:
    """Return a slug that can be one name of a key; ``ValueError`` for another one."""
    if not slug or _kept(slug) != slug or len(slug.encode()) > _LONGEST_SLUG:
        raise ValueError(
            f"{slug!r} cannot be a slug: letters, digits, '-' and '_' only, and at most "
            f"{_LONGEST_SLUG} bytes"
        )
    return slug


def check_file_name(name: str) -> str:
    """Return a file name that stays one name in a key; ``ValueError`` for another one."""
    if name in ("", ".", "..") or re.search(r"[/\\\x00-\x1f\x7f\ud800-\udfff]", name):
        raise ValueError(f"{name!r} cannot be the name of a file in a workspace; rename it")
    return name


def prefix_of(slug: str) -> str:
    """Return where the keys of a workspace begin."""
    return f"{ROOT}/{slug}/"


def is_shard(slug: str, key: str) -> bool:
    """Tell whether the platform takes a key for a shard: a zip directly in the folder."""
    folder, _, name = key.rpartition("/")
    return folder == f"{ROOT}/{slug}/{SHARDS}" and name.lower().endswith(".zip")


def folder_path(slug: str, folder: str) -> str:
    """Return how the API calls a folder: keys have no leading slash, paths do (§2.2)."""
    return f"/{ROOT}/{slug}/{folder}"


def content_type_of(key: str) -> str:
    """Return the content type that a key of a workspace has (§2)."""
    path = PurePosixPath(key)
    if MODEL in path.parts[2:3]:
        return BINARY
    return _TYPES.get(path.suffix.lower(), BINARY)
