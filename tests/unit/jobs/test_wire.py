"""Answers of the jobs service become records, absent and odd fields included (jobs.md §4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client.config.models import Dialect
from neuro_client.errors import ProtocolError
from neuro_client.jobs.models import (
    JobDescription,
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    JobTelemetry,
)
from neuro_client.jobs.payloads import (
    encode_moment,
    encode_resources,
    log_query,
    submission_query,
    whole_minutes,
)
from neuro_client.jobs.wire import (
    INVALID_IMAGE,
    decode_capacity,
    decode_job,
    decode_telemetry,
    unwrap_jobs,
)
from neuro_client.models import HTTPPort, RemoteImage, Resources

GOLDEN = Path(__file__).parents[2] / "contract/jobs"


def golden_job(call: str = "start") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / f"{call}.json").read_text())
    job: dict[str, Any] = document["response"]["json"]
    return job


def parse_image(image: str, /, *, cluster_name: str | None = None) -> RemoteImage:
    if image == "odd":
        raise ValueError("not an image")
    if cluster_name == "gone":
        raise RuntimeError("no such cluster")
    return RemoteImage(image, "tag")


def decode(job: dict[str, Any]) -> JobDescription:
    return decode_job(job, parse_image)


def without(job: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key not in keys}


def test_a_minimal_answer_gets_the_defaults() -> None:
    job = golden_job()
    minimal = without(
        job,
        "statuses",
        "org_name",
        "preemptible_node",
        "is_preemptible",
        "is_preemptible_node_required",
        "restart_policy",
        "privileged",
        "materialized",
        "being_dropped",
        "logs_removed",
        "priority",
        "preset_name",
        "internal_hostname",
    )
    minimal["history"] = {}
    minimal["container"] = {
        "image": "img",
        "resources": {"cpu": 1, "memory_mb": 16},
        "http": {},
        "volumes": [{"src_storage_uri": "storage://c/u", "dst_path": "/a"}],
        "disk_volumes": [{"src_disk_uri": "disk://c/u/d", "dst_path": "/d"}],
    }
    decoded = decode(minimal)
    assert decoded.history.status is JobStatus.UNKNOWN
    assert (decoded.history.reason, decoded.history.description) == ("", "")
    assert decoded.history.transitions == []
    assert decoded.container.http == HTTPPort(-1, False)
    assert decoded.container.resources == Resources(16 * 2**20, 1.0, shm=True)
    assert [v.read_only for v in decoded.container.volumes] == [True]
    assert [v.read_only for v in decoded.container.disk_volumes] == [True]
    assert (decoded.org_name, decoded.tags, decoded.http_url) == (None, (), URL())
    assert decoded.priority is JobPriority.NORMAL
    assert decoded.restart_policy is JobRestartPolicy.NEVER


def test_what_this_version_does_not_know_is_let_pass() -> None:
    job = golden_job()
    job["status"] = job["history"]["status"] = "hibernating"
    job["statuses"][0] = {"transition_time": "2022-07-01T12:00:00Z"}
    job["priority"] = "urgent"
    job["restart_policy"] = "sometimes"
    job["namespace"] = {"new": "field"}
    decoded = decode(job)
    assert decoded.status is decoded.history.status is JobStatus.UNKNOWN
    assert decoded.history.transitions[0].status is JobStatus.UNKNOWN
    assert decoded.history.changed_at == datetime(2022, 7, 1, 12, tzinfo=UTC)
    assert decoded.priority is JobPriority.NORMAL
    assert decoded.restart_policy is JobRestartPolicy.NEVER


def test_the_two_statuses_are_read_separately() -> None:
    job = golden_job()
    job["status"] = "running"
    decoded = decode(job)
    assert (decoded.status, decoded.history.status) == (JobStatus.RUNNING, JobStatus.PENDING)


@pytest.mark.parametrize(("image", "cluster"), [("odd", "alpha"), ("img", "gone")])
def test_an_image_that_cannot_be_read_is_named_so(image: str, cluster: str) -> None:
    job = golden_job()
    job["container"]["image"] = image
    job["cluster_name"] = cluster
    assert decode(job).container.image == RemoteImage(INVALID_IMAGE)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ({"http_url": "http://a", "http_url_named": "http://b"}, "http://b"),
        ({"http_url": "http://a", "http_url_named": ""}, "http://a"),
        ({"http_url": "http://a"}, "http://a"),
        ({}, ""),
    ],
)
def test_the_named_url_is_preferred(urls: dict[str, str], expected: str) -> None:
    assert decode({**golden_job(), **urls}).http_url == URL(expected)


def test_gpus_of_the_newer_dialect() -> None:
    job = golden_job()
    job["container"]["resources"] |= {"nvidia_gpu": 2, "nvidia_gpu_model": "a100"}
    resources = decode(job).container.resources
    assert (resources.gpu, resources.gpu_model) == (2, "a100")
    assert encode_resources(resources, Dialect.V26)["nvidia_gpu_model"] == "a100"
    assert encode_resources(resources)["gpu"] == 2


def test_internal_marks() -> None:
    job = golden_job() | {"materialized": True, "logs_removed": True}
    internal = decode(job)._internal
    assert (internal.materialized, internal.being_dropped, internal.logs_removed) == (
        True,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda job: job.pop("id"), "$.id"),
        (lambda job: job["history"].update(created_at="yesterday"), "$.history.created_at"),
        (lambda job: job["container"].pop("resources"), "$.container.resources"),
        (lambda job: job["statuses"][0].pop("transition_time"), "$.statuses[0].transition_time"),
        (lambda job: job.update(total_price_credits="much"), "$.total_price_credits"),
    ],
)
def test_an_unreadable_job_names_the_place(change: Callable[[Any], object], place: str) -> None:
    job = golden_job()
    change(job)
    with pytest.raises(ProtocolError) as caught:
        decode(job)
    assert place in str(caught.value)


@pytest.mark.parametrize("answer", [None, [], "job", {"jobs": 3}, {}])
def test_a_listing_that_is_none(answer: object) -> None:
    with pytest.raises(ProtocolError):
        unwrap_jobs(answer)


def test_other_answers_that_cannot_be_read() -> None:
    with pytest.raises(ProtocolError):
        decode_capacity({"cpu-small": "many"})
    with pytest.raises(ProtocolError, match="memory_bytes"):
        decode_telemetry({"cpu": 1, "timestamp": 1})


def test_telemetry_ignores_what_older_servers_add() -> None:
    record = decode_telemetry({"cpu": 1, "memory": 7, "memory_bytes": 3 * 2**19, "timestamp": 5})
    assert record == JobTelemetry(1.0, 3 * 2**19, 5.0)
    assert (record.memory, record.gpu_memory) == (1.5, None)


def test_moments_travel_in_utc() -> None:
    moment = datetime(2022, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert encode_moment(moment) == "2022-07-01T12:00:00+00:00"
    naive = datetime(2022, 7, 1, 14)  # noqa: DTZ001
    assert datetime.fromisoformat(encode_moment(naive)) == naive.astimezone(UTC)


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 0), (59.9, 0), (60, 1), (3599, 59)])
def test_minutes_are_cut_down(seconds: float, minutes: int) -> None:
    assert whole_minutes(seconds) == minutes


def test_queries_of_our_own_calls() -> None:
    assert submission_query("submission:x", "alpha", "ada") == [
        ("owner", "ada"),
        ("tag", "submission:x"),
        ("cluster_name", "alpha"),
    ]
    assert log_query(timestamps=True, separator="") == [("timestamps", "true"), ("separator", "")]
    assert log_query() == []
