"""The exported JSON Schema says of single fields what the checks say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from neuro_client.trainings.spec import (
    Storage,
    TrainingSpec,
    field_table,
    json_schema,
)

from .test_rules import FIELD_RULES
from .test_spec import REFERENCE, SAMPLE

MODES = [(version, strict) for version in ("2.18", "2.22", "latest") for strict in (True, False)]
VALIDATORS: Mapping[tuple[str, bool], Any] = {
    mode: Draft202012Validator(json_schema(TrainingSpec, version=mode[0], strict=mode[1]))
    for mode in MODES
}


@pytest.mark.parametrize(("version", "strict"), MODES)
def test_it_is_a_schema(version: str, strict: bool) -> None:
    schema = json_schema(version=version, strict=strict)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(SAMPLE)
    assert validator.is_valid({**SAMPLE, "spec": None})
    assert not validator.is_valid({**SAMPLE, "name": None})
    assert not validator.is_valid([SAMPLE])


def test_a_part_has_a_schema_of_its_own() -> None:
    validator = Draft202012Validator(json_schema(Storage))
    assert validator.is_valid({"nfs": [{"server": "a", "path": "/a", "mountPath": "/b"}]})
    assert not validator.is_valid({"nfs": [{"server": "a", "path": "/a"}]})


def test_units_are_told() -> None:
    properties = json_schema()["$defs"]["TrainingSpec"]["properties"]
    assert properties["autoDeletionTimeAfterCompletionSeconds"]["description"] == "in seconds"
    units = {info.path: info.unit for info in field_table() if info.unit is not None}
    assert units["spec.compute.cpuMemoryLimit"] == "bytes"
    assert units["spec.compute.gpuPortionRequest"] == "share of a device"
    assert units["spec.probes.readiness.periodSeconds"] == "seconds"


def test_the_reference_example_is_wrong_only_between_fields() -> None:
    assert VALIDATORS["2.18", True].is_valid(REFERENCE)
    assert TrainingSpec.from_dict(REFERENCE).violations("2.18") != ()


def test_unknown_fields_are_refused_where_doubts_are() -> None:
    newer = {"brandNew": 1, "nfs": [{"name": "a", "exclude": True, "ipv6": True}]}
    for strict in (True, False):
        validator = Draft202012Validator(json_schema(Storage, version="latest", strict=strict))
        assert validator.is_valid(newer) is not strict
        assert validator.is_valid({"brandNew": None})


def test_a_schema_of_no_version() -> None:
    with pytest.raises(ValueError, match="is not a version"):
        json_schema(version="newest")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 40_000)
    | st.floats(0.25, 2)
    | st.sampled_from(
        ["", "a", "A_b", "8Gi", "0644", "NoExecute", "In", "portion", "migProfile", "/x", "1,2"]
    )
)
# Mostly of the right type, so that the draw reaches the rules behind.
TYPED: Mapping[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int32": st.integers(-1, 70_000),
    "int64": st.integers(-1, 2**63),
    "number": st.floats(-0.5, 2) | st.integers(0, 3),
    "quantity": st.sampled_from(["1Gi", "1G", "500m", "1e3", "8Gj", ""]),
}


def _objects(path: str) -> st.SearchStrategy[Any]:
    """Draw objects with the fields that belong there, of right and of wrong types."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for info in field_table(TrainingSpec):
        parent, _, name = info.path.rpartition(".")
        if parent != path:
            continue
        if info.type == "object":
            below = st.deferred(lambda place=info.path: _objects(place))  # type: ignore[misc]
        elif info.type == "list of object":
            items = st.deferred(lambda place=f"{info.path}[]": _objects(place))  # type: ignore[misc]
            below = st.lists(items | st.none(), max_size=2)
        elif info.type.startswith("list"):
            below = st.lists(SCALARS, max_size=2)
        else:
            typed = TYPED.get(info.type, SCALARS)
            below = typed | typed | SCALARS
        fields[name] = below if info.type in TYPED else below | SCALARS
    fields["unknown"] = SCALARS
    return st.sets(st.sampled_from(sorted(fields)), max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in sorted(names)})
    )


@given(_objects(""), st.sampled_from(MODES))
def test_schema_and_checks_agree(document: dict[str, Any], mode: tuple[str, bool]) -> None:
    spec = TrainingSpec.from_dict(document)
    wrong = [found for found in spec.violations(*mode) if found.rule in FIELD_RULES]
    assert VALIDATORS[mode].is_valid(document) == (not wrong), wrong


@given(_objects(""))
def test_whatever_is_read_is_sent_back(document: dict[str, Any]) -> None:
    spec = TrainingSpec.from_dict(document)
    written = spec.to_dict()
    assert TrainingSpec.from_dict(written) == spec
    assert TrainingSpec.from_dict(written).to_dict() == written
    assert spec.violations() == TrainingSpec.from_dict(written).violations()
    assert _plain(written) == _plain(document)


def _plain(value: Any) -> Any:
    """Leave out null, which is the same as absent; a number may have become a quantity's text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    try:
        return value if isinstance(value, bool) or value is None else float(value)
    except ValueError:
        return value
