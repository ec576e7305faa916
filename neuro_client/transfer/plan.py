"""Pure decisions: part sizes, what to move, which names are safe."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

import attrs

from ..errors import TransferError
from .models import Entry, Part, Plan
from .store import Capabilities

_DRIVE_LENGTH = 2


def plan_parts(size: int, wanted: int, limits: Capabilities, start: int = 0) -> Plan:
    """Choose a part size near *wanted* that the store accepts, larger for large objects.

    Raise `TransferError` when no part size fits the store's limits.
    """
    part_size = max(wanted, limits.min_part)
    if limits.max_part is not None:
        part_size = min(part_size, limits.max_part)
    if limits.max_parts is not None:
        part_size = max(part_size, -(-(size - start) // limits.max_parts))
    if limits.max_part is not None and part_size > limits.max_part:
        raise TransferError(
            f"an object of {size} bytes does not fit into {limits.max_parts} parts of at most "
            f"{limits.max_part} bytes; split it into several objects"
        )
    return Plan(size, part_size, start)


class Remaining:
    """Hand out the parts of a plan that have not arrived, neighbours joined on request."""

    def __init__(self, plan: Plan, done: Iterable[Part]) -> None:
        self._plan = plan
        self._next = 1
        # A part that arrived may have been joined of several.
        self._done = {
            number
            for part in done
            for number in range(part.number, part.number + -(-part.size // plan.part_size))
        }

    def take(self, most: int) -> Part | None:
        """Return up to *most* neighbouring parts as one, None when there are no more."""
        while self._next in self._done:
            self._next += 1
        if self._next > self._plan.count:
            return None
        first = self._plan.part(self._next)
        size = 0
        while most and self._next <= self._plan.count and self._next not in self._done:
            size += self._plan.part(self._next).size
            self._next += 1
            most -= 1
        return Part(first.number, first.offset, size)


@attrs.frozen
class Skew:
    """Bound the difference local clock minus remote clock, in seconds (storage.md §12)."""

    min_diff: float = 0.0
    max_diff: float = 0.0


@attrs.frozen
class Resync:
    """Decide for one file whether, and from which byte on, it is moved (storage.md §12).

    ``slack`` tells the time in seconds by which the target must be newer than the source to be
    taken for current, clock difference included; it is asked for each file, since the difference
    is learned on the way.
    """

    update: bool = False
    continue_: bool = False
    slack: Callable[[], float] = lambda: 2.0

    @property
    def compares(self) -> bool:
        """Tell whether the target has to be looked at."""
        return self.update or self.continue_

    def by_content(self, source: Entry, target: Entry) -> bool:
        """Tell whether the contents may show that the target is current although times do not."""
        return self.compares and target.is_file and target.size == source.size

    def start(self, source: Entry, target: Entry | None) -> int | None:
        """Return the first byte to move, None to skip the file."""
        if not self.compares or target is None or not target.is_file:
            return 0
        if source.mtime is None or target.mtime is None:
            return 0
        if target.mtime - source.mtime < self.slack():
            return 0
        if self.update or target.size == source.size:
            return None
        return target.size if target.size < source.size else 0


def slack(source: Skew | None, target: Skew | None) -> float:
    """Return the slack between two clocks, None for the local one (storage.md §12).

    An upload's source may be newer if ``local - remote > min_diff - 1``, a download's if
    ``local - remote < max_diff + 2``.
    """
    margin = 1.0 if source is None and target is not None else 2.0
    late = source.max_diff if source is not None else 0.0
    early = target.min_diff if target is not None else 0.0
    return margin + late - early


def check_name(name: str) -> str:
    """Return a name found in a listing; raise `TransferError` if it could lead elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise TransferError(
            f"refused to use {name!r} as a file name: it would leave the target directory"
        )
    return name


def check_windows_name(name: str) -> str:
    """Do `check_name` for a system with drive letters and backslashes."""
    if "\\" in name or (len(name) >= _DRIVE_LENGTH and name[1] == ":"):
        raise TransferError(
            f"refused to use {name!r} as a file name: it would leave the target directory"
        )
    return check_name(name)


def clashes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that a store which ignores case takes for the same."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        first = seen.setdefault(folded, name)
        if first is not name:
            pairs.append((first, name))
    return pairs
