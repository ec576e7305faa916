"""What is printed: sizes, tables, and nothing that could steer a terminal."""

from __future__ import annotations

import re
import sys

import pytest

from neuro_client.cli.output import human_size, print_pairs, print_table, printable


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.0K"),
        (1536, "1.5K"),
        (10 * 1024, "10K"),
        (2**30, "1.0G"),
        (2**60, "1024P"),
    ],
)
def test_size(size: int, text: str) -> None:
    assert human_size(size) == text


def test_a_table_in_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "x" * 500
    print_table(("NAME", "SIZE"), [(wide, 1), ("[red]y", None)], right=("SIZE",))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "SIZE"]
    assert lines[1].split() == [wide, "1"]
    assert lines[2] == "[red]y"  # no markup, no padding behind the last cell


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "SIZE", "B"), [("日本", 5, "x"), ("abcdef", 1000, "y")], right=("SIZE",))
    assert capsys.readouterr().out.splitlines() == [
        "A       SIZE  B",
        "日本       5  x",
        "abcdef  1000  y",
    ]


def test_a_table_on_a_terminal_fits_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("ID", "COMMAND"), [("job-1", "word " * 20)])
    print_pairs({"Command": "word " * 20})
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert lines[0].split() == ["ID", "COMMAND"]
    assert len(lines) > 5
    assert max(map(len, lines)) <= 40


def test_pairs_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_pairs({"One": 1, "None": None, "Empty": "", "Zero": 0})
    assert capsys.readouterr().out.splitlines() == ["One   1", "Zero  0"]


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[31m\nb", always=True) == "a?[31m?b"
    assert printable("naïve ☃", always=True) == "naïve ☃"
    assert printable("a\nb") == "a\nb"  # stdout is no terminal here
    print_table(("NAME",), [("a\x1b[2Jb",)])
    assert "\x1b" not in capsys.readouterr().out
