"""Read the bodies that submit and change runs, and complete what they leave out (§3.4, §8)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from .answers import INVALID, Refusal
from .ids import random_name, why_no_run_name
from .models import CANCELLED, EXPERIMENT, FINISHED, RUN, RUNNING, run_word
from .sweeps import GRID_SEARCH, RANDOM_SEARCH

ACTIONS = ("onBuild", "onBuildStart", "onBuildEnd", "onExperimentStart", "onExperimentEnd")
_SWEEPS = ("", "none", GRID_SEARCH, RANDOM_SEARCH)
_STRATEGY = "EXPERIMENT_STRATEGY_SINGLE"
_NUMBERS = {"cpu": "0", "gpu": "0", "memoryMb": "100", "storageGb": "100"}
_MOST = 2**53


class Fields:
    """Read the fields of an object; what is of another type is refused with its path."""

    def __init__(self, value: Any, path: str) -> None:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise Refusal(INVALID, f"{path} must be an object")
        self._value = value
        self._path = path

    def inner(self, name: str) -> Fields:
        """Return an object inside."""
        return Fields(self._value.get(name), self._at(name))

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        value = self._value.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or "\0" in value:
            raise Refusal(INVALID, f"{self._at(name)} must be a string")
        return value

    def place(self, name: str) -> str:
        """Return where something is to be mounted."""
        value = self.text(name)
        if not value.startswith("/") or not value.strip("/"):
            raise Refusal(INVALID, f"{self._at(name)} must be an absolute path, not {value!r}")
        return value

    def flag(self, name: str) -> bool:
        """Return a bool, False if it is absent."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            raise Refusal(INVALID, f"{self._at(name)} must be a bool")
        return bool(value)

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number, which may come as a text."""
        value = self._value.get(name)
        if value in (None, ""):
            return default
        try:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise ValueError
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < _MOST:
            raise Refusal(INVALID, f"{self._at(name)} must be a number, not {value!r}")
        return number

    def texts(self, name: str) -> dict[str, str]:
        """Return a map of texts."""
        value = self._value.get(name) or {}
        if not isinstance(value, Mapping):
            raise Refusal(INVALID, f"{self._at(name)} must be an object")
        found = {}
        for key, one in value.items():
            if isinstance(one, Mapping | list) or "\0" in f"{key}{one}":
                raise Refusal(INVALID, f"{self._at(name)}.{key} must be a string")
            found[key] = "" if one is None else str(one)
        return found

    def lines(self, name: str) -> list[str]:
        """Return a list of texts."""
        value = self._value.get(name) or []
        if not isinstance(value, list) or not all(
            isinstance(one, str) and "\0" not in one for one in value
        ):
            raise Refusal(INVALID, f"{self._at(name)} must be a list of strings")
        return value

    def each(self, name: str, read: Callable[[Fields], dict[str, Any]]) -> list[dict[str, Any]]:
        """Read a list of objects."""
        value = self._value.get(name) or []
        if not isinstance(value, list):
            raise Refusal(INVALID, f"{self._at(name)} must be a list")
        path = self._at(name)
        return [read(Fields(one, f"{path}[{index}]")) for index, one in enumerate(value)]

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}".lstrip(".")


def run_name(body: Mapping[str, Any]) -> str:
    """Return the name of a new run, a random one if none is given."""
    name = Fields(body, "").text("name") or random_name()
    if why := why_no_run_name(name):
        raise Refusal(INVALID, why)
    return name


def run_spec(body: Mapping[str, Any], cluster: str, user: str) -> dict[str, Any]:
    """Return the spec of a new run, with everything that was left out."""
    given = Fields(body, "").inner("spec")
    if given.text("clusterId", cluster) not in ("", cluster):
        raise Refusal(INVALID, f"spec.clusterId is not the cluster of the address, {cluster}")
    image, resources = given.inner("image"), given.inner("resources")
    dependencies, actions = image.inner("dependencyFileInfo"), given.inner("actions")
    sweep = given.text("sweepType")
    if sweep not in _SWEEPS:
        raise Refusal(INVALID, f"spec.sweepType must be one of {', '.join(_SWEEPS[1:])}")
    return {
        "clusterId": cluster,
        "userId": user,
        "image": {
            "framework": image.text("framework"),
            "dockerfile": image.text("dockerfile"),
            "dependencyFileInfo": {
                "path": dependencies.text("path"),
                "packageManager": dependencies.text(
                    "packageManager", "PACKAGE_MANAGER_UNSPECIFIED"
                ),
            },
        },
        "instanceType": given.text("instanceType"),
        "useSpot": given.flag("useSpot"),
        "resources": {
            **{name: str(resources.number(name, int(more))) for name, more in _NUMBERS.items()},
            "extra": resources.texts("extra"),
        },
        "env": _environment(given),
        "datastores": given.each("datastores", lambda one: _mounted(one, "id")),
        "scratch": given.each(
            "scratch",
            lambda one: {"mountPath": one.place("mountPath"), "sizeGb": one.number("sizeGb")},
        ),
        "sourceCode": given.text("sourceCode"),
        "relativeWorkDir": _folder(given.text("relativeWorkDir")),
        "runControllerCommand": given.text("runControllerCommand"),
        "runControllerId": given.text("runControllerId"),
        "strategy": given.text("strategy", _STRATEGY),
        "sweepType": sweep,
        "sweepOptions": given.texts("sweepOptions"),
        "actions": {name: actions.lines(name) for name in ACTIONS},
        "autoResume": given.flag("autoResume"),
        "dryRun": given.flag("dryRun"),
    }


def _mounted(one: Fields, name: str) -> dict[str, str]:
    return {name: one.text(name), "mountPath": one.place("mountPath")}


def _environment(given: Fields) -> dict[str, str]:
    found = given.texts("env")
    for name in found:
        if not name or "=" in name:
            raise Refusal(INVALID, f"{name!r} cannot name an environment variable")
    return found


def _folder(path: str) -> str:
    found = posixpath.normpath(path) if path else ""
    if found.startswith(("/", "..")):
        raise Refusal(INVALID, f"spec.relativeWorkDir {path!r} leads out of the source")
    return "" if found == "." else found


def desired_of_run(body: Mapping[str, Any], present: str) -> str:
    """Return what a change of a run asks for, in the words of experiments."""
    return _desired(body, RUN, present, run_word)


def desired_of_experiment(body: Mapping[str, Any], present: str) -> str:
    """Return what a change of an experiment asks for."""
    return _desired(body, EXPERIMENT, present, str)


def _desired(body: Mapping[str, Any], prefix: str, present: str, word: Callable[[str], str]) -> str:
    wanted = Fields(body, "").inner("spec").text("desiredState")
    if not wanted:
        return present
    for phase in (present, RUNNING, *sorted(FINISHED)):
        if wanted == f"{prefix}{word(phase)}":
            return CANCELLED if phase == CANCELLED else present
    raise Refusal(
        INVALID,
        f"spec.desiredState {wanted!r} cannot be asked for; {prefix}{word(CANCELLED)} stops it",
    )
