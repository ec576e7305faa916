"""The parts of a task's program that need no task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neuro_client.local.services.workspaces.program.common import Failure, load
from neuro_client.local.services.workspaces.program.weights import (
    average,
    give_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)

SHARES = (0.25, 0.75)


class Counter:
    """A number with a type of its own, as arrays and tensors have."""

    def __init__(self, value: float, dtype: str) -> None:
        self.value = value
        self.dtype = dtype

    def __mul__(self, share: float) -> Counter:
        return Counter(self.value * share, "float")

    def __add__(self, other: Counter) -> Counter:
        return Counter(self.value + other.value, "float")

    def to(self, dtype: str) -> Counter:
        return Counter(int(self.value) if dtype == "int" else self.value, dtype)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 3.0], 2.5),
        ([2, 4], 3.5),
        ([{"a": [1.0, 2.0]}, {"a": [5.0, 2.0]}], {"a": [4.0, 2.0]}),
        ([(0.0, 4.0), (4.0, 0.0)], (3.0, 1.0)),
        (
            [{"name": "x", "flag": True, "none": None}] * 2,
            {"name": "x", "flag": True, "none": None},
        ),
    ],
)
def test_weights_are_averaged_by_their_shares(values: list[Any], expected: Any) -> None:
    found = average(values, SHARES)
    assert found == expected
    assert type(found) is type(expected)


def test_an_average_keeps_the_type_of_counters() -> None:
    found = average([Counter(3, "int"), Counter(8, "int")], SHARES)
    assert (found.value, found.dtype) == (6, "int")
    same = average([Counter(1.0, "float"), Counter(2.0, "float")], SHARES)
    assert (same.value, same.dtype) == (1.75, "float")


@pytest.mark.parametrize(
    "values", [[{"a": 1}, {"b": 1}], [{"a": 1}, 7], [[1, 2], [1]], [{"a": [1]}, {"a": []}]]
)
def test_weights_that_do_not_fit_are_refused(values: list[Any]) -> None:
    with pytest.raises(Failure, match="the workers returned weights of different"):
        average(values, SHARES)


class Net:
    weights: Any = None


class Getter:
    def __init__(self) -> None:
        self.kept: Any = [1]

    def get_weights(self) -> Any:
        return self.kept

    def set_weights(self, weights: Any) -> None:
        self.kept = weights


class Torchlike:
    def __init__(self) -> None:
        self.kept = {"layer": 1}

    def state_dict(self) -> dict[str, int]:
        return self.kept

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.kept = state


@pytest.mark.parametrize(
    "model", [Net(), Getter(), Torchlike()], ids=lambda one: type(one).__name__
)
def test_a_model_takes_weights_its_own_way(model: Any) -> None:
    give_weights(model, {"layer": 2})
    assert weights_of(model) == {"layer": 2}


def test_checkpoints_are_in_a_form_that_fits(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    plain = {"layer": [1.0, 2.0]}
    write_checkpoint(folder, plain)
    assert json.loads((folder / "checkpoint.json").read_text()) == plain
    assert read_checkpoint(folder / "checkpoint.json") == plain
    other = {"layer": 1j}
    write_checkpoint(folder, other)
    assert load(folder / "checkpoint.pkl") == other
    assert read_checkpoint(folder / "checkpoint.pkl") == other
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.json",
        "checkpoint.pkl",
    ]
