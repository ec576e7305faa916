"""Names below a root, operation names and ranges, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.local.services.storage.files import Root, split_path, write_all
from neuro_client.local.services.storage.operations import RangeError, Span, read_span


def test_split_path() -> None:
    for raw, parts in [
        ("", ()),
        ("/", ()),
        ("a/b", ("a", "b")),
        ("a//b/", ("a", "b")),
        ("./a/.", ("a",)),
        ("a/../b", ("b",)),
        ("../../a", ("a",)),
        ("a/..%2f..%2fb", ("b",)),
        ("%2e%2e/a", ("a",)),
        ("a%20b%25", ("a b%",)),
        ("%C3%BC", ("ü",)),
        ("%FF", ("\udcff",)),
        ("...", ("...",)),
    ]:
        assert split_path(raw) == parts


@given(st.lists(st.sampled_from(["..", ".", "", "a", "%2e%2e", "%2f", "..%2f.."])))
def test_no_path_climbs(parts: list[str]) -> None:
    assert not {"..", ".", ""} & set(split_path("/".join(parts)))


def test_read_span() -> None:
    for header, span in [
        (None, Span(0, 10, partial=False)),
        ("bytes=0-", Span(0, 10, partial=True)),
        ("bytes=3-5", Span(3, 3, partial=True)),
        ("bytes=9-9", Span(9, 1, partial=True)),
        ("bytes=9-99", Span(9, 1, partial=True)),
        ("bytes=-1", Span(9, 1, partial=True)),
        ("bytes=-99", Span(0, 10, partial=True)),
    ]:
        assert read_span(header, 10) == span


def test_spans_outside_of_a_file() -> None:
    for header in (
        "bytes=10-",
        "bytes=-0",
        "bytes=-",
        "bytes=5-4",
        "bits=0-1",
        "bytes=0-1,2-3",
        "",
    ):
        with pytest.raises(RangeError):
            read_span(header, 10)


def test_an_empty_file_has_no_ranges() -> None:
    assert read_span(None, 0) == Span(0, 0, partial=False)
    for header in ("bytes=0-", "bytes=-1", "bytes=0-0"):
        with pytest.raises(RangeError):
            read_span(header, 0)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    for name in ("root", "drafts", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "outside" / "missing")
    return Root(tmp_path / "root", tmp_path / "drafts")


def test_a_file_appears_whole_or_not_at_all(root: Root, tmp_path: Path) -> None:
    handle, draft = root.open_draft()
    with open(handle, "wb") as file:
        assert write_all(file.fileno(), [b"abc", b"", b"def"], 0) == 6
    assert {info.name for info in root.list(())} == {"out", "dangling"}
    root.publish(draft, ("new", "deep", "file"))
    assert (tmp_path / "root" / "new" / "deep" / "file").read_bytes() == b"abcdef"
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_create_that_fails_leaves_no_draft(root: Root, tmp_path: Path) -> None:
    root.make_dirs(("folder",))
    for parts, error in (
        (("folder",), IsADirectoryError),
        ((), IsADirectoryError),
        (("n" * 256,), OSError),
        (("out", "x"), FileNotFoundError),
        (("dangling", "x"), FileNotFoundError),
        (("nul\0",), OSError),
    ):
        with pytest.raises(error):
            root.create(parts, b"x")
    assert list((tmp_path / "drafts").iterdir()) == []
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_inside_lead_where_they_lead(root: Root, tmp_path: Path) -> None:
    root.create(("folder", "file"), b"x")
    (tmp_path / "root" / "inside").symlink_to("folder")
    assert [info.name for info in root.list(("inside",))] == ["file"]
    root.create(("inside", "second"), b"y")
    assert (tmp_path / "root" / "folder" / "second").read_bytes() == b"y"


def test_the_root_stays(root: Root) -> None:
    with pytest.raises(OSError, match=r"cannot be removed"):
        list(root.remove((), recursive=True))
    with pytest.raises(OSError, match="busy"):
        root.rename((), ("x",))
