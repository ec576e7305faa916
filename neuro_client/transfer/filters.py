"""Choose entries by the rules of ignore files (storage.md §14, public-api.md §7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from .models import AsyncFilterFunc


async def _always(path: str) -> bool:
    return True


@attrs.frozen
class _Rule:
    exclude: bool
    matches: re.Pattern[str]
    prefix: str
    prefix2: str

    def fits(self, path: str) -> bool:
        if not path.startswith(self.prefix):
            return False
        rest = self.prefix2 + path[len(self.prefix) :]
        return self.matches.fullmatch(rest) is not None


class FileFilter:
    """Include or exclude paths by ordered rules; the last one that fits decides.

    Paths are relative, separated by ``/``; a directory ends in ``/``. Where no rule fits, *default*
    decides. A rule applies to paths that start with its ``prefix`` and is matched against
    ``prefix2`` followed by the rest; both are empty or end in ``/``.

    >>> import asyncio
    >>> rules = FileFilter()
    >>> rules.exclude("*.log")
    >>> asyncio.run(rules.match("run/a.log"))
    False
    """

    def __init__(self, default: AsyncFilterFunc = _always) -> None:
        self._default = default
        self._rules: list[_Rule] = []

    def append(self, exclude: bool, pattern: str, prefix: str = "", prefix2: str = "") -> None:
        """Add a rule that excludes, or includes again."""
        assert not prefix or prefix.endswith("/"), "prefix must be empty or end in '/'"
        assert not prefix2 or prefix2.endswith("/"), "prefix2 must be empty or end in '/'"
        self._rules.append(_Rule(exclude, translate(pattern), prefix, prefix2))

    def exclude(self, pattern: str, prefix: str = "", prefix2: str = "") -> None:
        """Add a rule that excludes what *pattern* fits."""
        self.append(True, pattern, prefix, prefix2)

    def include(self, pattern: str, prefix: str = "", prefix2: str = "") -> None:
        """Add a rule that includes again what *pattern* fits."""
        self.append(False, pattern, prefix, prefix2)

    def read_from_buffer(self, data: bytes, prefix: str = "", prefix2: str = "") -> None:
        """Add the rules in the content of an ignore file; UTF-8, a BOM is accepted."""
        for line in data.decode("utf-8-sig").split("\n"):
            pattern = _strip(line.removesuffix("\r"))
            if not pattern or pattern.startswith("#"):
                continue
            if pattern.startswith("!"):
                self.include(pattern[1:], prefix, prefix2)
            else:
                self.exclude(pattern, prefix, prefix2)

    def read_from_file(self, path: Path, prefix: str = "", prefix2: str = "") -> None:
        """Add the rules in an ignore file."""
        self.read_from_buffer(path.read_bytes(), prefix, prefix2)

    async def match(self, path: str) -> bool:
        """Tell whether *path* is included."""
        for rule in reversed(self._rules):
            if rule.fits(path):
                return not rule.exclude
        return await self._default(path)


def read_ancestors(
    directory: Path, names: Sequence[str], default: AsyncFilterFunc | None
) -> FileFilter:
    """Read the ignore files called *names* in all directories above *directory*, root first.

    *directory* is absolute; its own ignore files are found by the walk.
    """
    rules = FileFilter() if default is None else FileFilter(default)
    for depth in range(1, len(directory.parts)):
        parent = Path(*directory.parts[:depth])
        below = "/".join(directory.parts[depth:]) + "/"
        for name in names:
            path = parent / name
            if path.is_file():
                rules.read_from_file(path, prefix2=below)
    return rules


def _strip(line: str) -> str:
    """Remove trailing spaces, but not one that is quoted by a backslash."""
    stripped = line.rstrip(" ")
    if stripped == line:
        return line
    quotes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if quotes % 2 else stripped


def translate(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into a regular expression over whole paths."""
    only_dirs = pattern.endswith("/") and not _quoted(pattern, len(pattern) - 1)
    body = pattern[:-1] if only_dirs else pattern
    if "/" in body:
        start, body = "", body.lstrip("/")
    else:
        start = "(?:.*/)?"
    try:
        return re.compile(
            start + translate_path(body) + ("/" if only_dirs else "/?"), flags=re.DOTALL
        )
    except re.error:  # a class with its ends the wrong way round fits nothing
        return re.compile(r"(?!)")


def translate_path(pattern: str) -> str:
    """Return the regular expression of a pattern, without anchors."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            position = _star(pattern, position, out)
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            position = _class(pattern, position, out)
        elif char == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _star(pattern: str, position: int, out: list[str]) -> int:
    """Translate what follows the first star at ``position - 1``; return where to go on."""
    at_start = position == 1 or pattern[position - 2] == "/"
    end = position
    while end < len(pattern) and pattern[end] == "*":
        end += 1
    if end - position == 1 and at_start:
        if pattern[end : end + 1] == "/":
            out.append("(?:.*/)?")
            return end + 1
        if end == len(pattern) and position > 1:
            out.append(".+")
            return end
    out.append("[^/]*")
    return end


def _class(pattern: str, position: int, out: list[str]) -> int:
    """Translate the class whose bracket is at ``position - 1``; return where to go on."""
    negated = pattern[position : position + 1] == "!"
    first = position + negated
    members: list[str] = []
    index = first
    while index < len(pattern):
        char = pattern[index]
        if char == "]" and index > first:
            text = "".join(members)
            out.append(f"[^/{text}]" if negated else f"(?!/)[{text}]")
            return index + 1
        if char == "\\" and index + 1 < len(pattern):
            index += 1
            char = re.escape(pattern[index])
        elif char != "-":
            char = re.escape(char)
        members.append(char)
        index += 1
    out.append(r"\[")
    return position


def _quoted(pattern: str, index: int) -> bool:
    """Tell whether the character at *index* has an odd number of backslashes before it."""
    before = pattern[:index]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
