"""``disk``: make, list and remove persistent disks."""

from __future__ import annotations

import click
import pytest

from neuro_client.cli.disks import size

from .kit import Program


def _named(program: Program, *args: str) -> dict[str, dict[str, object]]:
    return {str(item["name"]): item for item in program.documents("disk", "ls", *args)}


def test_a_disk_from_its_making_to_its_end(program: Program) -> None:
    made = program.document("disk", "create", "10M", "--name", "cli-one", "--timeout-unused", "1d")
    assert (made["name"], made["storage"], made["timeout_unused"]) == ("cli-one", 10 << 20, 86400)
    assert made["uri"] == f"disk://default/user/{made['id']}"
    assert program.document("disk", "get", "cli-one") == made
    assert _named(program)["cli-one"] == made
    shown = program.call("disk", "get", made["id"], "--owner", "user").stdout
    assert "Size                     10M" in shown
    assert "Removed when unused for  1d" in shown
    table = program.call("disk", "ls").stdout.splitlines()
    assert table[0].split()[:6] == ["ID", "NAME", "OWNER", "STATUS", "SIZE", "USED"]
    assert any(
        line.split()[:5] == [made["id"], "cli-one", "user", "Ready", "10M"] for line in table
    )

    job = program.call(
        *("run", "-v", "disk:cli-one:/mnt/data", "python:3.11", "--"),
        "sh -c 'echo kept > /mnt/data/note && cat /mnt/data/note'",
    )
    assert job.stdout == "kept\n"
    assert program.document("disk", "get", "cli-one")["last_usage"] is not None

    # What is not there does not keep the rest from being removed.
    assert program.document("disk", "rm", "none", "cli-one", code=4) == {"removed": ["cli-one"]}
    assert "cli-one" not in _named(program)
    program.call("disk", "rm", made["id"], code=4)


def test_other_clusters_and_organisations(program: Program) -> None:
    made = program.document("disk", "create", "1M", "--org", "team", "--name", "cli-team")
    assert made["org"] == "team"
    assert "Organisation" in program.call("disk", "get", "cli-team").stdout
    program.call("disk", "create", "1M", "--cluster", "other", "--name", "cli-team")
    assert "cli-team" in _named(program, "--cluster", "other")
    program.call("disk", "rm", "cli-team", "--cluster", "other")
    program.call("disk", "rm", "cli-team")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["create", "much"], 2, "not a size"),
        (["create", "1M", "--name", "No!"], 2, "3 to 40"),
        (["create", "1M", "--org", "nope"], 5, "403"),
        (["create", "1M", "--cluster", "nowhere"], 4, "no cluster 'nowhere'"),
        (["get", "missing"], 4, "not found"),
        (["get", "missing", "--owner", "stranger"], 4, "not found"),
        (["rm", "missing"], 4, "not found"),
        (["ls", "--cluster", "nowhere"], 4, "known: default, other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, args: list[str], code: int, words: str
) -> None:
    ended = program.call("disk", *args, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""


def test_a_name_is_taken_once(program: Program) -> None:
    program.call("disk", "create", "1M", "--name", "cli-twice")
    assert "409" in program.call("disk", "create", "1M", "--name", "cli-twice", code=5).stderr
    program.call("disk", "rm", "cli-twice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("500", 500),
        ("500b", 500),
        ("1k", 1024),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("10G", 10 << 30),
        ("10gb", 10**10),
        ("1.5T", 3 << 39),
        (" 2M ", 2 << 20),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "G", "-1", "1X", "1 G B", "1e3", "1,5G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a size"):
        size(text)
