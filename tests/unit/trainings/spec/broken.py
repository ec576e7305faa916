"""Small specs with one thing in them, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from neuro_client.trainings.spec import Rule, TrainingSpec


def found(spec: dict[str, Any], version: str, strict: bool = True) -> list[tuple[str, Rule]]:
    return [(v.path, v.rule) for v in TrainingSpec.from_dict(spec).violations(version, strict)]


def env(**variable: Any) -> dict[str, Any]:
    return {"environmentVariables": [{"name": "A", **variable}]}


def compute(**fields: Any) -> dict[str, Any]:
    return {"compute": fields}


def storage(**lists: Any) -> dict[str, Any]:
    return {"storage": lists}


def pvc(**fields: Any) -> dict[str, Any]:
    return storage(pvc=[{"path": "/data", **fields}])


def node(operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": "zone", "operator": operator, "values": list(values)}
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinityRequired": {"nodeSelectorTerms": terms}}
