"""Lines, pieces of overlong lines, and time stamps, whatever the borders of the chunks."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.streaming.lines import (
    LineCutter,
    StampedLines,
    datetime_to_stamp,
    parse_stamp,
    stamp_to_datetime,
)

LIMIT = 100


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut ``data`` at the given places."""
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(borders)]


def pieces(data: bytes, cuts: list[int]) -> list[tuple[bytes, bool]]:
    cutter = LineCutter(LIMIT)
    found = [piece for chunk in chunked(data, cuts) for piece in cutter.feed(chunk)]
    rest = cutter.flush()
    return [(p.data, p.continued) for p in [*found, *([rest] if rest else [])]]


content = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"x" * 99, b"y" * 100, "é€𝄞".encode(), b"\xff"]),
    max_size=30,
).map(b"".join)


@given(content, st.lists(st.integers(0, 2000), max_size=8))
def test_chunk_borders_never_change_the_pieces(data: bytes, cuts: list[int]) -> None:
    assert pieces(data, cuts) == pieces(data, [])


@given(content)
def test_the_pieces_are_the_lines(data: bytes) -> None:
    lines: list[bytes] = []
    for piece, continued in pieces(data, []):
        assert len(piece) <= LIMIT + piece.endswith(b"\r")
        if continued:
            lines[-1] += piece
        else:
            lines.append(piece)
    *complete, rest = data.split(b"\n")
    expected = [line.removesuffix(b"\r") for line in complete] + ([rest] if rest else [])
    # What follows the last line end is unfinished, so its "\r" is text.
    assert lines == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(99, [99]), (100, [100]), (101, [100, 1]), (300, [100, 100, 100])]
)
def test_only_a_line_over_the_limit_is_split(size: int, expected: list[int]) -> None:
    found = pieces(b"a" * size + b"\r\nnext\n", [size, size + 1])
    assert [len(data) for data, _ in found] == [*expected, 4]
    assert [continued for _, continued in found] == [False, *[True] * (len(expected) - 1), False]


def test_a_character_is_never_cut() -> None:
    for shift in range(4):
        text = "a" * shift + "𝄞" * 40
        found = [data for data, _ in pieces(text.encode() + b"\n", [])]
        assert len(found) == 2
        assert "".join(data.decode() for data in found) == text


def test_a_tiny_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="80 or more"):
        LineCutter(79)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2022-07-01T12:00:00Z", 1656676800 * 10**9),
        ("2022-07-01T12:00:00.5Z", 1656676800_500000000),
        ("2022-07-01T12:00:00.123456789Z", 1656676800_123456789),
        ("2022-07-01T12:00:00.1234567894Z", 1656676800_123456789),
        ("2022-07-01T14:00:00.000001+02:00", 1656676800_000001000),
        ("2022-07-01t06:30:00-05:30", 1656676800 * 10**9),
    ],
)
def test_stamps_with_any_fraction_and_zone(text: str, stamp: int) -> None:
    assert parse_stamp(text) == (stamp, len(text))
    assert parse_stamp(f"{text} message") == (stamp, len(text) + 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "message",
        "2022-07-01T12:00:00 no zone",
        "2022-07-01 12:00:00Z a space inside",
        "2022-13-01T12:00:00Z no such month",
        "2022-07-01T12:00:00Zx",
        "2022-07-01T12:00:00.Z no digits",
    ],
)
def test_what_is_no_stamp(text: str) -> None:
    assert parse_stamp(text) is None


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_datetimes_survive_as_stamps(moment: datetime) -> None:
    assert stamp_to_datetime(datetime_to_stamp(moment)) == moment
    parsed = parse_stamp(moment.isoformat())
    assert parsed is not None
    assert parsed[0] == datetime_to_stamp(moment)


def test_a_stamp_is_rounded_down_to_the_microsecond() -> None:
    moment = datetime(2022, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert stamp_to_datetime(datetime_to_stamp(moment) + 999) == moment


def test_lines_without_a_stamp_share_the_one_before() -> None:
    decoder = StampedLines()
    lines = decoder.feed(b"lost\n2022-07-01T12:00:00Z one\nloose\n2022-07-01T12:00:00Z\n\n")
    stamp = 1656676800 * 10**9
    assert [(line.key, line.text) for line in lines] == [
        (None, "lost"),
        (stamp, "one"),
        (stamp, "loose"),
        (stamp, ""),
        (stamp, ""),
    ]
    assert decoder.flush() is None


def test_pieces_of_a_stamped_line_share_stamp_and_prefix() -> None:
    decoder = StampedLines(LIMIT)
    lines = decoder.feed(b"2022-07-01T12:00:00Z " + b"a" * 150 + b"\n")
    assert [(line.text, line.prefix) for line in lines] == [
        ("a" * 100, "2022-07-01T12:00:00Z "),
        ("a" * 50, "2022-07-01T12:00:00Z "),
    ]
    assert len({line.key for line in lines}) == 1


def test_the_unfinished_line_is_marked_and_bad_bytes_are_replaced() -> None:
    decoder = StampedLines()
    assert decoder.feed(b"2022-07-01T12:00:00Z \xff") == []
    rest = decoder.flush()
    assert rest is not None
    assert (rest.text, rest.complete) == ("\ufffd", False)
