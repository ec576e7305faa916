"""Durations and moments as users type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.cli.output import human_duration
from neuro_client.cli.params import duration, parse_duration, time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1D2H3M4S", 93784),
        ("1.5h", 5400),
        (" 10m ", 600),
        ("0s", 0),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "h", "-5m", "30m1h", "1h1h", "1w", "1h30", "1 h", "٣m", "1e3s", "1,5h"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)
    with pytest.raises(click.BadParameter):
        duration(text)


@given(st.integers(0, 10**8))
def test_what_is_printed_can_be_typed(seconds: int) -> None:
    assert parse_duration(human_duration(seconds)) == seconds


def test_a_moment_is_a_time_or_a_duration_ago() -> None:
    assert time("2024-05-31T12:00:00+00:00") == datetime(2024, 5, 31, 12, tzinfo=UTC)
    local = time("2024-05-31T12:00")
    assert local.tzinfo is not None
    assert (local.hour, local.minute) == (12, 0)
    ago = datetime.now(UTC) - time("1h")
    assert timedelta(minutes=59) < ago < timedelta(minutes=61)
    with pytest.raises(click.BadParameter, match="neither a time"):
        time("yesterday")
