"""The calls behind the samples of jobs, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import (
    AuthorizationError,
    IllegalArgumentError,
    NDJSONError,
    ResourceNotFound,
)
from neuro_client.jobs import (
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    JobStatusItem,
    JobTelemetry,
)
from neuro_client.models import (
    Container,
    DiskVolume,
    HTTPPort,
    RemoteImage,
    Resources,
    SecretFile,
    Volume,
)

from ..golden import Call
from . import interactive

Values = Mapping[str, str]

UBUNTU = RemoteImage("ubuntu", "22.04")
UNKNOWN_JOB = "job-00000000-0000-4000-8000-000000000000"
CREATED = datetime(2022, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
STARTED = datetime(2022, 7, 1, 12, 0, 2, tzinfo=UTC)


async def start(client: Client, values: Values) -> None:
    job = await client.jobs.start(image=UBUNTU, preset_name="cpu-small", command="sleep 5")
    assert (job.id, job.owner, job.cluster_name, job.org_name) == (
        values["job"],
        "ada",
        "alpha",
        "acme",
    )
    assert job.status is JobStatus.PENDING
    assert job.history.changed_at == CREATED
    assert job.history.transitions == [
        JobStatusItem(JobStatus.PENDING, CREATED, "Creating", None)  # type: ignore[arg-type]
    ]
    assert job.container == Container(UBUNTU, Resources(2**30, 0.5), command="sleep 5")
    assert job.uri == URL(f"job://alpha/acme/ada/{job.id}")
    assert (job.total_price_credits, job.price_credits_per_hour) == (Decimal(0), Decimal(10))
    assert (job.preset_name, job.tags, job.http_url, job.life_span) == (
        "cpu-small",
        (),
        URL(),
        None,
    )


async def start_full(client: Client, values: Values) -> None:
    image = RemoteImage(
        name="lab/img",
        tag="v1",
        owner="ada",
        registry=values["registry"],
        cluster_name="alpha",
        org_name="acme",
    )
    key = URL("secret://alpha/acme/ada/key")
    job = await client.jobs.start(
        image=image,
        preset_name="cpu-small",
        entrypoint="/bin/sh -c",
        command="'sleep 5'",
        working_dir="/work",
        http=HTTPPort(8080),
        env={"A": "1", "B": ""},
        volumes=[Volume(URL("storage:data"), "/data")],
        secret_env={"S": URL("secret:key")},
        secret_files=[SecretFile(URL("secret:key"), "/var/key")],
        disk_volumes=[DiskVolume(URL("disk:disk-1"), "/disk", read_only=True)],
        tty=True,
        shm=True,
        name="train-1",
        tags=["exp", "a:b"],
        description="first try",
        pass_config=True,
        wait_for_jobs_quota=True,
        schedule_timeout=60.5,
        restart_policy=JobRestartPolicy.ON_FAILURE,
        life_span=90 * 60 + 59,
        privileged=True,
        priority=JobPriority.HIGH,
    )
    assert job.container == Container(
        image=image,
        resources=Resources(2**30, 0.5),
        entrypoint="/bin/sh -c",
        command="'sleep 5'",
        working_dir="/work",
        http=HTTPPort(8080),
        env={"A": "1", "B": ""},
        volumes=[Volume(URL("storage://alpha/acme/ada/data"), "/data")],
        secret_env={"S": key},
        secret_files=[SecretFile(key, "/var/key")],
        disk_volumes=[DiskVolume(URL("disk://alpha/acme/ada/disk-1"), "/disk", True)],
        tty=True,
    )
    assert (job.name, job.tags, job.description) == ("train-1", ("a:b", "exp"), "first try")
    assert job.restart_policy is JobRestartPolicy.ON_FAILURE
    assert (job.priority, job.life_span, job.schedule_timeout) == (JobPriority.HIGH, 5400.0, 60.5)
    assert job.http_url == URL("https://train-1--ada.jobs.alpha.example")
    assert job.internal_hostname_named == "train-1--ada.platform-jobs"
    assert job.pass_config
    assert not job.privileged  # never read, jobs.md §4


async def start_named(client: Client, _: Values) -> None:
    job = await client.jobs.start(
        image=UBUNTU,
        preset_name="cpu-small",
        name="train-2",
        tags=["exp"],
        description="first try",
        life_span=5400,
        command="sleep 5",
        working_dir="/tmp",
        env={"A": "1"},
        tty=True,
        shm=True,
        http=HTTPPort(8080, requires_auth=False),
        volumes=[Volume(URL("storage:"), "/data", read_only=True)],
    )
    assert (job.name, job.container.http) == ("train-2", HTTPPort(8080, requires_auth=False))


async def run(client: Client, _: Values) -> None:
    job = await client.jobs.run(Container(UBUNTU, Resources(2**29, 0.5), command="sleep 5"))
    assert (job.preset_name, job.container.resources.memory_mb) == (None, 512)


async def run_gpu(client: Client, _: Values) -> None:
    resources = Resources(
        memory=2**34,
        cpu=8.0,
        gpu=2,
        gpu_model="nvidia-tesla-v100",
        shm=False,
        tpu_type="v3-8",
        tpu_software_version="1.14",
    )
    job = await client.jobs.run(
        Container(UBUNTU, resources),
        scheduler_enabled=True,
        org_name=None,
        priority=JobPriority.LOW,
    )
    assert (job.container.resources, job.org_name) == (resources, None)
    assert job.scheduler_enabled


async def start_unknown_preset(client: Client, _: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="Preset unknown is not exist"):
        await client.jobs.start(image=UBUNTU, preset_name="unknown")


async def start_bad_name(client: Client, _: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="name is invalid"):
        await client.jobs.start(image=UBUNTU, preset_name="cpu-small", name="Bad_Name")


async def start_other_org(client: Client, _: Values) -> None:
    with pytest.raises(AuthorizationError, match="org other"):
        await client.jobs.start(image=UBUNTU, preset_name="cpu-small", org_name="other")


async def start_missing_right(client: Client, _: Values) -> None:
    with pytest.raises(AuthorizationError, match="storage://alpha/bob/data"):
        await client.jobs.start(
            image=UBUNTU,
            preset_name="cpu-small",
            volumes=[Volume(URL("storage://alpha/bob/data"), "/data", read_only=True)],
        )


async def list_jobs(client: Client, values: Values) -> None:
    async with client.jobs.list() as jobs:
        assert [job.id async for job in jobs] == [values["job"]]


async def list_filtered(client: Client, _: Values) -> None:
    async with client.jobs.list(
        statuses=[JobStatus.RUNNING, JobStatus.FAILED],
        name="train-1",
        owners=["ada", "bob"],
        tags=["exp", "a:b"],
        since=datetime(2022, 7, 1, 12, tzinfo=UTC),
        until=datetime(2022, 7, 2, 0, 0, 0, 500000, tzinfo=UTC),
        reverse=True,
        limit=5,
        cluster_name="beta",
    ) as jobs:
        assert [job async for job in jobs] == []


async def list_everything(client: Client, _: Values) -> None:
    async with client.jobs.list(
        name=None, _materialized=True, _being_dropped=None, _logs_removed=None
    ) as jobs:
        assert [job async for job in jobs] == []


async def list_broken(client: Client, values: Values) -> None:
    async with client.jobs.list() as jobs:
        assert (await anext(jobs)).id == values["job"]
        with pytest.raises(NDJSONError, match="the database is gone"):
            await anext(jobs)


async def list_bad_limit(client: Client, _: Values) -> None:
    async with client.jobs.list(limit=0) as jobs:
        with pytest.raises(IllegalArgumentError, match="positive"):
            await anext(jobs)


async def status(client: Client, values: Values) -> None:
    job = await client.jobs.status(values["job"])
    assert (job.status, job.history.changed_at) == (JobStatus.RUNNING, STARTED)
    nothing: object = None  # null stays None although the field is a text, jobs.md §4
    assert job.history.reason is nothing
    assert job.history.description is nothing
    assert job.history.run_time_seconds == 3.5


async def status_failed(client: Client, values: Values) -> None:
    job = await client.jobs.status(values["job"])
    assert (job.status, job.history.exit_code, job.history.reason) == (
        JobStatus.FAILED,
        3,
        "Error",
    )
    assert [item.exit_code for item in job.history.transitions] == [None, None, 3]
    assert job.history.changed_at == datetime(2022, 7, 1, 12, 0, 5, 500000, tzinfo=UTC)
    assert job.total_price_credits == Decimal("0.0097")


async def status_unknown(client: Client, _: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="no such job"):
        await client.jobs.status(UNKNOWN_JOB)


async def kill(client: Client, values: Values) -> None:
    await client.jobs.kill(values["job"])


async def bump_life_span(client: Client, values: Values) -> None:
    await client.jobs.bump_life_span(values["job"], 179.9)


async def bump_life_span_too_short(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="at least 1"):
        await client.jobs.bump_life_span(values["job"], 59)


async def send_signal(client: Client, values: Values) -> None:
    await client.jobs.send_signal(values["job"])


async def send_signal_not_running(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="not found"):
        await client.jobs.send_signal(values["job"])


async def get_capacity(client: Client, _: Values) -> None:
    assert await client.jobs.get_capacity() == {"cpu-small": 3}


async def monitor(client: Client, values: Values) -> None:
    async with client.jobs.monitor(values["job"]) as chunks:
        assert [chunk async for chunk in chunks] == [b"hello\nwo", b"rld\n"]


async def monitor_options(client: Client, values: Values) -> None:
    since = datetime(2022, 7, 1, 12, tzinfo=UTC)
    async with client.jobs.monitor(
        values["job"], since=since, timestamps=True, separator="", debug=True
    ) as chunks:
        assert [chunk async for chunk in chunks] == [b"2022-07-01T12:00:00.123456789Z hello\n"]


async def monitor_unknown(client: Client, _: Values) -> None:
    async with client.jobs.monitor(UNKNOWN_JOB) as chunks:
        with pytest.raises(IllegalArgumentError, match="no such job"):
            await anext(chunks)


async def monitor_text(client: Client, values: Values) -> None:
    async with client.jobs.monitor(values["job"]) as chunks:
        with pytest.raises(RuntimeError, match="text message"):
            await anext(chunks)


async def top(client: Client, values: Values) -> None:
    async with client.jobs.top(values["job"]) as records:
        assert [record async for record in records] == [JobTelemetry(0.5, 2**28, 1656676800.25)]


async def top_gpu(client: Client, values: Values) -> None:
    async with client.jobs.top(values["job"]) as records:
        record = await anext(records)
    assert record == JobTelemetry(0.5, 2**28, 1656676800.25, 90, 2**21)
    assert (record.memory, record.gpu_memory) == (256.0, 2.0)


async def top_not_running(client: Client, values: Values) -> None:
    async with client.jobs.top(values["job"]) as records:
        with pytest.raises(ValueError, match="not running"):
            await anext(records)


async def top_binary(client: Client, values: Values) -> None:
    async with client.jobs.top(values["job"]) as records:
        with pytest.raises(RuntimeError, match="binary message"):
            await anext(records)


CALLS: Mapping[str, Call] = {
    **interactive.CALLS,
    "start": start,
    "start_full": start_full,
    "start_named": start_named,
    "start_unknown_preset": start_unknown_preset,
    "start_bad_name": start_bad_name,
    "start_other_org": start_other_org,
    "start_missing_right": start_missing_right,
    "run": run,
    "run_gpu": run_gpu,
    "list": list_jobs,
    "list_filtered": list_filtered,
    "list_everything": list_everything,
    "list_broken": list_broken,
    "list_bad_limit": list_bad_limit,
    "status": status,
    "status_failed": status_failed,
    "status_unknown": status_unknown,
    "kill": kill,
    "bump_life_span": bump_life_span,
    "bump_life_span_too_short": bump_life_span_too_short,
    "send_signal": send_signal,
    "send_signal_not_running": send_signal_not_running,
    "get_capacity": get_capacity,
    "monitor": monitor,
    "monitor_options": monitor_options,
    "monitor_unknown": monitor_unknown,
    "monitor_text": monitor_text,
    "top": top,
    "top_gpu": top_gpu,
    "top_not_running": top_not_running,
    "top_binary": top_binary,
}
