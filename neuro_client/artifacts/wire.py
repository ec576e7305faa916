"""Read what the control plane answers: nulls as absent, numbers as text or number (§3.3, §3.4).

The records here have the names of the wire, so that an error names the place in the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from yarl import URL

from ..errors import ProtocolError
from ..wire import converter, structure
from .models import (
    Amount,
    Artifact,
    Datastore,
    Experiment,
    ExperimentCounts,
    ExperimentEvent,
    ExperimentPhase,
    GridCluster,
    GridRun,
    Number,
    RunPhase,
)

_NONE = Number(0)
_FREE = Amount(0.0)


def _number(value: Any, _: Any) -> Number:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("not a number")
    return Number(int(value))


def _amount(value: Any, _: Any) -> Amount:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError("not an amount")
    return Amount(float(value or 0))


@attrs.frozen
class _Artifact:
    filename: str
    url: str
    sizeBytes: Number = _NONE
    md5Checksum: str = ""
    lastModified: datetime | None = None


@attrs.frozen
class _Status:
    phase: str = ""
    message: str = ""
    startTimestamp: datetime | None = None
    finishTimestamp: datetime | None = None
    cost: Amount = _FREE
    hourlyCost: Amount = _FREE
    experimentCounts: ExperimentCounts = attrs.field(factory=ExperimentCounts)
    experimentIds: list[str] = attrs.field(factory=list)


@attrs.frozen
class _RunSpec:
    clusterId: str = ""
    userId: str = ""
    instanceType: str = ""
    runControllerCommand: str = ""


@attrs.frozen
class _ExperimentSpec:
    clusterId: str = ""
    userId: str = ""
    runId: str = ""
    command: list[str] = attrs.field(factory=list)


@attrs.frozen
class _Run:
    id: str
    name: str
    description: str = ""
    createdAt: datetime | None = None
    spec: _RunSpec = _RunSpec()
    status: _Status = attrs.field(factory=_Status)


@attrs.frozen
class _Experiment:
    id: str
    name: str
    createdAt: datetime | None = None
    spec: _ExperimentSpec = attrs.field(factory=_ExperimentSpec)
    status: _Status = attrs.field(factory=_Status)


@attrs.frozen
class _Event:
    id: str = ""
    phase: str = ""
    desiredState: str = ""
    message: str = ""
    timestamp: datetime | None = None


@attrs.frozen
class _Cluster:
    id: str = ""
    name: str = ""


@attrs.frozen
class _DatastoreSpec:
    version: Number = _NONE


@attrs.frozen
class _DatastoreStatus:
    phase: str = ""


@attrs.frozen
class _Datastore:
    id: str
    name: str = ""
    createdAt: datetime | None = None
    spec: _DatastoreSpec = _DatastoreSpec()
    status: _DatastoreStatus = _DatastoreStatus()


def _present(value: Any) -> Any:
    """Return a JSON value without the keys that are null."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_present(item) for item in value]
    return value


def _common(found: _Run | _Experiment, value: Any) -> dict[str, Any]:
    """Return what runs and experiments tell alike."""
    status = found.status
    return {
        "id": found.id,
        "name": found.name,
        "message": status.message,
        "cluster_id": found.spec.clusterId,
        "user_id": found.spec.userId,
        "created_at": found.createdAt,
        "started_at": status.startTimestamp,
        "finished_at": status.finishTimestamp,
        "cost": status.cost,
        "hourly_cost": status.hourlyCost,
        "raw": value,
    }


def decode_run(value: Any) -> GridRun:
    """Read a run."""
    found = structure(_present(value), _Run)
    return GridRun(
        **_common(found, value),
        phase=RunPhase.read(found.status.phase),
        description=found.description,
        instance_type=found.spec.instanceType,
        command=found.spec.runControllerCommand,
        counts=found.status.experimentCounts,
        experiment_ids=tuple(found.status.experimentIds),
    )


def decode_experiment(value: Any) -> Experiment:
    """Read an experiment."""
    found = structure(_present(value), _Experiment)
    return Experiment(
        **_common(found, value),
        phase=ExperimentPhase.read(found.status.phase),
        run_id=found.spec.runId,
        command=tuple(found.spec.command),
    )


def decode_artifacts(items: Sequence[Any], experiment: str, run: str) -> list[Artifact]:
    """Read a page of the artifacts of an experiment."""
    return [
        Artifact(
            # The signature covers the very bytes of the link.
            URL(found.url, encoded=True),
            found.filename,
            experiment,
            run,
            found.sizeBytes,
            found.md5Checksum,
            found.lastModified,
        )
        for found in structure(_present(list(items)), list[_Artifact])
    ]


def decode_events(value: Any) -> tuple[ExperimentEvent, ...]:
    """Read the events of an experiment."""
    found = structure(_present(items_of(value, "events")), list[_Event])
    return tuple(
        ExperimentEvent(
            id=item.id,
            phase=ExperimentPhase.read(item.phase),
            desired_state=item.desiredState,
            message=item.message,
            timestamp=item.timestamp,
        )
        for item in found
    )


def decode_cluster(value: Any) -> GridCluster:
    """Read a cluster; where its bucket is depends on who runs it."""
    found = structure(_present(value), _Cluster)
    spec = _below(value, "spec")
    bucket = _below(spec, "driver", "kubernetes", "aws").get("bucketName")
    return GridCluster(
        id=found.id,
        name=found.name,
        type=str(spec.get("clusterType") or ""),
        bucket=str(bucket or ""),
    )


def decode_datastore(value: Any) -> Datastore:
    """Read a datastore."""
    found = structure(_present(value), _Datastore)
    return Datastore(
        id=found.id,
        name=found.name,
        version=found.spec.version,
        state=found.status.phase,
        created_at=found.createdAt,
    )


def _below(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items_of(page: Any, key: str) -> Sequence[Any]:
    """Return the list that a page of a listing holds; an absent one is empty.

    Raises:
        ProtocolError: it is no such page.
    """
    found = page.get(key) if isinstance(page, Mapping) else page
    if found is None and isinstance(page, Mapping):
        return ()
    if not isinstance(found, list) or not isinstance(page, Mapping):
        raise ProtocolError(f"The answer is not a page of {key}: $.{key} is not an array")
    return found


def next_token(page: Mapping[str, Any]) -> str:
    """Return the token of the next page, "" after the last one."""
    return str(page.get("nextPageToken") or "")


def text_at(value: Any, *keys: str) -> str:
    """Return a text somewhere below, "" if there is none."""
    found = _below(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, str) else ""


converter().register_structure_hook(Number, _number)
converter().register_structure_hook(Amount, _amount)
attrs.resolve_types(ExperimentCounts)
