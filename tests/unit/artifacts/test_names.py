"""Names of runs and experiments, and what may become the path of a file."""

from __future__ import annotations

import pytest

from neuro_client.artifacts.download import check_key
from neuro_client.artifacts.names import (
    check_run_name,
    is_experiment_name,
    is_ulid,
    run_name_of,
)
from neuro_client.artifacts.submission import random_name
from neuro_client.errors import TransferError


@pytest.mark.parametrize(
    ("text", "experiment", "run"),
    [
        ("mnist-exp0", True, "mnist"),
        ("a-exp1-exp12", True, "a-exp1"),
        ("myexp1", False, "myexp1"),
        ("mnist-exp", False, "mnist-exp"),
        ("mnist-exp1a", False, "mnist-exp1a"),
        ("-exp1", False, "-exp1"),
    ],
)
def test_an_experiment_is_told_by_its_ending(text: str, experiment: bool, run: str) -> None:
    assert is_experiment_name(text) is experiment
    assert run_name_of(text) == run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01hf8a4m1x5wq2b3c4d5e6f7g0", True),
        ("01HF8A4M1X5WQ2B3C4D5E6F7G0", True),
        ("81hf8a4m1x5wq2b3c4d5e6f7g0", False),
        ("01hf8a4m1x5wq2b3c4d5e6f7gu", False),
        ("01hf8a4m1x5wq2b3c4d5e6f7g", False),
    ],
)
def test_an_id_is_crockford_base32(text: str, expected: bool) -> None:
    assert is_ulid(text) is expected


@pytest.mark.parametrize("name", ["a", "mnist", "a-1", "exp", "my-experiment"])
def test_a_run_may_have_such_a_name(name: str) -> None:
    assert check_run_name(name) == name


def test_a_name_by_chance_can_be_had() -> None:
    for _ in range(50):
        check_run_name(random_name())


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a-", "-a", "A", "a_b", "a.b", "é", "a\n", "mnist-exp1", "myexp1", "7zzzzzzzz"],
)
def test_a_run_may_not_have_such_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a run"):
        check_run_name(name)


@pytest.mark.parametrize("key", ["run/exp/a", "a/..b", "a/b..", "a b/%2e%2e/&", "..."])
def test_a_path_below_the_folder_is_fine(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize(
    "key", ["../a", "a/../b", "/a", "a//b", "a/", ".", "", "c:/a", "a/C:b", "a\\b", "a\0b", ".."]
)
def test_a_path_that_leads_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(TransferError, match="leave the target directory"):
        check_key(key)
