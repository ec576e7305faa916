"""Counts over all workloads at this moment (runai-trainings.md §7.6)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from .answers import Refusal, timestamp
from .calls import Call
from .control import TrainingControl
from .filters import conditions, words
from .models import PHASES
from .org import Organization
from .render import NODE_POOL, TYPE

_COUNT, _GPUS, _PENDING = "WORKLOADS_COUNT", "GPU_ALLOCATION", "PENDING_TIME_DISTRIBUTION"
_COLUMNS = "cluster, project, phase, category, gpus, pending_seconds, phase_at"
_WAITS = ((60.0, "under 1 minute"), (600.0, "under 10 minutes"), (3600.0, "under 1 hour"))
_LONGER = "1 hour or more"
Group = tuple[str, str, str]
"""Key, value and shown name."""


class Telemetry:
    """Answer requests for counts."""

    def __init__(self, control: TrainingControl) -> None:
        self._control = control
        org = control.org
        self._groups: Mapping[str, Callable[[sqlite3.Row], Group]] = {
            "ClusterId": lambda row: (
                "ClusterId",
                row["cluster"],
                org.clusters[row["cluster"]].name,
            ),
            "DepartmentId": lambda row: _department(org, row),
            "ProjectId": lambda row: (
                "ProjectId",
                str(row["project"]),
                org.projects[row["project"]].name,
            ),
            "Type": lambda row: ("Type", TYPE, TYPE),
            "CurrentNodepools": lambda row: ("CurrentNodepools", NODE_POOL, NODE_POOL),
            "Phase": lambda row: ("Phase", row["phase"], row["phase"]),
            "Category": lambda row: ("Category", row["category"], row["category"]),
        }

    async def answer(self, call: Call) -> web.Response:
        """Count workloads, GPU devices or waiting times."""
        kind = call.query.get("telemetryType")
        if kind not in (_COUNT, _GPUS, _PENDING):
            raise Refusal(400, f"telemetryType must be {_COUNT}, {_GPUS} or {_PENDING}")
        by = words(call.query, "groupBy", tuple(self._groups))
        if len(by) > 2:
            raise Refusal(400, "groupBy takes two names at most")
        phases = words(call.query, "filterByPhases", PHASES)
        now = time.time()
        await self._control.ledger.commit()
        wanted = conditions({}, call.caller.rights, now)
        rows = await self._control.store.rows(_COLUMNS, wanted.where, wanted.parameters)
        sums: dict[tuple[Group, ...], float] = {}
        for row in rows:
            if (phases and row["phase"] not in phases) or not self._is_asked_for(call, row):
                continue
            key = tuple(self._groups[name](row) for name in by)
            if kind == _PENDING:
                waited = _waited(row, now)
                key = (*key, ("PendingTime", waited, waited))
            sums[key] = sums.get(key, 0.0) + (row["gpus"] if kind == _GPUS else 1)
        if not sums and not by and kind != _PENDING:
            sums = {(): 0.0}
        return web.json_response(
            {
                "type": kind,
                "timestamp": timestamp(now),
                "values": [_value(value, key) for key, value in sums.items()],
            }
        )

    def _is_asked_for(self, call: Call, row: sqlite3.Row) -> bool:
        department = str(self._control.org.projects[row["project"]].department)
        wanted = (
            ("clusterId", row["cluster"]),
            ("departmentId", department),
            ("nodepoolName", NODE_POOL),
        )
        return all(call.query.get(name) in (None, "", value) for name, value in wanted)


def _department(org: Organization, row: sqlite3.Row) -> Group:
    department = org.departments[org.projects[row["project"]].department]
    return "DepartmentId", str(department.id), department.name


def _waited(row: sqlite3.Row, now: float) -> str:
    seconds = row["pending_seconds"] + (now - row["phase_at"] if row["phase"] == "Pending" else 0)
    return next((name for most, name in _WAITS if seconds < most), _LONGER)


def _value(value: float, groups: tuple[Group, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {"value": f"{value:.12g}"}
    if groups:
        found["groups"] = [{"key": key, "value": text, "name": name} for key, text, name in groups]
    return found
