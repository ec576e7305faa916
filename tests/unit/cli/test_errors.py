"""Every exception of the tree has its exit code and a message in words."""

from __future__ import annotations

import errno

import pytest

from neuro_client import errors as tree
from neuro_client.cli import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (tree.NeuroError("x"), 1),
        (tree.ConfigError("x"), 1),
        (errors.NotLoggedIn("x"), 3),
        (tree.AuthenticationError("x", status=401), 3),
        (tree.AuthError("x"), 3),
        (tree.AuthorizationError("x", status=403), 5),
        (tree.QuotaExceededError("x"), 5),
        (tree.ClientError("x", status=405), 5),
        (tree.ResourceNotFound("x", status=404), 4),
        (tree.ServerNotAvailable("x", status=503), 1),
        (tree.IllegalArgumentError("x", status=400), 5),
        (tree.ConflictError("x", status=409), 5),
        (tree.PreconditionFailedError("x", status=412), 5),
        (tree.RateLimitError("x", status=429), 1),
        (tree.ServerError("x", status=500), 1),
        (tree.TransportError("x"), 1),
        (tree.TransportTimeoutError("x"), 1),
        (tree.ProtocolError("x"), 1),
        (tree.TransferError("x"), 1),
        (tree.JobFailed("x", exit_code=7), 1),
        (tree.NotSupportedError("x"), 1),
        (tree.NDJSONError("x"), 1),
        (tree.StdStreamError(3), 1),
        (TimeoutError("x"), 124),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (FileNotFoundError(errno.ENOENT, "x"), 4),
        (PermissionError(errno.EACCES, "x"), 5),
        (IsADirectoryError(errno.EISDIR, "x"), 1),
        (OSError(errno.ENOSPC, "x"), 1),
        (RuntimeError("x"), 1),
        (ValueError("x"), 1),
        (KeyError("x"), 1),
        (errors.CommandFailed("x", 42), 42),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_exit_code(error: BaseException, code: int) -> None:
    assert errors.exit_code(error) == code


def test_every_class_of_the_tree_is_in_the_table() -> None:
    """A class that somebody adds must be thought about here too."""
    table = test_exit_code.pytestmark[0].args[1]  # type: ignore[attr-defined]
    seen = {type(error) for error, _ in table}
    known = {
        item
        for item in vars(tree).values()
        if isinstance(item, type) and issubclass(item, tree.NeuroError)
    }
    by_base = {
        tree.ResponseError,  # never raised itself
        tree.ChecksumMismatchError,
        tree.SourceChangedError,
        tree.TrainingFailed,
        tree.TaskFailed,
        tree.ExperimentFailed,
    }
    assert known - by_base <= seen


def test_an_os_error_names_its_files_without_its_number() -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", "a", None, "b")
    assert errors.message(error) == "a -> b: No such file or directory"
    assert errors.message(OSError(errno.ENOSPC, "No space left on device")) == (
        "No space left on device"
    )
    assert errors.message(FileNotFoundError("words only")) == "words only"


def test_a_transfer_error_lists_its_failures_but_not_all_of_thousands() -> None:
    failures: list[tuple[str, Exception]] = [
        (f"f{n}", PermissionError(errno.EACCES, "Permission denied", f"/x/f{n}")) for n in range(12)
    ]
    text = errors.message(tree.TransferError("12 of 20 files failed", failures=failures))
    lines = text.splitlines()
    assert lines[0] == "12 of 20 files failed"
    assert lines[1] == "  f0: /x/f0: Permission denied"
    assert len(lines) == 12
    assert lines[-1] == "  and 2 more"


def test_a_defect_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    errors.report(KeyError("k"), debug=False)
    printed = capsys.readouterr().err
    assert printed.startswith("Error: KeyError: 'k'\nThis is a defect")
    assert "Traceback" not in printed


def test_debug_shows_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise tree.ConfigError("a reason")
    except tree.ConfigError as error:
        errors.report(error, debug=True)
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.endswith("Error: a reason\n")
