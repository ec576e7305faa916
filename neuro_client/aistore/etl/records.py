"""What a cluster tells of its ETLs (aistore.md §14)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...errors import ProtocolError
from .. import wire


@attrs.frozen
class ETLObjectError:
    """Report an object that an ETL could not transform."""

    obj_name: str
    msg: str = ""
    ecode: int = 0


@attrs.frozen
class ETLDetails:
    """Describe what an ETL was made of; ``init_msg`` is all that the server keeps of it.

    ``runtime`` is the name of a Python, or the image, command and environment of a container, which
    may hold secrets and is not shown.
    """

    id: str
    communication: str = ""
    timeout: str = ""
    code: bytes = attrs.field(default=b"", repr=False)
    spec: str = attrs.field(default="", repr=False)
    dependencies: str = ""
    runtime: str | Mapping[str, Any] = attrs.field(default="", repr=False)
    chunk_size: int = 0
    obj_timeout: str = ""
    support_direct_put: bool = False
    obj_errors: Sequence[ETLObjectError] = ()
    init_msg: Mapping[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class ETLNodeLogs:
    """Hold what the ETL of one target has written."""

    target_id: str
    logs: str = ""


@attrs.frozen
class ETLNodeHealth:
    """Tell how the ETL of one target is."""

    target_id: str
    health_status: str = ""


@attrs.frozen
class ETLNodeMetrics:
    """Tell what the ETL of one target uses: parts of the processors, and bytes of memory."""

    target_id: str
    cpu: float = 0.0
    mem: int = 0


def read_details(value: Any) -> ETLDetails:
    """Read the description of an ETL, in the form of today or the older one."""
    what = "an ETL"
    found = wire.mapping(value, what)
    told = wire.mapping(found.get("init_msg") or found, what)
    runtime = told.get("runtime")
    errors = [wire.mapping(one, what) for one in wire.items(found.get("obj_errors"), what)]
    return ETLDetails(
        wire.text(told, "name", what) or wire.text(told, "id", what),
        wire.text(told, "communication", what),
        wire.text(told, "init_timeout", what) or wire.text(told, "timeout", what),
        _decoded(told, "code"),
        _decoded(told, "spec").decode("utf-8", "replace"),
        _decoded(told, "dependencies").decode("utf-8", "replace"),
        runtime if isinstance(runtime, dict) else wire.text(told, "runtime", what),
        wire.number(told, "chunk_size", what),
        wire.text(told, "obj_timeout", what),
        told.get("support_direct_put") is True,
        tuple(
            ETLObjectError(
                wire.text(one, "obj_name", what),
                wire.text(one, "msg", what),
                wire.number(one, "ecode", what),
            )
            for one in errors
        ),
        told,
    )


def read_logs(value: Any) -> list[ETLNodeLogs]:
    """Read the logs of all targets."""
    return [
        ETLNodeLogs(target, _decoded(one, "logs").decode("utf-8", "replace"))
        for target, one in _by_target(value, "the logs of an ETL")
    ]


def read_health(value: Any) -> list[ETLNodeHealth]:
    """Read how all targets are."""
    what = "the health of an ETL"
    return [
        ETLNodeHealth(target, wire.text(one, "health_status", what))
        for target, one in _by_target(value, what)
    ]


def read_metrics(value: Any) -> list[ETLNodeMetrics]:
    """Read what all targets use."""
    what = "the metrics of an ETL"
    return [
        ETLNodeMetrics(target, _share(one, "cpu", what), wire.number(one, "mem", what))
        for target, one in _by_target(value, what)
    ]


def _by_target(value: Any, what: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = [wire.mapping(one, what) for one in wire.items(value, what)]
    return [(wire.text(one, "target_id", what), one) for one in found]


def _share(found: Mapping[str, Any], key: str, what: str) -> float:
    try:
        return float(found.get(key) or 0)
    except (TypeError, ValueError):
        raise ProtocolError(f"$.{key} of {what} is not a number") from None


def _decoded(found: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(wire.text(found, key, "an ETL"), validate=True)
    except binascii.Error:
        raise ProtocolError(f"$.{key} of an ETL is not base64") from None
