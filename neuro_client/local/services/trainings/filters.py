"""The query of a list: filters, sorting, paging, as SQL (runai-trainings.md §7.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .accounts import Rights
from .answers import Refusal, moment

MAX_OFFSET = 2**31 - 1
_TEXT, _NUMBER, _TIME = "text", "number", "time"
_OF_PROJECT = "(SELECT {} FROM training_projects p WHERE p.id = project)"
_OF_DEPARTMENT = (
    "(SELECT d.name FROM training_departments d JOIN training_projects p"
    " ON p.department = d.id WHERE p.id = project)"
)
_PENDING = "(pending_seconds + CASE WHEN phase = 'Pending' THEN {now} - phase_at ELSE 0 END)"
_RUNNING = (
    "(running_seconds +"
    " CASE WHEN phase IN ('Running', 'Degraded') THEN {now} - phase_at ELSE 0 END)"
)
FIELDS: Mapping[str, tuple[str, str]] = {
    "id": ("id", _TEXT),
    "type": ("'training'", _TEXT),
    "name": ("name", _TEXT),
    "clusterId": ("cluster", _TEXT),
    "projectId": ("CAST(project AS TEXT)", _TEXT),
    "projectName": (_OF_PROJECT.format("p.name"), _TEXT),
    "departmentId": (_OF_PROJECT.format("CAST(p.department AS TEXT)"), _TEXT),
    "departmentName": (_OF_DEPARTMENT, _TEXT),
    "createdAt": ("created_at", _TIME),
    "deletedAt": ("deleted_at", _TIME),
    "completedAt": ("completed_at", _TIME),
    "phaseUpdatedAt": ("phase_at", _TIME),
    "guaranteedRuntimeEndsAt": ("NULL", _TIME),
    "submittedBy": ("created_by", _TEXT),
    "phase": ("phase", _TEXT),
    "nodepool": ("CASE WHEN gpus > 0 OR phase = 'Running' THEN 'default' ELSE '' END", _TEXT),
    "distributedFramework": ("''", _TEXT),
    "allocatedGPU": ("gpus", _NUMBER),
    "idleGpus": ("0", _NUMBER),
    "idleAllocatedGpus": ("0", _NUMBER),
    "category": ("category", _TEXT),
    "priority": ("priority", _NUMBER),
    "priorityClassName": ("priority_class", _TEXT),
    "totalPendingTimeSeconds": (_PENDING, _NUMBER),
    "totalRunningTimeSeconds": (_RUNNING, _NUMBER),
    "aiApplicationId": ("''", _TEXT),
    "aiApplicationName": ("''", _TEXT),
}
_FILTER = re.compile(r"([A-Za-z]+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.*)", re.S)
_PLAIN = {"==": "=", "!=": "IS NOT", "<=": "<=", ">=": ">="}
_WITHIN = {
    "=@": "instr(lower({0}), lower(?{1})) > 0",
    "!@": "instr(lower({0}), lower(?{1})) = 0",
    "=^": "substr({0}, 1, length(?{1})) = ?{1}",
    "=$": "substr({0}, -length(?{1})) = ?{1} AND length({0}) >= length(?{1})",
}


@attrs.frozen
class Query:
    """The conditions of a list; parameters are numbered from 1."""

    where: str
    parameters: Sequence[Any]


def conditions(query: Mapping[str, str], rights: Rights, now: float) -> Query:
    """Read filters and search words; raises 400."""
    parts = ["gone" if boolean(query, "deleted") else "NOT gone"]
    parameters: list[Any] = []
    if rights.projects is not None:
        parts.append(f"project IN ({', '.join(map(str, sorted(rights.projects)))})")
    if query.get("search"):
        parameters.append(query["search"])
        places = ("name", "id", FIELDS["projectName"][0], "created_by")
        parts.append(f"({' OR '.join(_WITHIN['=@'].format(place, 1) for place in places)})")
    same: dict[str, list[str]] = {}
    for number, text in enumerate(filter(None, query.get("filterBy", "").split(","))):
        field, operator, condition = _filter(text, parameters, now)
        # A field that equals one thing and another can only be meant as a choice.
        key = field if operator == "==" else f"{number}"
        same.setdefault(key, []).append(condition)
    parts += [f"({' OR '.join(one)})" for one in same.values()]
    return Query(" AND ".join(parts), parameters)


def _filter(text: str, parameters: list[Any], now: float) -> tuple[str, str, str]:
    found = _FILTER.fullmatch(text)
    if found is None:
        raise Refusal(400, f"filterBy: {text!r} is not <field><operator><value>")
    field, operator, value = found.groups()
    if field not in FIELDS:
        raise Refusal(400, f"filterBy: there is no field {field!r}")
    kind = FIELDS[field][1]
    expression, key = _expression(field, now), len(parameters) + 1
    if kind == _TIME:
        if operator not in _PLAIN:
            raise Refusal(400, f"filterBy: {operator} cannot be used with {field}, a time")
        parameters.append(moment(value, f"filterBy: {field}"))
    elif kind == _NUMBER:
        if operator not in _PLAIN:
            raise Refusal(400, f"filterBy: {operator} cannot be used with {field}, a number")
        try:
            parameters.append(float(value))
        except ValueError:
            raise Refusal(400, f"filterBy: {field} is compared with a number") from None
    else:
        parameters.append(value)
    if operator in _PLAIN:
        return field, operator, f"{expression} {_PLAIN[operator]} ?{key}"
    return field, operator, _WITHIN[operator].format(expression, key)


def _expression(field: str, now: float) -> str:
    return FIELDS[field][0].replace("{now}", repr(now))


def ordering(query: Mapping[str, str], now: float) -> str:
    """Read the order; raises 400."""
    direction = sort_order(query, "asc").upper()
    field = query.get("sortBy")
    if field and field not in FIELDS:
        raise Refusal(400, f"sortBy: there is no field {field!r}")
    return (
        f"{_expression(field, now)} {direction}, seq {direction}" if field else f"seq {direction}"
    )


def sort_order(query: Mapping[str, str], default: str) -> str:
    """Read the direction; raises 400."""
    found = query.get("sortOrder") or default
    if found not in ("asc", "desc"):
        raise Refusal(400, "sortOrder must be asc or desc")
    return found


def page(query: Mapping[str, str]) -> tuple[int, int]:
    """Read offset and limit; raises 400."""
    offset = number(query, "offset", 0, 0, MAX_OFFSET)
    return offset, number(query, "limit", 50, 1, 500)


def number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Read a whole number; raises 400."""
    text = query.get(name, "")
    if not text:
        return default
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    if not least <= found <= most:
        raise Refusal(400, f"{name} must be a number from {least} to {most}")
    return found


def boolean(query: Mapping[str, str], name: str) -> bool:
    """Read true or false, false if it is not there; raises 400."""
    text = query.get(name, "") or "false"
    if text.lower() not in ("true", "false"):
        raise Refusal(400, f"{name} must be true or false")
    return text.lower() == "true"


def words(query: Mapping[str, str], name: str, known: Sequence[str]) -> list[str]:
    """Read a list of words joined by commas; raises 400."""
    found = [word for word in query.get(name, "").split(",") if word]
    for word in found:
        if word not in known:
            raise Refusal(400, f"{name}: {word!r} is not known")
    return found
