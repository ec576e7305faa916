from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import TransferError
from neuro_client.transfer import Capabilities, Entry, EntryKind, Part, Plan, Resync, Skew
from neuro_client.transfer.pace import Tuner, Width
from neuro_client.transfer.plan import (
    Remaining,
    check_name,
    check_windows_name,
    clashes,
    plan_parts,
    slack,
)

LIMITS = st.builds(
    Capabilities,
    min_part=st.integers(1, 1000),
    max_parts=st.none() | st.integers(1, 50),
)


@given(st.integers(0, 100_000), st.integers(1, 5000), LIMITS, st.integers(0, 1000))
def test_parts_tile_the_file(size: int, wanted: int, limits: Capabilities, start: int) -> None:
    start = min(start, size)
    plan = plan_parts(size, wanted, limits, start)
    parts = [plan.part(number) for number in range(1, plan.count + 1)]
    position = start
    for part in parts:
        assert part.offset == position
        assert part.size > 0
        position += part.size
    assert position == size
    assert all(part.size >= limits.min_part for part in parts[:-1])
    if limits.max_parts is not None:
        assert len(parts) <= limits.max_parts


def test_part_size_grows_with_the_object() -> None:
    limits = Capabilities(min_part=5, max_parts=10_000)
    assert plan_parts(1000, 8, limits).part_size == 8
    assert plan_parts(1_000_000, 8, limits).part_size == 100


def test_an_object_that_fits_no_part_size_is_refused() -> None:
    with pytest.raises(TransferError, match="does not fit into 10 parts"):
        plan_parts(1001, 8, Capabilities(max_part=100, max_parts=10))
    assert plan_parts(1000, 8, Capabilities(max_part=100, max_parts=10)).part_size == 100


@pytest.mark.parametrize("number", [0, 4])
def test_a_part_that_does_not_exist(number: int) -> None:
    with pytest.raises(IndexError):
        plan_parts(25, 10, Capabilities()).part(number)


def _file(size: int, mtime: float | None) -> Entry:
    return Entry("f", EntryKind.FILE, size, mtime)


# Rows of the table in public-api.md §7: situation, then update, continue_, neither.
DECISIONS = [
    (None, 0, 0, 0),  # destination missing
    (_file(10, 101.0), 0, 0, 0),  # source not clearly older
    (_file(10, 110.0), None, None, 0),  # destination newer, same size
    (_file(4, 110.0), None, 4, 0),  # destination newer, shorter
    (_file(11, 110.0), None, 0, 0),  # destination newer, longer
    (_file(10, None), 0, 0, 0),  # nothing known about its time
    (Entry("f", EntryKind.DIRECTORY, 0, 110.0), 0, 0, 0),
]


@pytest.mark.parametrize(("target", "update", "continue_", "neither"), DECISIONS)
def test_what_is_moved(
    target: Entry | None, update: int | None, continue_: int | None, neither: int | None
) -> None:
    source = _file(10, 100.0)
    assert Resync(update=True).start(source, target) == update
    assert Resync(continue_=True).start(source, target) == continue_
    assert Resync(update=True, continue_=True).start(source, target) == update
    assert Resync().start(source, target) == neither


@pytest.mark.parametrize("offset", [-3.0, 0.0, 7.5])
def test_clock_difference(offset: float) -> None:
    """The tests of storage.md §12, written as they stand there."""
    skew = Skew(min_diff=offset - 0.5, max_diff=offset + 0.5)
    for step in range(-80, 80):
        local, remote = 1000.0 + step / 4, 1000.0
        upload = Resync(True, False, lambda: slack(None, skew))
        moved = upload.start(_file(1, local), _file(1, remote)) == 0
        assert moved == (local - remote > skew.min_diff - 1.0)
        download = Resync(True, False, lambda: slack(skew, None))
        moved = download.start(_file(1, remote), _file(1, local)) == 0
        assert moved == (local - remote < skew.max_diff + 2.0)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(TransferError, match="refused"):
        check_name(name)


@pytest.mark.parametrize("name", ["C:", "c:x", "a\\b", "..\\x", ".."])
def test_names_that_lead_elsewhere_on_windows(name: str) -> None:
    with pytest.raises(TransferError, match="refused"):
        check_windows_name(name)
    assert check_windows_name("plain") == "plain"


def test_case_clashes() -> None:
    assert clashes(["a", "b", "A", "ß", "SS"]) == [("a", "A"), ("ß", "SS")]
    assert clashes(["a", "b", "c"]) == []


@given(
    size=st.integers(1, 5000),
    part_size=st.integers(1, 700),
    widths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    picks=st.sets(st.integers(0, 60)),
)
def test_remaining_parts_tile_what_has_not_arrived(
    size: int, part_size: int, widths: list[int], picks: set[int]
) -> None:
    plan = Plan(size, part_size)
    whole = [plan.part(number) for number in range(1, plan.count + 1)]
    done = [part for part in whole if part.number in picks]
    remaining = Remaining(plan, done)
    taken: list[Part] = []
    for width in itertools.cycle(widths):
        part = remaining.take(width)
        if part is None:
            break
        assert 0 < part.size <= width * part_size
        taken.append(part)
    pieces = sorted((part.offset, part.size) for part in [*done, *taken])
    position = 0
    for offset, length in pieces:
        assert offset == position
        position += length
    assert position == size
    # What was joined and remembered counts for all that it holds.
    assert Remaining(plan, [*done, *taken]).take(1) is None


def test_parts_are_joined_while_they_are_quick() -> None:
    width = Width(fixed=False)
    for seconds, parts in ((0.1, 2), (0.1, 4), (0.5, 4), (0.1, 8), (0.1, 8), (2.0, 4), (9.0, 2)):
        width.took(seconds)
        assert width.parts == parts
    fixed = Width(fixed=True)
    fixed.took(0.0)
    assert fixed.parts == 1


@pytest.mark.parametrize(("gains", "limit"), [((1, 2, 4), 32), ((1, 2, 2.05), 8), ((1, 1), 4)])
def test_more_parts_only_while_they_help(gains: tuple[float, ...], limit: int) -> None:
    now = 0.0
    tuner = Tuner(32, lambda: now)
    for gain in gains:
        for _ in range(tuner.limit):
            now += 1.0 / gain
            tuner.moved(1000)
    assert tuner.limit == limit
