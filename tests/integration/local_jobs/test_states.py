"""The state machine: restarts, life span, queueing, suspension, preemption, quota."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import attrs
import psutil
import pytest

from neuro_client.local.runners import ProcessRunner

from .conftest import TIMING, Api, eventually, running, sh


async def test_life_span_cancels(api: Api) -> None:
    job = await api.start("sleep 30", max_run_time_minutes=1)
    assert job["max_run_time_minutes"] == 1
    job = await api.done(job["id"])
    assert (job["status"], job["history"]["reason"]) == ("cancelled", "LifeSpanEnded")
    assert 0.35 < job["history"]["run_time_seconds"] < 2


async def test_life_span_can_be_changed(api: Api) -> None:
    job = await api.start("sleep 30", max_run_time_minutes=2)
    path = f"/jobs/{job['id']}/max_run_time_minutes"
    await api.call("PUT", path, json={"additional_max_run_time_minutes": 3}, status=204)
    assert (await api.get(job["id"]))["max_run_time_minutes"] == 5
    for body in ({}, {"max_run_time_minutes": 1, "additional_max_run_time_minutes": 1}):
        await api.call("PUT", path, json=body, status=400)
    await api.call("PUT", path, json={"additional_max_run_time_minutes": 0}, status=400)
    await api.call("PUT", path, json={"max_run_time_minutes": 1}, status=204)
    job = await api.done(job["id"])
    assert job["history"]["reason"] == "LifeSpanEnded"


async def test_schedule_timeout_fails_a_waiting_job(api: Api) -> None:
    first = await api.start("sleep 30", preset="half")
    await api.until(first["id"], "running")
    job = await api.start(preset="half", schedule_timeout=1)
    job = await api.done(job["id"])
    assert (job["status"], job["history"]["reason"]) == ("failed", "ClusterScaleUpFailed")
    assert [item["reason"] for item in job["statuses"][:2]] == ["Creating", "Scheduling"]


@pytest.mark.thorough
async def test_restart_on_failure_until_success(api: Api) -> None:
    script = "echo try; test -e /v/3 && exit 0; touch /v/$(ls /v | wc -l); exit 5"
    volume = {
        "src_storage_uri": "storage://default/user/count",
        "dst_path": "/v",
        "read_only": False,
    }
    job, log = await api.run(sh(script), restart_policy="on-failure", volumes=[volume])
    assert (job["status"], job["history"]["restarts"]) == ("succeeded", 4)
    assert log == "try\n" * 5
    again = [item for item in job["statuses"] if item["reason"] == "Restarting"]
    assert {item["exit_code"] for item in again} == {5}


@pytest.mark.thorough
async def test_restart_always_until_cancelled(api: Api) -> None:
    job = await api.start("true", restart_policy="always")

    async def twice() -> bool:
        return bool((await api.get(job["id"]))["history"]["restarts"] >= 2)

    await eventually(twice)
    await api.call("DELETE", f"/jobs/{job['id']}", status=204)
    assert (await api.get(job["id"]))["status"] == "cancelled"


async def test_priority_decides_who_is_next(api: Api) -> None:
    first = await api.start("sleep 0.4", preset="half")
    await api.until(first["id"], "running")
    jobs = [
        await api.start("true", preset="half", priority=priority)
        for priority in ("low", "normal", "high")
    ]
    done = [await api.done(job["id"]) for job in jobs]
    starts = [job["history"]["started_at"] for job in done]
    assert starts == sorted(starts, reverse=True)


@pytest.mark.thorough
async def test_shared_jobs_take_turns(api: Api) -> None:
    jobs = [await api.start("sleep 30", preset="shared") for _ in range(2)]
    await api.until(jobs[0]["id"], "suspended")
    await api.until(jobs[1]["id"], "running")
    await api.until(jobs[1]["id"], "suspended")
    job = await api.until(jobs[0]["id"], "running")
    assert [item["status"] for item in job["statuses"]][-3:] == ["running", "suspended", "running"]
    assert job["scheduler_enabled"] is True


async def test_preemption_restarts(api: Api) -> None:
    job = await api.start("sleep 30", preset="spot")
    await api.until(job["id"], "running")
    await api.platform.preempt(job["id"])
    job = await api.until(job["id"], "running")
    assert job["history"]["restarts"] == 1
    assert "Restarting" in [item["reason"] for item in job["statuses"]]
    other = await api.start("sleep 30")
    await api.until(other["id"], "running")
    with pytest.raises(ValueError, match="preemptible"):
        await api.platform.preempt(other["id"])


async def test_names_are_unique_among_unfinished_jobs(api: Api) -> None:
    job = await api.start("sleep 30", name="the-one")
    answer = await api.start(name="the-one", status=400)
    assert job["id"] in answer["error"]
    await api.call("DELETE", "/jobs/the-one", status=204)
    again = await api.start(name="the-one")
    assert (await api.get("the-one"))["id"] == again["id"]


async def test_quota_and_credits(api: Api) -> None:
    await api.platform.set_quota("user", total_running_jobs=1)
    first = await api.start("sleep 30")
    assert "1 of 1" in (await api.start(status=400))["error"]
    waiting = await api.start(wait_for_jobs_quota=True)
    await asyncio.sleep(0.2)
    assert (await api.get(waiting["id"]))["status"] == "pending"
    await api.call("DELETE", f"/jobs/{first['id']}", status=204)
    await api.done(waiting["id"])
    await api.platform.set_quota("user", credits=Decimal(0))
    assert "credits" in (await api.start(status=400))["error"]


async def test_capacity_counts_what_is_left(api: Api) -> None:
    job = await api.start("sleep 30")
    await api.until(job["id"], "running")
    found = await api.call("GET", f"{api.mon}/capacity", status=200)
    assert found == {"tiny": 3, "half": 0, "spot": 3, "shared": 0, "huge": 0}
    assert await api.call("POST", f"{api.mon}/available", status=200) == found


async def test_a_stopped_platform_leaves_nothing_running(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        once = await api.start("sleep 30")
        always = await api.start(sh("sleep 0.3; echo done"), restart_policy="on-failure")
        await api.until(once["id"], "running")
        await api.until(always["id"], "running")
        runner = api.platform.jobs.runner
    assert isinstance(runner, ProcessRunner)
    assert await runner.stats(once["id"], 0) is None
    async with running(tmp_path / "data") as api:
        job = await api.get(once["id"])
        assert (job["status"], job["history"]["reason"]) == ("failed", "PlatformStopped")
        job = await api.done(always["id"])
        assert (job["status"], job["history"]["restarts"]) == ("succeeded", 1)


async def test_a_job_ends_with_its_owners_credits(api: Api) -> None:
    api.platform.jobs.timing = attrs.evolve(TIMING, charge=0.2)
    await api.platform.set_quota("user", credits=Decimal("0.0003"))
    job = await api.done((await api.start("sleep 30"))["id"])
    assert (job["status"], job["history"]["reason"]) == ("cancelled", "QuotaExhausted")

    async def paid() -> bool:  # the rest is taken once the processes are gone
        quota = await api.platform.quota("user", "default", None)
        assert quota.credits is not None
        assert quota.credits <= 0
        return quota.spent_credits == Decimal(job["total_price_credits"])

    await eventually(paid)


async def test_jobs_cancelled_at_any_moment_leave_nothing(api: Api) -> None:
    for pause in range(12):
        job = await api.start("sleep 30")
        await asyncio.sleep(pause / 100)
        await api.call("DELETE", f"/jobs/{job['id']}", status=204)
        assert (await api.get(job["id"]))["status"] == "cancelled"

    async def settled() -> bool:
        listed = await api.call("GET", "/jobs?materialized=1")
        return not listed["jobs"]

    await eventually(settled)
    assert api.platform.jobs.free() == api.platform.jobs.capacity


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03, 0.06, 0.1])
async def test_a_platform_that_stops_right_after_a_start_leaves_nothing(
    tmp_path: Path, pause: float
) -> None:
    marker = f"4{int(pause * 1000):03}.{os.getpid()}"
    async with asyncio.timeout(20):
        async with running(tmp_path / "data") as api:
            await api.start(f"sleep {marker}")
            await asyncio.sleep(pause)
    commands = [process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if marker in command]
