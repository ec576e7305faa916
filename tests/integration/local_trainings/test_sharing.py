"""Quotas: over them while room is free, preempted when another project claims its own."""

from __future__ import annotations

from typing import Any

import pytest

from neuro_client.local.scheduler import Capacity
from neuro_client.local.services.trainings.policy import Candidate, Quotas, decide
from neuro_client.local.services.trainings.resources import Amount

from .conftest import MIB, Api


async def test_a_project_over_its_quota_makes_room(api: Api) -> None:
    trainings = api.platform.trainings
    mine = str((await trainings.add_project("default", cpus=1)).id)
    theirs = str((await trainings.add_project("red", cpus=1)).id)
    one_core: dict[str, Any] = {"compute": {"cpuCoreRequest": 1}}
    first = await api.create("first", "sleep 60", project=mine, **one_core)
    await api.until(first, "Running")
    second = await api.create("second", "sleep 60", project=mine, **one_core)
    await api.until(second, "Running")  # over the quota, but there is room
    fixed = one_core | {"priorityClass": "build"}
    build = await api.create("build", project=mine, **fixed)
    claims = await api.create("claims", "sleep 60", project=theirs, **one_core)
    await api.until(claims, "Running")
    assert (await api.get(first))["actualPhase"] == "Running"
    found = await api.workload(second)
    assert (found["phase"], found["runningPods"]) == ("Pending", 0)
    assert "Preempted" in await api.reasons(second)
    assert found["pendingSchedulingMessages"][0]["userMessage"]
    found = await api.workload(build)
    assert (found["phase"], found["phaseReason"]) == ("Pending", "NonPreemptibleOverQuota")
    await api.act(claims, "suspend")
    await api.until(second, "Running")  # it comes back when there is room again


async def test_a_training_may_end_by_preemption(api: Api) -> None:
    spec: dict[str, Any] = {"terminateAfterPreemption": True}
    ends = await api.create("ends", "sleep 60", **spec)
    await api.until(ends, "Running")
    await api.platform.trainings.preempt(ends)
    found = await api.until(ends, "Stopped")
    assert found["desiredPhase"] == "Stopped"
    assert "preempted" in (await api.workload(ends))["phaseMessage"]
    with pytest.raises(ValueError, match="holds no resources"):
        await api.platform.trainings.preempt(ends)
    await api.act(ends, "resume")
    await api.until(ends, "Running")
    fixed = await api.create("fixed", "sleep 60", priorityClass="build")
    await api.until(fixed, "Running")
    with pytest.raises(ValueError, match="cannot be preempted"):
        await api.platform.trainings.preempt(fixed)


async def test_gpus_are_shared_out_and_departments_limit(api: Api) -> None:
    trainings = api.platform.trainings
    trainings.gpus = 1
    half: dict[str, Any] = {
        "compute": {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
    }
    halves = [await api.create(f"half-{number}", "sleep 60", **half) for number in range(3)]
    for workload_id in halves[:2]:
        await api.until(workload_id, "Running")
    await api.until(halves[2], "Pending")
    assert (await api.workload(halves[0]))["allocatedResources"]["gpu"] == 0.5
    trainings.gpus = 2
    await api.until(halves[2], "Running")
    await trainings.add_department("small", cpus=0.5)
    project = await trainings.add_project("blue", department="small")
    spec: dict[str, Any] = {"compute": {"cpuCoreRequest": 1}, "priorityClass": "build"}
    blocked = await api.create("blocked", project=str(project.id), **spec)
    await api.until(blocked, "Pending")
    with pytest.raises(ValueError, match="department 'none'"):
        await trainings.add_project("green", department="none")


async def test_jobs_and_trainings_share_the_machine(api: Api) -> None:
    platform = api.platform
    platform.jobs.capacity = Capacity(0.5, 2048 * MIB)
    async with api.session.post(
        f"{platform.api_url}/jobs?from_preset",
        json={"image": "ubuntu", "preset_name": "cpu-small", "command": "sleep 60"},
        headers={"Authorization": f"Bearer {platform.token}"},
    ) as answer:
        job = await answer.json()
    async with platform.state.watch("job", job["id"]) as changes:
        while (await platform.jobs.get(job["id"])).status != "running":
            await anext(changes)
    waits = await api.create("waits", compute={"cpuCoreRequest": 0.5})
    await api.until(waits, "Pending")
    await platform.jobs.cancel(job["id"])
    assert await api.done(waits) == "Completed"


def _candidate(name: str, project: int, cpu: float, **more: Any) -> Candidate:
    given = {"preemptible": True, "priority": 50, "since": 0.0} | more
    return Candidate(id=name, project=project, department=1, need=Amount(cpu=cpu), **given)


QUOTAS = Quotas({1: Amount(2, 9e9, 9), 2: Amount(2, 9e9, 9)}, {})


def test_nobody_is_preempted_in_vain() -> None:
    running = [_candidate("over", 1, 1), _candidate("own", 1, 2)]
    big = _candidate("big", 2, 2)
    decision = decide([big], running, Amount(cpu=0), QUOTAS)
    assert not decision.start and not decision.preempt and "big" in decision.waits


def test_the_least_important_and_youngest_make_room() -> None:
    running = [
        _candidate("old", 1, 1, since=1.0),
        _candidate("young", 1, 1, since=2.0),
        _candidate("high", 1, 1, since=3.0, priority=80),
    ]
    claim = _candidate("claim", 2, 1)
    assert decide([claim], running, Amount(cpu=0), QUOTAS).preempt == ["young"]
    # While that one is ending nobody else has to go, and nobody takes its place.
    other = _candidate("other", 1, 1, since=9.0)
    decision = decide(
        [claim, other],
        [running[0], running[2]],
        Amount(cpu=0),
        QUOTAS,
        leaving=[running[1]],
    )
    assert not decision.start and not decision.preempt


def test_one_large_victim_is_enough() -> None:
    running = [_candidate("small", 1, 1, priority=20), _candidate("large", 1, 2)]
    quotas = Quotas({1: Amount(1, 9e9, 9)}, {})
    assert decide([_candidate("claim", 2, 2)], running, Amount(cpu=0), quotas).preempt == ["large"]


def test_whoever_is_within_quota_comes_first() -> None:
    running = [_candidate("own", 1, 2)]
    over = _candidate("over", 1, 1, priority=110)
    within = _candidate("within", 2, 1, priority=20)
    assert decide([over, within], running, Amount(cpu=1), QUOTAS).start == ["within"]
