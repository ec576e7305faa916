from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from neuro_client.transfer import FileFilter
from neuro_client.transfer.filters import read_ancestors

# Pattern, what it excludes, what it does not: public-api.md §7 and storage.md §14.
RULES: list[tuple[str, list[str], list[str]]] = [
    ("*.log", ["a.log", "d/a.log"], ["a.logs"]),
    ("/build", ["build", "build/"], ["d/build"]),
    ("//build", ["build"], ["d/build"]),
    ("sub/tmp/", ["sub/tmp/"], ["sub/tmp", "sub/tmp/x", "x/sub/tmp/"]),
    ("docs/", ["docs/", "d/docs/"], ["docs"]),
    ("a/**/z", ["a/z", "a/b/c/z"], ["z", "x/a/z"]),
    ("**/z", ["z", "a/z", "a/b/z"], ["az"]),
    ("a/**", ["a/x", "a/x/y", "a/x/"], ["a/", "b/x"]),
    ("a**b", ["ab", "axb", "d/axxb"], ["a/b"]),
    ("data[0-9]", ["data1", "d/data1/"], ["data", "data12"]),
    ("x[!a-c]", ["xd"], ["xa", "x/"]),
    ("x[^a]", ["x^", "xa"], ["xb"]),
    ("x[]a]", ["x]", "xa"], ["xb"]),
    ("x[a", ["x[a"], ["xa"]),
    ("x[z-a]", [], ["xz", "xb"]),
    ("a?c", ["abc"], ["a/c", "ac"]),
    (r"\*", ["*"], ["x"]),
    (r"\!keep", ["!keep"], ["keep"]),
    (r"a\?b", ["a?b"], ["axb"]),
    ("a[/]b", [], ["a/b"]),
    ("line\nbreak", ["line\nbreak"], ["line"]),
]


@pytest.mark.parametrize(("pattern", "excluded", "included"), RULES)
async def test_patterns(pattern: str, excluded: list[str], included: list[str]) -> None:
    rules = FileFilter()
    rules.exclude(pattern)
    assert [path for path in excluded if await rules.match(path)] == []
    assert [path for path in included if not await rules.match(path)] == []


async def test_the_last_rule_that_fits_decides() -> None:
    rules = FileFilter()
    rules.exclude("*.txt")
    rules.include("keep.txt")
    rules.append(True, "d/keep.txt")
    assert not await rules.match("a.txt")
    assert await rules.match("x/keep.txt")
    assert not await rules.match("d/keep.txt")
    assert await rules.match("other")


async def test_default_decides_where_no_rule_fits() -> None:
    async def never(path: str) -> bool:
        return False

    rules = FileFilter(never)
    rules.include("yes")
    assert await rules.match("yes")
    assert not await rules.match("no")


async def test_read_from_buffer() -> None:
    rules = FileFilter()
    rules.read_from_buffer(
        b"\xef\xbb\xbf# comment\r\n\r\n*.log\r\n!keep.log\n\\#hash\ntrail   \nquoted\\ \n   \n"
    )
    excluded = ["a.log", "#hash", "trail", "quoted "]
    assert [path for path in excluded if await rules.match(path)] == []
    included = ["keep.log", "# comment", "quoted", "dir/", ""]
    assert [path for path in included if not await rules.match(path)] == []


async def test_prefixes() -> None:
    rules = FileFilter()
    rules.exclude("/x", prefix="sub/")
    rules.exclude("/top/dir/y", prefix2="top/dir/")
    assert not await rules.match("sub/x")
    assert await rules.match("x")
    assert not await rules.match("y")
    with pytest.raises(AssertionError):
        rules.exclude("x", prefix="sub")


def test_ancestors(tmp_path: Path) -> None:
    source = tmp_path / "top" / "src"
    source.mkdir(parents=True)
    (tmp_path / ".ignore").write_text("/top/src/a\n*.tmp\n")
    (tmp_path / "top" / ".ignore").write_text("!b.tmp\n")
    (source / ".ignore").write_text("never-read-here\n")
    rules = read_ancestors(source, [".ignore"], None)

    async def check() -> None:
        assert not await rules.match("a")
        assert await rules.match("sub/a")
        assert not await rules.match("sub/x.tmp")
        assert await rules.match("b.tmp")
        assert await rules.match("never-read-here")

    asyncio.run(check())
