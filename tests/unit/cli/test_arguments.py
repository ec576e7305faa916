"""How arguments are read: the command of a job, rules in their order, names of copies."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from yarl import URL

from neuro_client.cli.copy import cp
from neuro_client.cli.main import cli
from neuro_client.cli.places import Place
from neuro_client.cli.progress import Tally
from neuro_client.cli.run import _command, run
from neuro_client.cli.settings import Settings
from neuro_client.transfer import (
    StorageProgressComplete,
    StorageProgressFail,
    StorageProgressStart,
    StorageProgressStep,
)
from neuro_client.uris import file_uri


@pytest.mark.parametrize(
    ("args", "image", "words"),
    [
        (["img", "--", "ls", "-l"], "img", ("ls", "-l")),
        (["img", "ls", "--json"], "img", ("ls", "--json")),
        (["--detach", "--", "img", "ls"], "img", ("ls",)),
        (["img"], "img", ()),
        (["img", "--", "sh", "--", "x"], "img", ("sh", "--", "x")),
    ],
)
def test_everything_after_the_image_is_the_command(
    args: list[str], image: str, words: tuple[str, ...]
) -> None:
    context = run.make_context("run", list(args))
    assert (context.params["image"], context.params["command"]) == (image, words)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), None),
        (("python train.py --fast",), "python train.py --fast"),
        (("python", "-c", "print('a b')"), """python -c 'print('"'"'a b'"'"')'"""),
    ],
)
def test_one_word_is_a_line_and_several_are_quoted(
    words: tuple[str, ...], line: str | None
) -> None:
    assert _command(words) == line


def test_rules_keep_the_order_in_which_they_were_typed() -> None:
    args = [
        "--include",
        "a",
        "--exclude=b",
        "-r",
        "x",
        "--include=c",
        "storage:y",
        "--exclude",
        "d",
    ]
    context = cp.make_context("cp", args)
    (rules,) = context.meta.values()
    assert rules == [(False, "a"), (True, "b"), (False, "c"), (True, "d")]
    assert context.params["sources"] == ("x",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("data/a.txt", "a.txt"),
        ("data/", "data"),
        ("data/.", ""),
        (".", ""),
        ("..", ""),
        ("/", ""),
        ("a%20b#c", "a%20b#c"),
    ],
)
def test_the_name_of_a_local_copy(text: str, name: str) -> None:
    assert Place(text, file_uri(Path(text))).name == name


@pytest.mark.parametrize(
    ("text", "uri", "name"),
    [
        ("storage:a/b", "storage://c/user/a/b", "b"),
        ("storage:a/b/", "storage://c/user/a/b/", "b"),
        ("storage:", "storage://c/user", ""),
        ("storage:a/.", "storage://c/user/a/", ""),
        ("storage:a%20b", "storage://c/user/a%20b", "a b"),
        ("storage://c", "storage://c", ""),
    ],
)
def test_the_name_of_a_remote_copy(text: str, uri: str, name: str) -> None:
    assert Place(text, URL(uri)).name == name


def test_the_tally_counts_bytes_once_and_keeps_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    src, dst = URL("file:///a"), URL("storage://c/u/a")
    tally = Tally()
    tally.start(StorageProgressStart(src, dst, 10))
    for position in (4, 10):
        tally.step(StorageProgressStep(src, dst, position, 10))
    tally.complete(StorageProgressComplete(src, dst, 10))
    tally.fail(StorageProgressFail(src, dst, "a pipe"))
    document = tally.document()
    assert (document["files"], document["bytes"]) == (1, 10)
    assert document["failed"] == [{"src": str(src), "dst": str(dst), "message": "a pipe"}]
    assert capsys.readouterr().err == "Passed over: file:///a: a pipe\n"


@pytest.mark.parametrize(
    "args",
    [
        ["--json", "--config", "d", "job", "ls"],
        ["job", "--json", "ls", "--config", "d"],
        ["--config", "other", "job", "ls", "--config", "d", "--json"],
    ],
    ids=" ".join,
)
def test_common_options_may_stand_anywhere_and_the_last_counts(args: list[str]) -> None:
    seen: list[Settings] = []
    context = cli.make_context("neuro-client", list(args))
    with context:
        group = cli.get_command(context, "job")
        assert isinstance(group, click.Group)
        inner = group.make_context("job", [*context._protected_args, *context.args][1:], context)
        with inner:
            leaf = group.get_command(inner, "ls")
            assert leaf is not None
            rest = [*inner._protected_args, *inner.args][1:]
            seen.append(leaf.make_context("ls", rest, inner).ensure_object(Settings))
    assert (seen[0].json, seen[0].config) == (True, Path("d"))
    assert seen[0].command_line("job", "logs", "x y") == ("neuro-client --config d job logs 'x y'")
