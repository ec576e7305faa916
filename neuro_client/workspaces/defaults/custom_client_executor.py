"""Train and validate the model of `model_def.py` on one worker of an NVFlare job.

The module has the model's class, whose weights are `state_dict()` and `load_state_dict()` or the
attribute `weights`, and `fl_train(model, env, output_dir, logger)`, which returns a mapping with at
least `weights` and `samples`; `fl_validate` of the same arguments is optional and returns numbers.
The `logger` may be left out of either. Replace this file to do it in another way.
"""

from __future__ import annotations

import importlib
import inspect
import os
from typing import Any

try:
    import numpy
    from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
    from nvflare.apis.executor import Executor
    from nvflare.apis.fl_constant import ReturnCode
    from nvflare.apis.shareable import Shareable, make_reply
except ImportError as error:
    _missing: ImportError | None = error
    Executor = object
else:
    _missing = None


def to_arrays(weights: Any) -> dict[str, Any]:
    """Return weights as NumPy arrays, from tensors on any device or from arrays."""
    arrays = {}
    for name, value in weights.items():
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        arrays[name] = numpy.asarray(value)
    return arrays


def state_of(model: Any) -> dict[str, Any]:
    """Return the weights of a model: its `state_dict()`, or else its attribute `weights`."""
    return dict(model.state_dict() if hasattr(model, "state_dict") else model.weights)


def load_weights(model: Any, weights: dict[str, Any]) -> None:
    """Give *model* those of *weights* that it has, each of its own shape and type."""
    state = state_of(model)
    for name, value in weights.items():
        own = state.get(name)
        if own is None:
            continue
        if hasattr(own, "detach"):
            import torch

            state[name] = torch.as_tensor(value, dtype=own.dtype).reshape(own.shape)
        elif hasattr(own, "dtype"):
            state[name] = numpy.asarray(value, dtype=own.dtype).reshape(own.shape)
        else:
            state[name] = numpy.asarray(value).tolist()
    if hasattr(model, "load_state_dict"):
        model.load_state_dict(state)
    else:
        model.weights = state


def call(function: Any, model: Any, env: dict[str, Any], output_dir: str, logger: Any) -> Any:
    """Call a function of the user, with the logger if it takes one."""
    parameters = inspect.signature(function).parameters
    if "logger" in parameters:
        return function(model, env, output_dir, logger=logger)
    several = any(item.kind is item.VAR_POSITIONAL for item in parameters.values())
    places = [
        item
        for item in parameters.values()
        if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
    ]
    if several or len(places) > 3:
        return function(model, env, output_dir, logger)
    return function(model, env, output_dir)


class GenericClientExecutor(Executor):
    """Run `fl_train` and `fl_validate`; what else is given goes into their `env`."""

    def __init__(
        self,
        data_root: str = "/app/payload",
        adapter_module: str = "model_def",
        model_class: str = "Model",
        model_args: dict[str, Any] | None = None,
        train_fn: str = "fl_train",
        validate_fn: str = "fl_validate",
        local_epochs: int = 1,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        **extras: Any,
    ) -> None:
        if _missing is not None:
            raise ImportError(
                f"GenericClientExecutor runs in NVFlare, which cannot be imported ({_missing}); "
                "name nvflare in requirements.txt"
            ) from _missing
        super().__init__()
        self._adapter_module = adapter_module
        self._model_class = model_class
        self._model_args = dict(model_args or {})
        self._train_fn = train_fn
        self._validate_fn = validate_fn
        self._env = {
            **extras,
            "EPOCHS": local_epochs,
            "BATCH_SIZE": batch_size,
            "LR": learning_rate,
            "DATA_ROOT": data_root,
        }
        self._model: Any = None
        self._trained: dict[str, Any] | None = None

    def execute(self, task_name: str, shareable: Any, fl_ctx: Any, abort_signal: Any) -> Any:
        """Do one task of the server; a failure is its answer, and in the log."""
        tasks = {"train": self._train, "validate": self._validate, "submit_model": self._submit}
        task = tasks.get(task_name)
        if task is None:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        if abort_signal.triggered:
            return make_reply(ReturnCode.TASK_ABORTED)
        try:
            reply = task(shareable, fl_ctx)
        except Exception as error:
            self.log_exception(fl_ctx, f"{task_name} failed: {type(error).__name__}: {error}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return make_reply(ReturnCode.TASK_ABORTED) if abort_signal.triggered else reply

    def _prepare(self, shareable: Any) -> None:
        """Make the model once, and give it the weights of the server."""
        if self._model is None:
            model_class = getattr(self._adapter(), self._model_class)
            self._model = model_class(**self._model_args)
        weights = from_shareable(shareable).data
        if weights:
            load_weights(self._model, weights)

    def _adapter(self) -> Any:
        return importlib.import_module(self._adapter_module)

    def _output_dir(self, fl_ctx: Any) -> str:
        run = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
        folder = os.path.join(run, "files_out")
        os.makedirs(folder, exist_ok=True)
        return folder

    def _train(self, shareable: Any, fl_ctx: Any) -> Shareable:
        self._prepare(shareable)
        function = getattr(self._adapter(), self._train_fn)
        result = call(function, self._model, dict(self._env), self._output_dir(fl_ctx), self.logger)
        try:
            weights, samples = to_arrays(result["weights"]), int(result["samples"])
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"{self._train_fn} must return a mapping with weights and samples ({error!r})"
            ) from error
        self._trained = weights
        numbers = {key: value for key, value in result.items() if isinstance(value, int | float)}
        self.log_info(fl_ctx, f"trained: {numbers}")
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: samples}
        return DXO(DataKind.WEIGHTS, data=weights, meta=meta).to_shareable()

    def _validate(self, shareable: Any, fl_ctx: Any) -> Shareable:
        function = getattr(self._adapter(), self._validate_fn, None)
        if function is None:
            return make_reply(ReturnCode.TASK_UNSUPPORTED)
        self._prepare(shareable)
        result = call(function, self._model, dict(self._env), self._output_dir(fl_ctx), self.logger)
        if not isinstance(result, dict):
            result = {"val_accuracy": float(result)}
        return DXO(DataKind.METRICS, data=result).to_shareable()

    def _submit(self, shareable: Any, fl_ctx: Any) -> Shareable:
        if self._trained is None:
            return make_reply(ReturnCode.EXECUTION_RESULT_ERROR)
        return DXO(DataKind.WEIGHTS, data=self._trained).to_shareable()
