"""Listings: order, pages, prefixes and delimiters, against what a sorted list of keys gives."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from .wire import BUCKET, Answer, Wire

LETTERS = (
    "a",
    "b",
    "/",
    "//",
    "ü",
    "\ue000",
    "\ufffd",
    "😀",
    "\U0010ffff",
    " ",
    "+",
    "%",
    "&<>",
    "~",
)


def plant(data: Path, keys: list[str]) -> None:
    """Write records of empty objects, faster than by requests."""
    with closing(sqlite3.connect(data / "state.db")) as db, db:
        db.executemany(
            "INSERT OR REPLACE INTO s3_objects VALUES (?, ?, 0, 'etag', 0, '{}', '{}', '[]')",
            [(BUCKET, key) for key in keys],
        )


def expected(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    """Return keys and common prefixes in the order of their bytes."""
    found = set()
    for key in keys:
        if key.startswith(prefix):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            found.add(key if end < 0 else key[: end + len(delimiter)])
    return sorted(found, key=str.encode)


def told(answer: Answer) -> list[str]:
    """Return keys and common prefixes of one page."""
    assert answer.status == 200, answer.body
    names = answer.texts("Contents/Key") + answer.texts("CommonPrefixes/Prefix")
    return sorted(map(unquote, names), key=str.encode)


def quoted(text: str) -> str:
    return quote(text, safe="-_.~")


async def pages(wire: Wire, version: int, size: int, prefix: str, delimiter: str) -> list[str]:
    """Return what all pages tell, and check each page."""
    query = (
        f"encoding-type=url&max-keys={size}&prefix={quoted(prefix)}&delimiter={quoted(delimiter)}"
    )
    if version == 2:
        query += "&list-type=2"
    found: list[str] = []
    more = ""
    while True:
        answer = await wire.call("GET", f"/{BUCKET}?{query}{more}")
        page = told(answer)
        found += page
        assert answer.xml.findtext("MaxKeys") == str(size)
        if version == 2:
            assert answer.xml.findtext("KeyCount") == str(len(page))
        if answer.xml.findtext("IsTruncated") == "false":
            return found
        assert len(page) == size
        if version == 2:
            token = answer.xml.findtext("NextContinuationToken", "")
            more = f"&continuation-token={quoted(token)}"
        else:
            last = answer.xml.findtext("NextMarker") or quote(page[-1])
            assert (answer.xml.find("NextMarker") is not None) == bool(delimiter)
            more = f"&marker={quoted(unquote(last))}"


async def test_pages(wire: Wire, tmp_path: Path) -> None:
    chance = random.Random(5)
    keys = ["".join(chance.choices(LETTERS, k=chance.randint(1, 4))) for _ in range(150)]
    plant(tmp_path / "data", keys)
    prefixes = ("", "a", "a/", "\U0010ffff", "\ue000", "missing")
    for number, prefix in enumerate(prefixes):
        for delimiter in ("", "/", "//", "a", "\U0010ffff"):
            wanted = expected(keys, prefix, delimiter)
            version = 1 + number % 2
            for size in (7, 1000) if len(wanted) > 20 else (1, 2):
                assert await pages(wire, version, size, prefix, delimiter) == wanted
                version = 3 - version


async def test_order_is_that_of_bytes(wire: Wire) -> None:
    keys = ["\U00010000", "\uffee", "z", "Z", "é", "e\u0301", "\ue000"]
    for key in keys:
        await wire.put(quote(key))
    assert (await wire.call("GET")).texts("Contents/Key") == sorted(keys, key=str.encode)


async def test_sizes_of_pages(wire: Wire, tmp_path: Path) -> None:
    plant(tmp_path / "data", [f"{number:05}" for number in range(1201)])
    for asked, count, most, truncated in [
        ("", 1000, 1000, "true"),
        ("&max-keys=5000", 1000, 1000, "true"),
        ("&max-keys=1", 1, 1, "true"),
        ("&max-keys=0", 0, 0, "false"),
        ("&start-after=01000", 200, 1000, "false"),
        ("&start-after=zz", 0, 1000, "false"),
        ("&start-after=00199x&prefix=002", 100, 1000, "false"),
    ]:
        answer = await wire.call("GET", f"/{BUCKET}?list-type=2{asked}")
        assert len(told(answer)) == count
        assert answer.texts("MaxKeys") == [str(most)]
        assert answer.texts("IsTruncated") == [truncated]
    for bad in ("max-keys=-1", "max-keys=x", "max-keys=%C2%B2", f"max-keys={'9' * 6000}"):
        assert (await wire.call("GET", f"/{BUCKET}?{bad}")).told == (400, "InvalidArgument")
    for bad in ("continuation-token=%C3%BC", "continuation-token=x", "encoding-type=x"):
        answer = await wire.call("GET", f"/{BUCKET}?list-type=2&{bad}")
        assert answer.told == (400, "InvalidArgument"), bad


async def test_thousands_of_common_prefixes(wire: Wire, tmp_path: Path) -> None:
    keys = [f"p/{n}/{m}" for n in range(1300) for m in range(3)] + [
        f"p/5/{n}x" for n in range(9000)
    ]
    plant(tmp_path / "data", keys)
    wanted = expected(keys, "p/", "/")
    assert await pages(wire, 2, 1000, "p/", "/") == wanted
    assert await pages(wire, 1, 400, "p/", "/") == wanted
    # Whoever goes on in the middle of a common prefix gets it again, behind it not.
    answer = await wire.call("GET", f"/{BUCKET}?list-type=2&delimiter=%2F&start-after=p%2F5%2F0")
    assert told(answer) == ["p/"]
    answer = await wire.call("GET", f"/{BUCKET}?marker=p%2F&delimiter=%2F")
    assert told(answer) == []


async def test_keys_in_documents(wire: Wire) -> None:
    for key in ("a&b<c>", "tab\tline\nreturn\r", "null\x00"):
        await wire.put(quote(key))
    answer = await wire.call("GET", f"/{BUCKET}?encoding-type=url&fetch-owner=true&list-type=2")
    assert told(answer) == ["a&b<c>", "null\x00", "tab\tline\nreturn\r"]
    assert answer.texts("Contents/Owner/ID") == ["local"] * 3
    await wire.call("DELETE", f"/{BUCKET}/null%00")
    answer = await wire.call("GET", f"/{BUCKET}?list-type=2")
    assert answer.texts("Contents/Key") == ["a&b<c>", "tab\tline\nreturn\r"]
    assert answer.texts("Contents/Owner") == []


async def test_removing_several(wire: Wire) -> None:
    for key in ("a", "b", "c%0A%26"):
        await wire.put(key)
    body = (
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object>'
        "<Object><Key>none</Key></Object><Object><Key>c&#10;&amp;</Key></Object></Delete>"
    )
    answer = await wire.call("POST", f"/{BUCKET}?delete=", body=body.encode())
    assert answer.texts("Deleted/Key") == ["a", "none", "c\n&"]
    assert (await wire.call("GET")).texts("Contents/Key") == ["b"]
    quiet = b"<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>"
    answer = await wire.call("POST", f"/{BUCKET}?delete=", body=quiet)
    assert (answer.status, list(answer.xml)) == (200, [])
    thousand = b"<Object><Key>k</Key></Object>" * 1000
    for inner, status in ((thousand, 200), (thousand + thousand[:29], 400), (b"", 400)):
        answer = await wire.call("POST", f"/{BUCKET}?delete=", body=b"<Delete>%s</Delete>" % inner)
        assert answer.status == status
