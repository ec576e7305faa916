"""The rules between the fields of a spec (runai-trainings.md §5.9)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from ..quantities import quantity
from .kinds import Walk, entries

Values = Mapping[str, Any]
_SOURCES = ("value", "secret", "configMap", "podFieldRef", "userCredential")
_GPU_VALUES = {
    "portion": "gpuPortionRequest",
    "memory": "gpuMemoryRequest",
    "migProfile": "migProfile",
}
_LIMITS = (
    ("gpuPortionRequest", "gpuPortionLimit"),
    ("gpuMemoryRequest", "gpuMemoryLimit"),
    ("cpuCoreRequest", "cpuCoreLimit"),
    ("cpuMemoryRequest", "cpuMemoryLimit"),
)
_MOUNTED_AT = {
    "dataVolume": "mountPath",
    "pvc": "path",
    "git": "path",
    "configMapVolume": "mountPath",
    "secretVolume": "mountPath",
    "hostPath": "mountPath",
    "nfs": "mountPath",
    "s3": "path",
    "emptyDirVolume": "path",
}
_NODE_PORTS = range(30000, 32768)


def check_rules(spec: Values, walk: Walk) -> None:
    """Name every violation; values of a wrong type are passed over."""
    _process(spec, walk)
    _scheduling(spec, walk)
    _network(spec, walk)
    _compute(_object(spec.get("compute")), walk)
    _storage(_object(spec.get("storage")), walk)
    _security(_object(spec.get("security")), walk)


def _process(spec: Values, walk: Walk) -> None:
    for place, entry in entries(spec.get("environmentVariables")):
        count = sum(entry.get(source) is not None for source in _SOURCES)
        if count != 1:
            path = f"spec.environmentVariables[{place}]"
            walk.add(path, f"must have exactly one of {', '.join(_SOURCES)}, not {count}")
    if spec.get("tty") is True and spec.get("stdin") is not True:
        walk.add("spec.tty", "needs stdin")


def _scheduling(spec: Values, walk: Walk) -> None:
    completions, parallelism = _number(spec, "completions"), _number(spec, "parallelism")
    if parallelism is not None and parallelism > (1 if completions is None else completions):
        walk.add("spec.parallelism", "must not exceed completions")
    for place, entry in entries(spec.get("tolerations")):
        path = f"spec.tolerations[{place}]"
        if entry.get("seconds") is not None and entry.get("effect") != "NoExecute":
            walk.add(f"{path}.seconds", "is for the effect NoExecute only")
        value = entry.get("value")
        if entry.get("operator") == "Equal" and value is None:
            walk.add(f"{path}.value", "is missing; the operator Equal needs it")
        if entry.get("operator") == "Exists" and value is not None:
            walk.add(f"{path}.value", "is not for the operator Exists")
    for term_place, term in entries(
        _object(spec.get("nodeAffinityRequired")).get("nodeSelectorTerms")
    ):
        for place, entry in entries(term.get("matchExpressions")):
            path = (
                f"spec.nodeAffinityRequired.nodeSelectorTerms[{term_place}]"
                f".matchExpressions[{place}].values"
            )
            _expression(entry, path, walk)


def _expression(entry: Values, path: str, walk: Walk) -> None:
    operator, values = entry.get("operator"), entry.get("values") or []
    if operator in ("In", "NotIn") and not values:
        walk.add(path, f"must not be empty with the operator {operator}")
    elif operator in ("Exists", "DoesNotExist") and values:
        walk.add(path, f"must be empty with the operator {operator}")
    elif operator in ("Gt", "Lt"):
        one = values[0] if isinstance(values, list) and len(values) == 1 else ""
        if not isinstance(one, str) or not one.lstrip("-").isdecimal():
            walk.add(path, f"must be one whole number with the operator {operator}")


def _network(spec: Values, walk: Walk) -> None:
    for place, entry in entries(spec.get("ports")):
        external = _number(entry, "external")
        outside = external is not None and external not in _NODE_PORTS
        if entry.get("serviceType") == "NodePort" and outside:
            walk.add(f"spec.ports[{place}].external", "must be from 30000 to 32767 for a NodePort")
    for place, entry in entries(spec.get("exposedUrls")):
        if entry.get("authorizedUsers") and entry.get("authorizedGroups"):
            path = f"spec.exposedUrls[{place}].authorizedGroups"
            walk.add(path, "cannot be given together with authorizedUsers")


def _compute(compute: Values, walk: Walk) -> None:
    kind = compute.get("gpuRequestType")
    for name, field in _GPU_VALUES.items():
        given = compute.get(field) is not None
        if name == kind and not given:
            walk.add(f"spec.compute.{field}", f"is missing; gpuRequestType {name} needs it")
        elif name != kind and given:
            walk.add(f"spec.compute.{field}", f"needs gpuRequestType {name}")
    devices = _number(compute, "gpuDevicesRequest")
    if devices is not None and devices > 1:
        if kind in ("memory", "migProfile"):
            walk.add("spec.compute.gpuRequestType", f"{kind} is for one device only")
        if _number(compute, "gpuPortionRequest") not in (None, 1):
            walk.add("spec.compute.gpuPortionRequest", "must be 1 with more than one device")
    for request, limit in _LIMITS:
        least, most = quantity(compute.get(request)), quantity(compute.get(limit))
        if least is not None and most is not None and most < least:
            walk.add(f"spec.compute.{limit}", f"must not be less than {request}")


def _storage(storage: Values, walk: Walk) -> None:
    for place, entry in entries(storage.get("pvc")):
        path = f"spec.storage.pvc[{place}]"
        claim = entry.get("claimInfo")
        if entry.get("existingPvc") is True:
            if claim is not None:
                walk.add(f"{path}.claimInfo", "cannot be given with existingPvc")
            if entry.get("claimName") is None:
                walk.add(f"{path}.claimName", "is missing; existingPvc needs it")
        elif _object(claim).get("size") is None:
            walk.add(f"{path}.claimInfo.size", "is missing; a new claim needs it")
    modes = {
        entry.get("mountPropagation") or "None" for _, entry in entries(storage.get("hostPath"))
    }
    if len(modes) > 1:
        walk.add("spec.storage.hostPath", "must have the same mountPropagation in every entry")
    taken: dict[str, str] = {}
    for name, key in _MOUNTED_AT.items():
        for place, entry in entries(storage.get(name)):
            target, path = entry.get(key), f"spec.storage.{name}[{place}].{key}"
            if isinstance(target, str) and target:
                first = taken.setdefault(posixpath.normpath(target), path)
                if first != path:
                    walk.add(path, f"is the mount point of {first} too")


def _security(security: Values, walk: Walk) -> None:
    if (security.get("uidGidSource") or "fromTheImage") == "fromTheImage":
        for name in ("runAsUid", "runAsGid", "supplementalGroups"):
            if security.get(name) not in (None, ""):
                walk.add(f"spec.security.{name}", "needs another uidGidSource than fromTheImage")


def _object(value: Any) -> Values:
    return value if isinstance(value, dict) else {}


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value
