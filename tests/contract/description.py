"""The OpenAPI description of the platform's JSON services: `openapi/*.yaml` as one document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "openapi"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def document() -> dict[str, Any]:
    """Return the description as one document; two files must not say the same thing."""
    whole: dict[str, Any] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        _merge(whole, yaml.safe_load(path.read_text("utf-8")), path.name)
    return whole


def operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield method, path and operation of everything described."""
    for path, item in described["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def _merge(whole: dict[str, Any], part: Mapping[str, Any], file: str) -> None:
    for key, value in part.items():
        if key == "components":
            for kind, named in value.items():
                _add(whole.setdefault(key, {}).setdefault(kind, {}), named, file)
        elif key == "paths":
            _add(whole.setdefault(key, {}), value, file)
        else:
            _add(whole, {key: value}, file)


def _add(target: dict[str, Any], new: Mapping[str, Any], file: str) -> None:
    twice = target.keys() & new.keys()
    if twice:
        raise ValueError(f"{file} describes again what is described: {', '.join(sorted(twice))}")
    target.update(new)
