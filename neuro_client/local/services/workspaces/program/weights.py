"""Weights of a model: in and out of it, averaged, in files of any form."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .common import Failure, load, save, save_json


def weights_of(model: Any) -> Any:
    """Take the weights out of a model; None when nobody knows how."""
    if hasattr(model, "state_dict"):
        return dict(model.state_dict())
    if hasattr(model, "get_weights"):
        return model.get_weights()
    return getattr(model, "weights", None)


def give_weights(model: Any, weights: Any) -> None:
    """Put weights into a model, the way it offers."""
    if hasattr(model, "load_state_dict"):
        model.load_state_dict(weights)
    elif hasattr(model, "set_weights"):
        model.set_weights(weights)
    elif hasattr(model, "weights"):
        model.weights = weights


def average(values: Sequence[Any], shares: Sequence[float]) -> Any:
    """Average like structures of numbers, arrays or tensors; the shares add up to 1."""
    first = values[0]
    if isinstance(first, Mapping):
        if any(not isinstance(one, Mapping) or one.keys() != first.keys() for one in values):
            raise Failure("the workers returned weights of different names")
        return {key: average([one[key] for one in values], shares) for key in first}
    if isinstance(first, list | tuple):
        if any(len(one) != len(first) for one in values):
            raise Failure("the workers returned weights of different lengths")
        found = [average([one[i] for one in values], shares) for i in range(len(first))]
        return found if isinstance(first, list) else tuple(found)
    if first is None or isinstance(first, str | bytes | bool):
        return first
    total = values[0] * shares[0]
    for value, share in zip(values[1:], shares[1:], strict=True):
        total = total + value * share
    kind = getattr(first, "dtype", None)
    if kind is not None and getattr(total, "dtype", None) != kind:  # counters stay whole
        total = total.to(kind) if hasattr(total, "to") else total.astype(kind)
    return total


def read_checkpoint(path: Path) -> Any:
    """Read weights by the suffix of their file: JSON, a pickle, else what torch reads."""
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    if path.suffix in (".pkl", ".pickle"):
        return load(path)
    found = importlib.import_module("torch").load(path, map_location="cpu", weights_only=True)
    inner = found.get("state_dict", found.get("model")) if isinstance(found, Mapping) else None
    return found if inner is None else inner


def write_checkpoint(folder: Path, weights: Any) -> None:
    """Write weights in the form that fits them: torch's, JSON or a pickle."""
    some = next(iter(weights.values()), None) if isinstance(weights, Mapping) else weights
    if type(some).__module__.partition(".")[0] == "torch":
        draft = folder / ".checkpoint.pt"
        sys.modules["torch"].save(weights, draft)
        draft.replace(folder / "checkpoint.pt")
        return
    try:
        save_json(folder / "checkpoint.json", weights)
    except TypeError:
        save(folder / "checkpoint.pkl", weights)
