"""Every row of the field tables: name, type, range and versions, on the spec and its schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from neuro_client.trainings.spec import Rule, TrainingRequest, Violation, field_table, json_schema

from .rows import Row, before, place, request, versions
from .storage_table import STORAGE
from .table import (
    COMPUTE,
    CONTAINER,
    ENVIRONMENT,
    EXPRESSIONS,
    MINIMAL,
    NETWORK,
    PROBES,
    SCHEDULING,
    SECURITY,
    TOLERATIONS,
    TOP,
)

ROWS = [
    *TOP,
    *CONTAINER,
    *ENVIRONMENT,
    *PROBES,
    *SCHEDULING,
    *EXPRESSIONS,
    *TOLERATIONS,
    *NETWORK,
    *COMPUTE,
    *STORAGE,
    *SECURITY,
]
BY_PATH = {row.path: row for row in ROWS}


@cache
def _schema(version: str) -> Any:
    return Draft202012Validator(json_schema(version=version))


def _built(row: Row, value: Any) -> dict[str, Any]:
    return request(row.path, value, MINIMAL, row.beside)


def _violations(document: dict[str, Any], version: str) -> tuple[Violation, ...]:
    return TrainingRequest.from_dict(document).violations(version)


def test_the_table_has_every_field_and_no_other() -> None:
    assert len(BY_PATH) == len(ROWS)
    exported = {info.path: info for info in field_table()}
    assert exported.keys() == BY_PATH.keys()
    for path, row in BY_PATH.items():
        info = exported[path]
        assert (info.type, info.since, info.removed, info.required) == (
            row.label,
            row.since,
            row.removed,
            row.required,
        ), path


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    _legal_values_pass_and_are_sent_as_they_are(row)
    _illegal_values_are_refused_at_their_place(row)
    _null_is_the_same_as_absent(row)


def _legal_values_pass_and_are_sent_as_they_are(row: Row) -> None:
    assert row.legal
    for version in versions(row, BY_PATH):
        for value in row.legal:
            document = _built(row, value)
            assert _violations(document, version) == (), value
            assert _schema(version).is_valid(document), value
            sent = TrainingRequest.from_dict(document).to_dict()
            if row.type not in ("quantity", "id", "list of object"):
                expected = _without_null(document)
                if expected.get("useGivenNameAsPrefix") is False:
                    del expected["useGivenNameAsPrefix"]
                assert sent == expected


def _illegal_values_are_refused_at_their_place(row: Row) -> None:
    assert row.illegal
    for version in versions(row, BY_PATH):
        for value in row.illegal:
            document = _built(row, value)
            found = _violations(document, version)
            paths = [violation.path for violation in found]
            assert paths, value
            # Below a list it is the entry that is wrong; nothing else may be blamed.
            assert all(path.startswith(place(row.path)) for path in paths), (value, found)
            if value != "a\n":  # JSON Schema has its own idea of where a text ends
                assert not _schema(version).is_valid(document), value


@pytest.mark.parametrize("row", [row for row in ROWS if row.required], ids=str)
def test_required_fields_are_missed(row: Row) -> None:
    version = versions(row, BY_PATH)[0]
    document = _built(row, None)
    expected = (place(row.path), Rule.REQUIRED)
    assert [(found.path, found.rule) for found in _violations(document, version)] == [expected]
    assert not _schema(version).is_valid(document)


def _null_is_the_same_as_absent(row: Row) -> None:
    """Null is no unknown field, in versions without it neither (§10)."""
    document = request(row.path, None, MINIMAL, {})
    absent = request(row.path, None, MINIMAL, {})
    _delete(absent, row.path)
    assert _violations(document, "2.18") == _violations(absent, "2.18")
    assert TrainingRequest.from_dict(document) == TrainingRequest.from_dict(absent)


@pytest.mark.parametrize("row", [row for row in ROWS if row.since is not None], ids=str)
def test_fields_newer_than_the_server_are_refused(row: Row) -> None:
    assert row.since is not None
    old = before(row.since)
    document = _built(row, row.legal[-1])
    [found] = [v for v in _violations(document, old) if v.path == place(row.path)]
    assert found.rule is Rule.SINCE
    assert row.since in found.message
    assert old in found.message
    assert not _schema(old).is_valid(document)


@pytest.mark.parametrize("row", [row for row in ROWS if row.removed is not None], ids=str)
def test_fields_that_the_server_has_no_longer_are_refused(row: Row) -> None:
    assert row.removed is not None
    for version in (row.removed, "3.0", "latest"):
        document = _built(row, row.legal[0])
        [found] = [v for v in _violations(document, version) if v.path == place(row.path)]
        assert found.rule is Rule.REMOVED
        assert row.removed in found.message
        assert not _schema(version).is_valid(document)


# Rows list only the values that go with one document; these are all, from the same page.
ALL_VALUES = {
    "spec.nodeAffinityRequired.nodeSelectorTerms[].matchExpressions[].operator": (
        "In NotIn Exists DoesNotExist Gt Lt"
    ),
    "spec.tolerations[].operator": "Equal Exists",
    "spec.tolerations[].effect": "NoSchedule NoExecute PreferNoSchedule",
    "spec.compute.gpuRequestType": "portion memory migProfile",
}


@pytest.mark.parametrize("row", [row for row in ROWS if row.type == "enum"], ids=str)
def test_an_enum_has_no_other_values(row: Row) -> None:
    version = versions(row, BY_PATH)[0]
    schema = json_schema(version=version)
    here = schema
    for step in row.path.split("."):
        properties = schema["$defs"][here["$ref"].rpartition("/")[2]]["properties"]
        here, _null = properties[step.removesuffix("[]")]["anyOf"]
        here = here["items"] if step.endswith("[]") else here
    expected = ALL_VALUES[row.path].split() if row.path in ALL_VALUES else row.legal
    assert sorted(here["enum"]) == sorted(expected)


def _delete(document: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    here: Any = document
    for step in parents:
        here = here[step.removesuffix("[]")]
        here = here[0] if step.endswith("[]") else here
    del here[last]


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
