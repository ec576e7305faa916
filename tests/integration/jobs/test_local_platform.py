"""Jobs on the local platform, from the public call to the process and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from neuro_client.client import Client
from neuro_client.errors import IllegalArgumentError, JobFailed
from neuro_client.jobs import JobDescription, JobStatus
from neuro_client.local import LocalPlatform
from neuro_client.models import Container, RemoteImage, Resources

pytestmark = pytest.mark.slow

IMAGE = RemoteImage("ubuntu", "22.04")


async def start(client: Client, script: str, **options: object) -> JobDescription:
    return await client.jobs.start(
        image=IMAGE,
        preset_name="cpu-small",
        command=f"sh -c '{script}'",
        **options,  # type: ignore[arg-type]
    )


async def lines_of(client: Client, id: str) -> list[str]:
    async with client.jobs.logs(id) as lines:
        return [line async for line in lines]


async def ids(jobs: AsyncIterator[JobDescription]) -> list[str]:
    return [job.id async for job in jobs]


async def test_start_logs_wait(client: Client) -> None:
    job = await start(client, "for i in 1 2 3; do echo line $i; sleep 0.1; done; printf end")
    assert job.status is JobStatus.PENDING
    assert await lines_of(client, job.id) == ["line 1", "line 2", "line 3", "end"]
    final = await client.jobs.wait(job.id, timeout=10)
    assert final.status is JobStatus.SUCCEEDED
    assert final.history.exit_code == 0
    assert final.history.started_at is not None
    # The archive gives the same lines as the running job did.
    assert await lines_of(client, job.id) == ["line 1", "line 2", "line 3", "end"]
    async with client.jobs.logs(job.id, tail=2, timestamps=True, follow=False) as lines:
        found = [line async for line in lines]
    assert [line.partition(" ")[2] for line in found] == ["line 3", "end"]
    written = datetime.fromisoformat(found[0].partition(" ")[0])
    assert timedelta(0) <= written - final.history.started_at < timedelta(seconds=10)


async def test_a_failing_job(client: Client) -> None:
    job = await start(client, "echo before; echo why >&2; exit 3", name="failing")
    with pytest.raises(JobFailed) as caught:
        await client.jobs.wait(job.id, timeout=10)
    error = caught.value
    assert (error.exit_code, error.job.status) == (3, JobStatus.FAILED)
    assert sorted(error.log_tail) == ["before", "why"]
    assert f"{job.id} (failing)" in str(error)


async def test_the_end_of_a_short_job_is_noticed_at_once(client: Client) -> None:
    job = await start(client, "sleep 0.3")
    final = await client.jobs.wait(job.id, timeout=10)
    assert final.history.finished_at is not None
    assert datetime.now(UTC) - final.history.finished_at < timedelta(seconds=1)


async def test_kill_signal_and_life_span(client: Client) -> None:
    killed, signalled = [await start(client, "echo up; exec sleep 60") for _ in range(2)]
    for job in (killed, signalled):
        async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
            assert await anext(lines) == "up"
    await client.jobs.bump_life_span(killed.id, 600)
    assert (await client.jobs.status(killed.id)).life_span == 600
    await client.jobs.kill(killed.id)
    await client.jobs.kill(killed.id)
    with pytest.raises(JobFailed, match="cancelled"):
        await client.jobs.wait(killed.id, timeout=10)
    await client.jobs.send_signal(signalled.id)
    with pytest.raises(JobFailed) as caught:
        await client.jobs.wait(signalled.id, timeout=10)
    assert caught.value.exit_code == 137


async def test_listing(client: Client) -> None:
    before = datetime.now(UTC)
    one = await start(client, "exit 0", name="first-job", tags=["a", "b"])
    two = await client.jobs.run(
        Container(IMAGE, Resources(2**28, 0.2), command="false"), tags=["a"]
    )
    for job in (one, two):
        await client.jobs.wait(job.id, timeout=10, check=False)
    wanted: list[tuple[dict[str, object], list[str]]] = [
        ({}, [one.id, two.id]),
        ({"reverse": True}, [two.id, one.id]),
        ({"reverse": True, "limit": 1}, [two.id]),
        ({"tags": ["a"]}, [one.id, two.id]),
        ({"tags": ["a", "b"]}, [one.id]),
        ({"name": "first-job"}, [one.id]),
        ({"statuses": [JobStatus.FAILED]}, [two.id]),
        ({"statuses": JobStatus.active_items()}, []),
        ({"owners": [client.username]}, [one.id, two.id]),
        ({"owners": ["nobody"]}, []),
        ({"since": before - timedelta(seconds=1)}, [one.id, two.id]),
        ({"until": before - timedelta(seconds=1)}, []),
    ]
    for options, expected in wanted:
        async with client.jobs.list(**options) as jobs:  # type: ignore[arg-type]
            assert await ids(jobs) == expected, options


@pytest.mark.thorough
async def test_telemetry_and_raw_log(client: Client) -> None:
    job = await start(client, "echo up; sleep 60")
    async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"
    async with asyncio.timeout(10), client.jobs.top(job.id) as records:
        record = await anext(records)
    assert record.memory_bytes > 0
    assert abs(record.timestamp - time.time()) < 10
    async with asyncio.timeout(10), client.jobs.logs(job.id, follow=False) as lines:
        assert [line async for line in lines] == ["up"]
    assert set(client.presets) <= set(await client.jobs.get_capacity())
    await client.jobs.kill(job.id)
    async with client.jobs.monitor(job.id) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"up\n"
    async with client.jobs.top(job.id) as records:
        with pytest.raises(ValueError, match="not running"):
            await anext(records)


async def test_one_submission_is_one_job(client: Client) -> None:
    async with asyncio.TaskGroup() as group:
        starts = [
            group.create_task(start(client, "sleep 60", submission_id="train:1")) for _ in range(5)
        ]
    job = starts[0].result()
    assert {task.result().id for task in starts} == {job.id}
    assert job.tags == ("submission:train:1",)
    # Another program that knew nothing of it left a twin.
    twin = await start(client, "sleep 60", tags=["submission:train:1"])
    assert (await start(client, "other", submission_id="train:1")).id == job.id
    assert (await client.jobs.status(twin.id)).status is JobStatus.CANCELLED
    await client.jobs.kill(job.id)
    again = await start(client, "sleep 60", submission_id="train:1")
    assert (again.id, again.status) == (job.id, JobStatus.CANCELLED)


async def test_a_lost_answer_starts_no_second_job(
    client: Client, local_platform: LocalPlatform
) -> None:
    lost = local_platform.fault("POST /api/v1/jobs", cut_after=0)
    job = await start(client, "sleep 60", name="only-one", submission_id="lost")
    assert lost.hits == 1
    async with client.jobs.list(tags=["submission:lost"]) as jobs:
        assert await ids(jobs) == [job.id]
    await client.jobs.kill(job.id)


async def test_a_log_over_connections_that_break(
    client: Client, local_platform: LocalPlatform
) -> None:
    cut = local_platform.fault("GET log_ws", times=3, cut_after=700)
    refused = local_platform.fault("GET log_ws", times=2, status=503)
    job = await start(client, "seq 1 40; sleep 0.3; seq 41 50; printf end")
    assert await lines_of(client, job.id) == [*(str(n) for n in range(1, 51)), "end"]
    assert (cut.hits, refused.hits) == (3, 2)


async def test_what_the_platform_refuses_keeps_its_own_text(client: Client) -> None:
    with pytest.raises(IllegalArgumentError, match="unheard-of"):
        await client.jobs.start(image=IMAGE, preset_name="unheard-of")
    with pytest.raises(IllegalArgumentError):
        await start(client, "true", name="No_Name")
    with pytest.raises(RuntimeError, match="no cluster 'nowhere'"):
        await start(client, "true", cluster_name="nowhere")
    job = await start(client, "sleep 60", name="taken")
    with pytest.raises(IllegalArgumentError, match="taken"):
        await start(client, "sleep 60", name="taken")
    await client.jobs.kill(job.id)
