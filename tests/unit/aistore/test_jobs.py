"""What is read of jobs, and how a wait judges it (aistore.md §12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from neuro_client.aistore import JobSnapshot, JobStats, JobStatus, WaitResult, wire
from neuro_client.aistore.jobs.records import kind_of, read_snapshots
from neuro_client.errors import ProtocolError


def test_a_snapshot_is_read_whatever_is_missing() -> None:
    assert read_snapshots(None) == read_snapshots({"t1": None}) == read_snapshots({}) == []
    assert read_snapshots({"t1": [{}]}) == [JobSnapshot("", "", target_id="t1")]
    [one] = read_snapshots(
        {
            "t1": [
                {
                    "id": "j",
                    "kind": "rebalance",
                    "end-time": "2026-11-20T10:00:00.5-08:00",
                    "bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
                    "stats": {"in-objs": 3, "out-bytes": "12", "new": 1},
                    "glob.id": str(5 << 20 | 4 << 10 | 3),
                    "abort-err": "disk",
                    "unknown": {},
                }
            ]
        }
    )
    assert one.end_time == datetime(2026, 11, 20, 18, 0, 0, 500_000, UTC)
    assert (one.bck, one.start_time) == (None, None)
    assert one.stats == JobStats(in_objects=3, out_bytes=12)
    assert (one.joggers, one.workers, one.channel_full) == (3, 4, 5)
    assert one.is_aborted and one.is_finished and not one.aborted


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "not a JSON object"),
        ({"t1": {}}, r"\$\.t1"),
        ({"t1": [{"start-time": "yesterday"}]}, r"\$\.start-time .* not a time: 'yesterday'"),
        ({"t1": [{"stats": {"loc-objs": "many"}}]}, r"loc-objs"),
    ],
)
def test_what_cannot_be_read_is_named(value: Any, told: str) -> None:
    with pytest.raises(ProtocolError, match=told):
        read_snapshots(value)


def test_times_have_a_zone_and_the_year_one_is_none() -> None:
    def read(text: str | None) -> datetime | None:
        return wire.moment({"t": text}, "t", "a job")

    assert [read(text) for text in (None, "", "0001-01-01T00:00:00Z")] == [None] * 3
    assert read("2026-11-20T18:31:55.982894267Z") == datetime(2026, 11, 20, 18, 31, 55, 982894, UTC)
    assert read("2026-11-20T18:31:55") == datetime(2026, 11, 20, 18, 31, 55, tzinfo=UTC)
    found = read("2026-11-20T18:31:55+01:00")
    assert found is not None and found.tzinfo == timezone(timedelta(hours=1))


def test_results() -> None:
    ended = 1795199515990413332
    good = WaitResult.of_status(JobStatus("j", "", ended))
    assert good and good.end_time == datetime(2026, 11, 20, 18, 31, 55, 990413, UTC)
    failed = WaitResult.of_status(JobStatus("j", "o does not exist", ended))
    aborted = WaitResult.of_status(JobStatus("j", "", ended, aborted=True))
    assert (failed.error, failed.aborted) == ("o does not exist", False)
    assert not failed and not aborted and aborted.aborted and aborted.error
    all_of_them = WaitResult.of_all([good, failed, aborted])
    assert not all_of_them and all_of_them.aborted
    assert all_of_them.error == f"{failed.error}; {aborted.error}"
    assert WaitResult.of_all([good]) == good
    idle = JobSnapshot("j", "archive", is_idle=True)
    assert WaitResult.of_snapshots([idle, idle]) == WaitResult(True)
    same = JobSnapshot("j", "archive", err="no space")
    told = WaitResult.of_snapshots([same, same, JobSnapshot("j", "archive", aborted=True)])
    assert (told.error, told.aborted) == ("no space", True)


def test_shown_names_of_kinds_stand_for_actions() -> None:
    assert [kind_of(name) for name in ("cleanup", "copy-objects", "copy-bck", "", "new")] == [
        "cleanup-store", "copy-listrange", "copy-bck", "", "new",
    ]  # fmt: skip
