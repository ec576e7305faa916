"""The files of a workspace that the user did not write."""

from __future__ import annotations

import ast
import json
from typing import Any

import attrs
import pytest

from neuro_client.workspaces import templates
from neuro_client.workspaces.defaults import custom_client_executor, custom_persistor
from neuro_client.workspaces.templates import Configs, render

CONFIGS = Configs(
    "My Run",
    "Net",
    {"hidden": 8},
    num_rounds=3,
    min_clients=2,
    learning_rate=0.01,
    extras={"SEED": 7, "LAYERS": [1, 2]},
)


def _document(key: str, configs: Configs = CONFIGS) -> Any:
    return json.loads(render(configs)[key])


def test_the_files_are_those_of_the_layout_and_the_same_each_time() -> None:
    """garage-workspace.md §2; model_def.py is the user's."""
    assert sorted(render(CONFIGS)) == [
        "configs/config_fed_client.json",
        "configs/config_fed_server.json",
        "configs/meta.json",
        "requirements/requirements.txt",
        "scripts/custom_client_executor.py",
        "scripts/custom_persistor.py",
    ]
    assert render(CONFIGS) == render(attrs.evolve(CONFIGS))


def test_the_client_configuration() -> None:
    """garage-workspace.md §8: the extras are flat among the arguments."""
    assert _document(templates.CLIENT_CONFIG) == {
        "format_version": 2,
        "submit_task_result_timeout": 300.0,
        "executors": [
            {
                "tasks": ["train", "validate", "submit_model"],
                "executor": {
                    "path": "custom_client_executor.GenericClientExecutor",
                    "args": {
                        "data_root": "/app/payload",
                        "adapter_module": "model_def",
                        "model_class": "Net",
                        "model_args": {"hidden": 8},
                        "train_fn": "fl_train",
                        "validate_fn": "fl_validate",
                        "local_epochs": 1,
                        "batch_size": 32,
                        "learning_rate": 0.01,
                        "SEED": 7,
                        "LAYERS": [1, 2],
                    },
                },
            }
        ],
        "task_result_filters": [],
        "task_data_filters": [],
        "components": [],
    }


def test_the_server_configuration_and_the_description() -> None:
    """garage-workspace.md §8."""
    found = _document(templates.SERVER_CONFIG)
    assert (found["format_version"], found["server"]) == (2, {"heart_beat_timeout": 600})
    parts = {part["id"]: part for part in found["components"]}
    assert sorted(parts) == ["aggregator", "persistor", "shareable_generator"]
    assert parts["persistor"]["path"] == "custom_persistor.CustomPersistor"
    assert parts["persistor"]["args"] == {"model": {"path": "model_def.Net", "args": {"hidden": 8}}}
    assert parts["aggregator"]["args"] == {"expected_data_kind": "WEIGHTS"}
    (workflow,) = found["workflows"]
    assert workflow["id"] == "scatter_and_gather"
    assert workflow["args"] == {
        "min_clients": 2,
        "num_rounds": 3,
        "start_round": 0,
        "wait_time_after_min_received": 10,
        "train_task_name": "train",
        "train_timeout": 0,
        "aggregator_id": "aggregator",
        "persistor_id": "persistor",
        "shareable_generator_id": "shareable_generator",
    }
    assert _document(templates.META) == {
        "name": "My Run",
        "resource_spec": {},
        "deploy_map": {"app": ["@ALL"]},
        "min_clients": 2,
    }
    assert render(CONFIGS)[templates.REQUIREMENTS].split() == [b"torch", b"nvflare"]


def test_the_defaults_are_those_observed() -> None:
    """garage-workspace.md §8."""
    configs = Configs("x")
    assert _document(templates.SERVER_CONFIG, configs)["workflows"][0]["args"]["num_rounds"] == 5
    args = _document(templates.CLIENT_CONFIG, configs)["executors"][0]["executor"]["args"]
    assert (args["local_epochs"], args["batch_size"], args["learning_rate"]) == (1, 32, 0.001)
    assert args["model_args"] == {}


def test_what_the_configurations_name_is_in_the_programs() -> None:
    files = render(CONFIGS)
    for key, name in (
        (templates.EXECUTOR, "GenericClientExecutor"),
        (templates.PERSISTOR, "CustomPersistor"),
    ):
        tree = ast.parse(files[key])
        assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        imported = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not [name for name in imported if name.startswith("neuro_client")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": " "}, "needs a name"),
        ({"num_rounds": 0}, "num_rounds"),
        ({"batch_size": True}, "batch_size"),
        ({"local_epochs": 1.5}, "local_epochs"),
        ({"min_clients": -1}, "min_clients"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"model_class": "Net; import os"}, "model_class"),
        ({"adapter_module": ""}, "adapter_module"),
        ({"extras": {"batch_size": 1}}, "batch_size"),
        ({"extras": {"LR": 1}}, "LR"),
        ({"extras": {"X": object()}}, "JSON"),
        ({"model_args": {"X": float("inf")}}, "JSON"),
    ],
)
def test_what_no_worker_could_use_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        attrs.evolve(CONFIGS, **changes)


def test_what_was_given_cannot_be_changed_afterwards() -> None:
    given = {"LAYERS": [1]}
    configs = Configs("x", extras=given)
    given["LAYERS"].append(2)
    assert configs.extras == {"LAYERS": [1]}


@pytest.mark.skipif(
    custom_client_executor._missing is None, reason="NVFlare is installed, so nothing is missing"
)
@pytest.mark.parametrize(
    "make", [custom_client_executor.GenericClientExecutor, custom_persistor.CustomPersistor]
)
def test_without_nvflare_the_programs_say_what_is_missing(make: Any) -> None:
    with pytest.raises(ImportError, match=r"cannot be imported .*; name nvflare in requirements"):
        make()


def _three(model: object, env: object, output_dir: object) -> Any:
    return (model, env, output_dir)


def _four(model: object, env: object, output_dir: object, log: object = None) -> Any:
    return (model, env, output_dir, log)


def _named(model: object, env: object, output_dir: object, *, logger: object) -> Any:
    return (model, env, output_dir, logger)


def _any(*given: object) -> Any:
    return given


@pytest.mark.parametrize(("function", "given"), [(_three, 3), (_four, 4), (_named, 4), (_any, 4)])
def test_a_function_gets_the_logger_if_it_takes_one(function: Any, given: int) -> None:
    """garage-workspace.md §8: the logger is optional."""
    found = custom_client_executor.call(function, "model", {"LR": 1}, "out", "logger")
    assert found == ("model", {"LR": 1}, "out", "logger")[:given]
