"""Lines and records, whatever the borders of the chunks."""

from __future__ import annotations

import errno
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import NDJSONError, ProtocolError
from neuro_client.streaming.ndjson import LineSplitter, decode_record, os_error


@given(
    st.lists(st.text().map(lambda text: json.dumps(text).encode()), max_size=20),
    st.lists(st.integers(0, 200), max_size=20),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_any_chunking_gives_the_same_lines(lines: list[bytes], cuts: list[int], end: bytes) -> None:
    stream = b"".join(line + end for line in lines)
    borders = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = LineSplitter()
    found: list[bytes] = []
    for start, stop in itertools.pairwise(borders):
        found += splitter.feed(stream[start:stop])
    assert found == lines
    assert splitter.flush() == b""


def test_what_follows_the_last_line_end() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b'{"a":1}\n\n\r\n{"b"') == [b'{"a":1}']
    assert splitter.feed(b":2}") == []
    assert splitter.flush() == b'{"b":2}'
    assert splitter.flush() == b""


def test_a_line_without_end_is_refused() -> None:
    splitter = LineSplitter(limit=100)
    with pytest.raises(ProtocolError, match="100 bytes"):
        for _ in range(20):
            splitter.feed(b"x" * 10)


@pytest.mark.parametrize(
    ("line", "record"),
    [(b"1", 1), (b'{"n": null}', {"n": None}), (b'{"errors": 1}', {"errors": 1}), (b"[]", [])],
)
def test_a_record(line: bytes, record: object) -> None:
    assert decode_record(line) == record


def test_an_error_record() -> None:
    with pytest.raises(NDJSONError, match="no luck"):
        decode_record(b'{"error": "no luck"}')
    with pytest.raises(NDJSONError, match="no luck"):
        decode_record(b'{"error": "no luck", "errno": null}')
    with pytest.raises(FileExistsError, match="no luck"):
        decode_record(b'{"error": "no luck", "errno": "EEXIST"}')


def test_not_json_is_not_repeated() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_record(b'{"token": "hush')
    assert "hush" not in str(caught.value)


def test_errno_by_name_and_number() -> None:
    assert os_error("ENOSPC", "full").errno == errno.ENOSPC
    assert isinstance(os_error(errno.EISDIR, "a folder"), IsADirectoryError)
    assert os_error("EWEIRD", "odd").args == ("EWEIRD", "odd")
    assert os_error("ENOENT", "gone", "storage:x").filename == "storage:x"
