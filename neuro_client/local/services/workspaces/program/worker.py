"""A worker: it calls the user's functions on one shard."""

from __future__ import annotations

import importlib
import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from .common import APP, EXCHANGE, OUT, Failure, load, read_config, save, wait_for
from .weights import give_weights, weights_of

# What of the executor's arguments is not the user's own.
_KNOWN = frozenset(
    {
        "data_root",
        "adapter_module",
        "model_class",
        "model_args",
        "train_fn",
        "validate_fn",
        "local_epochs",
        "batch_size",
        "learning_rate",
    }
)


class Worker:
    """Call the user's functions on one shard."""

    def __init__(self, name: str, log: logging.Logger) -> None:
        self.name = name
        self.log = log
        executors = read_config("config_fed_client.json").get("executors") or [{}]
        arguments = (executors[0].get("executor") or {}).get("args") or {}
        module_name = arguments.get("adapter_module") or "model_def"
        module = importlib.import_module(module_name)
        self.train = self._named(module, arguments.get("train_fn") or "fl_train")
        self.validate = getattr(module, arguments.get("validate_fn") or "fl_validate", None)
        made_by = arguments.get("model_class")
        if not made_by:
            raise Failure("configs/config_fed_client.json names no model_class")
        self.model = self._named(module, made_by)(**(arguments.get("model_args") or {}))
        self.env = {
            **{key: value for key, value in arguments.items() if key not in _KNOWN},
            "EPOCHS": arguments.get("local_epochs", 1),
            "BATCH_SIZE": arguments.get("batch_size", 32),
            "LR": arguments.get("learning_rate", 0.001),
            "DATA_ROOT": str(APP / "payload"),
        }
        self.folder = OUT / "files_out" / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """Take part in every round until the server says that it was the last."""
        save(EXCHANGE / self.name, weights_of(self.model))
        while True:
            found = wait_for(EXCHANGE / "done", EXCHANGE / "next")
            if found.name == "done":
                return
            number = int(load(found))
            answer = EXCHANGE / str(number) / self.name
            if answer.exists():
                wait_for(EXCHANGE / "done", EXCHANGE / str(number + 1) / "global")
                continue
            weights = load(EXCHANGE / str(number) / "global")
            if weights is not None:
                give_weights(self.model, weights)
            save(answer, self._round(number))

    def _round(self, number: int) -> dict[str, Any]:
        self.log.info("round %d begins", number)
        result = self._call(self.train)
        if not isinstance(result, Mapping) or not {"weights", "samples"} <= result.keys():
            raise Failure("fl_train must return a mapping with weights and samples")
        told = {key: value for key, value in result.items() if key != "weights"}
        if self.validate is not None:
            try:
                told["validation"] = self._call(self.validate)
            except Exception:
                self.log.warning("fl_validate failed:\n%s", traceback.format_exc())
        self.log.info("round %d ends: %s", number, plain(told))
        return {"weights": result["weights"], "samples": result["samples"], "told": plain(told)}

    def _call(self, function: Callable[..., Any]) -> Any:
        """Call a function with a model, its settings, a folder and, if it takes one, a logger."""
        given = (self.model, dict(self.env), str(self.folder))
        signature = inspect.signature(function)
        if "logger" in signature.parameters:
            return function(*given, logger=self.log)
        try:
            signature.bind(*given, self.log)
        except TypeError:
            return function(*given)
        return function(*given, self.log)

    @staticmethod
    def _named(module: Any, name: str) -> Any:
        found = getattr(module, name, None)
        if found is None:
            raise Failure(f"scripts/{module.__name__}.py has no {name}")
        return found


def plain(value: Any) -> Any:
    """Return a value as JSON can tell it; numbers of other libraries become Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return str(value)
