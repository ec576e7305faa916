"""Every sample names its facts, has a known form and is used."""

from __future__ import annotations

import re

import pytest

from .golden import HERE, Sample, calls, samples, shape_errors

SOURCE = re.compile(r"[a-z-]+\.md §\d+(\.\d+)*(; [a-z-]+\.md §\d+(\.\d+)*)*")
KEYS = {"source", "request", "response", "optional", "exact", "local"}
REQUEST_KEYS = {
    "method", "path", "query", "headers", "json", "text", "base64", "websocket", "anonymous",
    "authorization"
}  # fmt: skip
RESPONSE_KEYS = {"status", "headers", "json", "ndjson", "text", "base64", "messages", "close"}

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_sample_is_well_formed(sample: Sample) -> None:
    document = sample.document
    assert SOURCE.fullmatch(document.get("source", "")), "name the fact section in `source`"
    assert document.keys() <= KEYS
    assert document["request"].keys() <= REQUEST_KEYS
    assert document["response"].keys() <= RESPONSE_KEYS
    assert {"method", "path"} <= document["request"].keys()
    assert "status" in document["response"]
    assert sample.call in calls(sample.service), "no call in calls.py uses this sample"


def test_every_call_has_its_sample() -> None:
    named = {sample.name for sample in samples()}
    services = {path.parent.name for path in HERE.glob("*/calls.py")}
    assert services
    for service in services:
        for call in calls(service):
            assert f"{service}/{call}" in named


def test_the_comparison_finds_each_kind_of_difference() -> None:
    golden = {"id": "x", "n": 1, "items": [{"a": 1}], "map": {"k": "v"}}

    def errors(live: object, optional: tuple[str, ...] = (), exact: tuple[str, ...] = ()) -> int:
        return len(shape_errors(golden, live, optional=optional, exact=exact))

    assert errors({"id": "y", "n": 2.5, "items": [{"a": 3}, {"a": 4}], "map": {"k": ""}}) == 0
    assert errors({**golden, "id": "y"}, exact=("id",)) == 1
    assert errors({**golden, "n": True}) == 1
    assert errors({**golden, "n": None}) == 1
    assert errors({**golden, "items": []}) == 1
    assert errors({**golden, "items": [{"a": 1}, {"b": 1}]}) == 2
    assert errors({**golden, "items": [{"b": 1}]}, optional=("items[].*",)) == 0
    assert errors({**golden, "map": {"other": "v"}}, optional=("map.*",)) == 0
    assert errors({"id": "x"}) == 3
    assert errors([]) == 1
    either = {"items": [{"a": 1}, {"a": None}]}
    assert shape_errors(either, {"items": [{"a": None}] * 3}, optional=(), exact=()) == []
    assert len(shape_errors(either, {"items": [{"a": ""}]}, optional=(), exact=())) == 1
