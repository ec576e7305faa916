"""Find the files of a data set, and say which of them goes into which shard."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

import attrs

from ..errors import TransferError
from ..threads import run_blocking
from ..transfer.files import version_of
from ..transfer.plan import check_windows_name


@attrs.frozen(slots=True)
class Source:
    """Be one file of a data set; ``version`` tells later whether it is still the same."""

    key: str
    """The path below the data set, with forward slashes."""
    size: int
    version: str
    target: str | None = None
    """What is read in place of the file itself, if it is a link."""


@attrs.frozen(slots=True)
class _Folder:
    path: str
    prefix: str
    above: tuple[str, ...] = ()
    """The real paths of this folder and of those it was reached through."""


async def find_sources(dataset: Path) -> list[Source]:
    """List the files of a data set by key; links inside it are followed, those out of it refused.

    Raises:
        TransferError: a link leads out of the data set, into a circle or nowhere; a name is not
            safe to unpack elsewhere; something is neither a file nor a directory.
    """
    root = await run_blocking(os.path.realpath, dataset)
    pending = [_Folder(root, "", (root,))]
    found: list[Source] = []
    while pending:
        sources, folders = await run_blocking(_scan, root, pending.pop())
        found += sources
        pending += folders
    found.sort(key=attrgetter("key"))
    return found


def _scan(root: str, folder: _Folder) -> tuple[list[Source], list[_Folder]]:
    sources: list[Source] = []
    folders: list[_Folder] = []
    with os.scandir(folder.path) as items:
        for item in items:
            key = folder.prefix + _safe(item.name, folder.path)
            target = _inside(root, item.path) if item.is_symlink() else None
            status = os.stat(item.path)
            if stat.S_ISREG(status.st_mode):
                sources.append(Source(key, status.st_size, version_of(status), target))
            elif stat.S_ISDIR(status.st_mode):
                real = target or item.path
                if real in folder.above:
                    raise _refusal(item.path, "the link leads to a directory that it lies in")
                folders.append(_Folder(real, f"{key}/", (*folder.above, real)))
            else:
                raise _refusal(item.path, "it is neither a file nor a directory")
    return sources, folders


def _safe(name: str, folder: str) -> str:
    """Return a name that stays below the target wherever the shard is unpacked."""
    path = os.path.join(folder, name)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _refusal(path, "its name is not valid UTF-8") from None
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in name):
        raise _refusal(path, "its name has control characters")
    try:
        return check_windows_name(name)
    except TransferError:
        reason = "its name means another place on some systems; rename it"
        raise _refusal(path, reason) from None


def _inside(root: str, path: str) -> str:
    """Return where a link leads, which must be inside the data set."""
    try:
        real = os.path.realpath(path, strict=True)
    except OSError as error:
        raise _refusal(path, f"the link is broken or a circle ({error.strerror})") from None
    if os.path.commonpath((root, real)) != root:
        raise _refusal(path, "the link leads out of the data set; copy there what it names")
    return real


def _refusal(path: str, reason: str) -> TransferError:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return TransferError(f"cannot put {shown!r} into a shard: {reason}")


def split(sources: Sequence[Source], n: int, *, stratified: bool) -> list[list[Source]]:
    """Deal *sources*, which are sorted by key, out to *n* shards.

    Stratified, the files of each sub-directory are dealt out in turn, and each shard has its share
    of each to within one file, and of them all. Otherwise the shards come out about the same size.

    Raises:
        ValueError: there are fewer files than shards, or fewer shards than one.
    """
    if n < 1:
        raise ValueError(f"a data set is split into 1 or more shards, not {n}")
    if len(sources) < n:
        raise ValueError(
            f"the data set has {len(sources)} files, too few for {n} shards: "
            "ask for fewer shards, or split the files"
        )
    dealt = _in_turn(sources, n) if stratified else _by_size(sources, n)
    return [sorted(shard, key=attrgetter("key")) for shard in dealt]


def _in_turn(sources: Sequence[Source], n: int) -> list[list[Source]]:
    strata: dict[str, list[Source]] = {}
    for source in sources:
        stratum, below, _ = source.key.partition("/")
        strata.setdefault(stratum if below else "", []).append(source)
    shards: list[list[Source]] = [[] for _ in range(n)]
    place = 0
    for _, members in sorted(strata.items()):
        for source in members:
            shards[place % n].append(source)
            place += 1
    return shards


def _by_size(sources: Sequence[Source], n: int) -> list[list[Source]]:
    """Give each file, the largest first, to the shard that has the least."""
    shards: list[list[Source]] = [[] for _ in range(n)]
    least = [(0, 0, index) for index in range(n)]  # bytes, files, which: already a heap
    for source in sorted(sources, key=lambda source: (-source.size, source.key)):
        size, files, index = least[0]
        shards[index].append(source)
        heapq.heapreplace(least, (size + source.size, files + 1, index))
    return shards
