"""The files of a workspace that the user did not write: two programs, three configurations (§8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

import attrs

EXECUTOR = "scripts/custom_client_executor.py"
PERSISTOR = "scripts/custom_persistor.py"
CLIENT_CONFIG = "configs/config_fed_client.json"
SERVER_CONFIG = "configs/config_fed_server.json"
META = "configs/meta.json"
REQUIREMENTS = "requirements/requirements.txt"

_AGGREGATOR = (
    "nvflare.app_common.aggregators.intime_accumulate_model_aggregator"
    ".InTimeAccumulateWeightedAggregator"
)
_GENERATOR = (
    "nvflare.app_common.shareablegenerators.full_model_shareable_generator"
    ".FullModelShareableGenerator"
)
_WORKFLOW = "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather"
_TOLD = frozenset({"EPOCHS", "BATCH_SIZE", "LR", "DATA_ROOT"})
"""What ``fl_train`` is told beside the extras, in its ``env``."""
_POSITIVE = ("num_rounds", "local_epochs", "batch_size", "min_clients")
_NAMES = ("model_class", "adapter_module", "train_fn", "validate_fn")


def _copy(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a copy that only JSON could have made, so that nobody changes it afterwards."""
    try:
        copied = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the configuration files are JSON, which cannot hold this: {error}"
        ) from None
    return MappingProxyType(copied)


@attrs.frozen
class Configs:
    """Say what the configuration files of a workspace hold.

    ``extras`` are handed to the training function in its ``env``, beside EPOCHS, BATCH_SIZE, LR and
    DATA_ROOT. Raises ``ValueError`` on a number below one, or on an extra whose name is taken.
    """

    name: str
    model_class: str = "Model"
    """The class in ``model_def.py`` that is trained."""
    model_args: Mapping[str, Any] = attrs.field(factory=dict, converter=_copy)
    """Keyword arguments of that class."""
    num_rounds: int = 5
    local_epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 0.001
    min_clients: int = 1
    extras: Mapping[str, Any] = attrs.field(factory=dict, converter=_copy, kw_only=True)
    train_fn: str = attrs.field(default="fl_train", kw_only=True)
    validate_fn: str = attrs.field(default="fl_validate", kw_only=True)
    adapter_module: str = attrs.field(default="model_def", kw_only=True)
    """The module that has the class and the functions."""
    data_root: str = attrs.field(default="/app/payload", kw_only=True)
    """Where a worker finds its shard."""

    def __attrs_post_init__(self) -> None:
        """Refuse what no worker could use."""
        if not self.name.strip():
            raise ValueError("a workspace needs a name")
        for field in _POSITIVE:
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field} must be a whole number from 1 up, not {value!r}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive, not {self.learning_rate!r}")
        for field in _NAMES:
            value = getattr(self, field)
            if not all(part.isidentifier() for part in value.split(".")):
                raise ValueError(f"{field} must be a name of Python's, not {value!r}")
        taken = sorted(self.extras.keys() & (_executor_args(self).keys() | _TOLD))
        if taken:
            raise ValueError(f"an extra cannot be called {', '.join(taken)}; use the field for it")


def render(configs: Configs) -> Mapping[str, bytes]:
    """Return the default files, keyed by their place below the workspace's root.

    All of a workspace but ``scripts/model_def.py`` and the shards are there; the same
    configuration gives the same bytes.
    """
    return {
        EXECUTOR: _program("custom_client_executor.py"),
        PERSISTOR: _program("custom_persistor.py"),
        CLIENT_CONFIG: _json(client_config(configs)),
        SERVER_CONFIG: _json(server_config(configs)),
        META: _json(meta(configs)),
        REQUIREMENTS: b"torch\nnvflare\n",
    }


def client_config(configs: Configs) -> dict[str, Any]:
    """Return what a worker runs; the extras are flat beside the executor's own arguments."""
    executor = {
        "path": "custom_client_executor.GenericClientExecutor",
        "args": {**_executor_args(configs), **configs.extras},
    }
    return {
        "format_version": 2,
        "submit_task_result_timeout": 300.0,
        "executors": [{"tasks": ["train", "validate", "submit_model"], "executor": executor}],
        "task_result_filters": [],
        "task_data_filters": [],
        "components": [],
    }


def _executor_args(configs: Configs) -> dict[str, Any]:
    return {
        "data_root": configs.data_root,
        "adapter_module": configs.adapter_module,
        "model_class": configs.model_class,
        "model_args": dict(configs.model_args),
        "train_fn": configs.train_fn,
        "validate_fn": configs.validate_fn,
        "local_epochs": configs.local_epochs,
        "batch_size": configs.batch_size,
        "learning_rate": configs.learning_rate,
    }


def server_config(configs: Configs) -> dict[str, Any]:
    """Return what collects the workers' weights and hands out their mean, round by round."""
    model = {
        "path": f"{configs.adapter_module}.{configs.model_class}",
        "args": dict(configs.model_args),
    }
    components = [
        {
            "id": "persistor",
            "path": "custom_persistor.CustomPersistor",
            "args": {"model": model},
        },
        {"id": "aggregator", "path": _AGGREGATOR, "args": {"expected_data_kind": "WEIGHTS"}},
        {"id": "shareable_generator", "path": _GENERATOR, "args": {}},
    ]
    workflow = {
        "min_clients": configs.min_clients,
        "num_rounds": configs.num_rounds,
        "start_round": 0,
        "wait_time_after_min_received": 10,
        "aggregator_id": "aggregator",
        "persistor_id": "persistor",
        "shareable_generator_id": "shareable_generator",
        "train_task_name": "train",
        "train_timeout": 0,
    }
    return {
        "format_version": 2,
        "server": {"heart_beat_timeout": 600},
        "task_data_filters": [],
        "task_result_filters": [],
        "components": components,
        "workflows": [{"id": "scatter_and_gather", "path": _WORKFLOW, "args": workflow}],
    }


def meta(configs: Configs) -> dict[str, Any]:
    """Return what NVFlare wants to know before it deploys the workspace."""
    return {
        "name": configs.name,
        "resource_spec": {},
        "deploy_map": {"app": ["@ALL"]},
        "min_clients": configs.min_clients,
    }


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _program(name: str) -> bytes:
    return resources.files(f"{__package__}.defaults").joinpath(name).read_bytes()
