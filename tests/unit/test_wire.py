"""Records from JSON: what does not fit is named by its place, never by its content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from yarl import URL

from neuro_client.errors import ProtocolError
from neuro_client.models import Action
from neuro_client.wire import structure, unstructure


@attrs.frozen
class Inner:
    status: str
    count: int | None = None


@attrs.frozen
class Outer:
    items: list[Inner]
    price: Decimal = Decimal(0)
    when: datetime | None = None
    url: URL | None = None
    table: dict[str, float] = attrs.field(factory=dict)


def test_a_record() -> None:
    found = structure(
        {
            "items": [{"status": "ok", "count": 2.0, "unknown": [1]}],
            "price": "1.50",
            "when": "2024-05-06T07:08:09.5+02:00",
            "url": "http://x/y",
            "table": {"a": 1},
        },
        Outer,
    )
    assert found.items == [Inner("ok", 2)]
    assert found.price == Decimal("1.50")
    assert found.when is not None and found.when.utcoffset() == timedelta(hours=2)
    assert found.url == URL("http://x/y")
    assert found.table == {"a": 1.0}


@pytest.mark.parametrize("text", ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09"])
def test_times_are_aware(text: str) -> None:
    found = structure({"items": [], "when": text}, Outer).when
    assert found == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "$.items is missing"),
        ({"items": [{}]}, "$.items[0].status is missing"),
        ({"items": [{"status": "a"}, {"status": 1}]}, "$.items[1].status should be a str"),
        ({"items": [{"status": None}]}, "$.items[0].status should be a str, not null"),
        ({"items": [{"status": "a", "count": "7"}]}, "$.items[0].count should be a int"),
        ({"items": [{"status": "a", "count": True}]}, "$.items[0].count should be a int"),
        ({"items": [], "price": "hush"}, "$.price should be a decimal"),
        ({"items": [], "when": "hush"}, "$.when should be an ISO 8601 time"),
        ({"items": [], "url": 3}, "$.url should be a text, not a number"),
        ({"items": [], "table": {"a": "hush"}}, "$.table.a should be a float"),
        ({"items": 7}, "$.items"),
        ([], "$"),
        (None, "$"),
        ("hush", "$"),
    ],
)
def test_what_does_not_fit(document: Any, place: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        structure(document, Outer)
    assert place in str(caught.value)
    assert "hush" not in str(caught.value)


def test_enums_of_texts() -> None:
    assert structure(["read"], list[Action]) == [Action.READ]
    assert type(structure("read", Action)) is Action
    with pytest.raises(ProtocolError):
        structure("list", Action)


def test_back_to_json() -> None:
    record = Outer([Inner("ok")], Decimal("1.5"), datetime(2024, 1, 1, tzinfo=UTC), URL("http://x"))
    assert unstructure(record) == {
        "items": [{"status": "ok", "count": None}],
        "price": "1.5",
        "when": "2024-01-01T00:00:00+00:00",
        "url": "http://x",
        "table": {},
    }
