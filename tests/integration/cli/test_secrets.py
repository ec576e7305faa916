"""``secret``: keep values that jobs get and nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kit import Program

VALUE = "a-value-that-nobody-may-see"


def test_a_secret_from_its_making_to_its_end(program: Program, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(VALUE.encode())
    program.call("secret", "add", "typed", VALUE)
    program.call("secret", "add", "file", f"@{tmp_path / 'key'}")
    said = program.run("secret", "add", "stdin", "-", stdin=VALUE)
    assert said.stdout == said.stderr == ""
    listed = {item["key"]: item for item in program.documents("secret", "ls")}
    assert listed.keys() == {"typed", "file", "stdin"}
    table = program.call("secret", "ls").stdout.splitlines()
    assert [line.split() for line in table[:2]] == [
        ["KEY", "OWNER", "ORGANISATION", "URI"],
        ["file", "user", "secret:file"],
    ]
    job = program.call(
        *("run", "-e", "TYPED=secret:typed", "-e", "STDIN=secret:stdin"),
        *("-v", "secret:file:/run/key", "python:3.11", "--"),
        "sh -c 'test $TYPED = $STDIN && test $TYPED = $(cat /run/key) && echo same'",
    )
    assert job.stdout == "same\n"
    assert program.document("secret", "rm", *listed) == {"removed": list(listed)}
    assert program.documents("secret", "ls") == []


def test_other_clusters_and_organisations(program: Program) -> None:
    program.call("secret", "add", "there", VALUE, "--cluster", "other")
    assert program.documents("secret", "ls") == []
    (found,) = program.documents("secret", "ls", "--cluster", "other")
    assert found["uri"] == "secret:there" or found["uri"] == "secret://other/user/there"
    program.call("secret", "rm", "there", "--cluster", "other")
    assert program.document("secret", "add", "inside", VALUE, "--org", "team") == {
        "added": "inside"
    }
    program.call("secret", "rm", "inside", code=4)
    program.call("secret", "rm", "inside", "--org", "team")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["add", "..", VALUE], 2, "the key of a secret"),
        (["add", "key", ""], 2, "cannot be empty"),
        (["add", "key", "@/missing"], 4, "No such file"),
        (["add", "key", VALUE, "--org", "nope"], 5, "403"),
        (["add", "key", VALUE, "--cluster", "nowhere"], 4, "no cluster 'nowhere'"),
        (["rm", "missing"], 4, "not found"),
        (["rm", "a/b"], 5, "the key of a secret"),
        (["ls", "--cluster", "nowhere"], 4, "known: default, other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, args: list[str], code: int, words: str
) -> None:
    ended = program.call("secret", *args, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""
    assert VALUE not in ended.stderr
