"""``service-account``: logins for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kit import Program


def test_an_account_from_its_making_to_its_end(program: Program, tmp_path: Path) -> None:
    made = program.document("service-account", "create", "--name", "builder")
    token = made.pop("token")
    assert (made["name"], made["role"]) == ("builder", "user/service-accounts/builder")
    assert program.document("service-account", "get", "builder") == made
    assert program.documents("service-account", "ls") == [made]
    table = program.call("service-account", "ls").stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "ROLE", "CLUSTER", "CREATED"]
    assert token not in program.call("service-account", "get", made["id"]).stdout

    robot = Program(tmp_path, tmp_path / "robot")
    address = program.document("config", "show")["api_url"]
    robot.run("login", "--token", "-", address, stdin=token)
    assert robot.document("config", "show")["username"] == made["role"]
    robot.call("secret", "ls")
    assert program.document("service-account", "rm", "builder") == {"removed": ["builder"]}
    assert "log in again" in robot.call("secret", "ls", code=3).stderr
    program.call("service-account", "get", "builder", code=4)


def test_the_token_stands_alone_on_the_last_line(program: Program) -> None:
    ended = program.call("service-account", "create", "--default-cluster", "other")
    *record, token = ended.stdout.splitlines()
    assert "Cluster  other" in record
    assert len(token) > 100
    assert "cannot be shown again" in ended.stderr
    (found,) = program.documents("service-account", "ls")
    program.call("service-account", "rm", found["id"])


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["create", "--name", "No!"], 2, "name of a service account"),
        (["create", "--default-cluster", "nowhere"], 4, "no cluster 'nowhere'"),
        (["get", "missing"], 4, "not found"),
        (["rm", "missing"], 4, "not found"),
        (["rm"], 2, "ACCOUNT"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_have_codes_and_words(
    program: Program, args: list[str], code: int, words: str
) -> None:
    ended = program.call("service-account", *args, code=code)
    assert words.lower() in ended.stderr.lower()
    assert ended.stdout == ""


def test_a_name_is_taken_once(program: Program) -> None:
    program.call("service-account", "create", "--name", "twice")
    assert "409" in program.call("service-account", "create", "--name", "twice", code=5).stderr
    program.call("service-account", "rm", "twice")
