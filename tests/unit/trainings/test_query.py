"""Filters, orders and time spans as they are sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from neuro_client.trainings import Filter, TrainingPhase
from neuro_client.trainings.models import DesiredPhase, EventType
from neuro_client.trainings.query import (
    check_page_size,
    filter_query,
    metrics_query,
    order_query,
    telemetry_query,
    time_text,
)
from neuro_client.trainings.wire import next_offset

MOMENT = datetime(2024, 5, 1, 12, 30, 1, 987_654, tzinfo=timezone(timedelta(hours=2)))


def test_filters_are_one_parameter() -> None:
    wanted: list[Filter | str] = [
        "phase==Running",
        Filter("phase", "!=", TrainingPhase.FAILED),
        Filter("createdAt", ">=", MOMENT),
        Filter("name", "=$", "a=b"),
        Filter("preemptible", "==", True),
        "priority<=3",
    ]
    assert filter_query(wanted, "text", True) == [
        (
            "filterBy",
            "phase==Running,phase!=Failed,createdAt>=2024-05-01T10:30:01.987Z,name=$a=b,"
            "preemptible==true,priority<=3",
        ),
        ("search", "text"),
        ("deleted", "true"),
    ]
    assert filter_query((), None, False) == []


@pytest.mark.parametrize("text", ["phase", "phase=Running", "==x", "a b==c", "", "na-me==x"])
def test_no_filters(text: str) -> None:
    with pytest.raises(ValueError, match="is not a filter"):
        Filter.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        Filter("name", "==", "a,phase==Failed"),
        Filter("name", "~", "x"),
        Filter("", "==", "x"),
        Filter("createdAt", "=@", MOMENT),
    ],
)
def test_filters_that_cannot_be_sent(wrong: Filter) -> None:
    with pytest.raises(ValueError, match=r"filter|compared"):
        filter_query([wrong], None, False)


def test_orders_and_pages() -> None:
    assert order_query("createdAt", True) == [("sortOrder", "desc"), ("sortBy", "createdAt")]
    with pytest.raises(ValueError, match="'created_at' but by aiApplicationId"):
        order_query("created_at", False)
    assert [check_page_size(size) for size in (1, 500)] == [1, 500]
    for size in (0, -1, 501):
        with pytest.raises(ValueError, match="1 to 500"):
            check_page_size(size)


@pytest.mark.parametrize(
    ("page", "offset", "count", "following"),
    [
        ({"next": 50}, 0, 50, 50),
        ({}, 0, 50, None),
        ({"next": None}, 0, 50, None),
        ({"next": 50}, 50, 50, None),
        ({"next": 20}, 50, 50, None),
        ({"next": 100}, 50, 0, None),
        ({"next": "100"}, 50, 50, None),
    ],
)
def test_pages_come_to_an_end(
    page: dict[str, object], offset: int, count: int, following: int | None
) -> None:
    assert next_offset(page, offset, count) == following


def test_measurements() -> None:
    end = datetime(2024, 5, 1, 12, tzinfo=UTC)
    start = end - timedelta(hours=1)
    assert metrics_query("POD_COUNT", start, end, 0)[0] == ("metricType", "POD_COUNT")
    for types, begin, samples in (
        ([], start, 20),
        (["A"], end + timedelta(1), 1),
        (["A"], end, -1),
    ):
        with pytest.raises(ValueError, match=r"type|before|samples"):
            metrics_query(types, begin, end, samples)
    with pytest.raises(ValueError, match="0 to 1000"):
        metrics_query(["A"], start, end, 1001)
    assert time_text(MOMENT) == "2024-05-01T10:30:01.987Z"


def test_telemetry_has_two_groups_at_most() -> None:
    def query(*groups: str) -> list[tuple[str, str]]:
        return telemetry_query(
            "GPU_ALLOCATION",
            cluster_id="c",
            node_pool=None,
            department_id=None,
            group_by=groups,
            phases=(TrainingPhase.RUNNING, "Failed"),
        )

    assert query("Phase", "Type") == [
        ("telemetryType", "GPU_ALLOCATION"),
        ("clusterId", "c"),
        ("groupBy", "Phase,Type"),
        ("filterByPhases", "Running,Failed"),
    ]
    for groups in (("Phase", "Type", "Category"), ("phase",)):
        with pytest.raises(ValueError, match="at most 2"):
            query(*groups)


def test_words_of_newer_servers_are_unknown() -> None:
    assert TrainingPhase("Dreaming") is TrainingPhase.UNKNOWN
    assert DesiredPhase("Paused") is DesiredPhase.UNKNOWN
    assert EventType("Odd") is EventType.UNKNOWN
    assert {phase.run_status for phase in TrainingPhase}
    finished = {phase for phase in TrainingPhase if phase.is_finished}
    assert finished == {TrainingPhase.COMPLETED, TrainingPhase.FAILED}
    for phase in TrainingPhase:
        assert phase.run_status.is_finished == (
            phase.is_finished or phase in (TrainingPhase.DELETING, TrainingPhase.TERMINATING)
        )
