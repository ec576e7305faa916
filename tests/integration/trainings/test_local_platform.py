"""Trainings that really run on the local platform, and the commands on the same one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client import Client
from neuro_client.errors import ConflictError, JobFailed, ResourceNotFound, TrainingFailed
from neuro_client.local import LocalPlatform
from neuro_client.run import Run, RunStatus
from neuro_client.trainings import (
    MetricType,
    TelemetryType,
    Training,
    TrainingFailure,
    TrainingPhase,
    Trainings,
    TrainingSpec,
)

from ..cli.kit import Program

pytestmark = pytest.mark.slow


def shell(script: str) -> TrainingSpec:
    """Return the spec of a shell script that is not tried again."""
    return TrainingSpec(image="python:3.11", command="sh", args=f"-c '{script}'", backoff_limit=0)


async def submit(client: Client, name: str, spec: TrainingSpec) -> Training:
    [project] = await client.trainings.projects()
    return await client.trainings.create(
        spec, name=name, project_id=project.id, cluster_id=project.cluster_id
    )


async def read(run: Run, **options: object) -> list[str]:
    async with run.logs(**options) as lines:  # type: ignore[arg-type]
        return [line async for line in lines]


async def test_a_training_from_its_begin_to_its_end(client: Client) -> None:
    trainings = client.trainings
    training = await submit(client, "mnist", shell("echo one; echo two; sleep 0.2"))
    assert training.name == "mnist"
    async with asyncio.TaskGroup() as group:
        changes = group.create_task(_phases(trainings, training.id))
        lines = group.create_task(read(trainings.get_run(training.id)))
    assert lines.result() == ["one", "two"]
    assert changes.result()[-1] is TrainingPhase.COMPLETED
    ended = await trainings.wait(training.id)
    assert ended.phase is TrainingPhase.COMPLETED
    assert ended.spec is not None
    assert ended.spec.image == "python:3.11"
    with pytest.raises(ConflictError):
        await trainings.resume(training.id)

    async with trainings.history(training.id) as history:
        phases = [record.phase async for record in history if record.phase is not None]
    assert {phases[0], phases[-1]} == {TrainingPhase.CREATING, TrainingPhase.COMPLETED}
    async with trainings.events(training.id) as events:
        assert [event async for event in events]
    async with trainings.pods(training.id) as pods:
        [pod] = [pod async for pod in pods]
    assert pod.k8s_phase == "Succeeded"
    types = (MetricType.CPU_USAGE_CORES, MetricType.CPU_MEMORY_USAGE_BYTES)
    found = await trainings.metrics(training.id, types)
    assert {series.type for series in found.measurements} == set(types)
    assert (await trainings.pod_metrics(training.id, pod.id, types[:1])).measurements
    counted = await trainings.telemetry(TelemetryType.WORKLOADS_COUNT, group_by=["Phase"])
    assert {value.groups[0].value: int(value.value) for value in counted.values} == {"Completed": 1}
    assert await trainings.count() == 1
    [cluster] = await trainings.clusters()
    assert cluster.id == training.cluster_id

    async with trainings.list(filters=["name==mnist"], sort_by="createdAt") as listing:
        assert [item.id async for item in listing] == [training.id]
    assert (await trainings.batch([training.id], "delete")).succeeded == (training.id,)
    with pytest.raises((ResourceNotFound, TrainingFailed)):
        await trainings.wait(training.id, until=[TrainingPhase.RUNNING])


async def _phases(trainings: Trainings, id: str) -> list[TrainingPhase]:
    async with trainings.watch(id) as changes:
        return [change.phase async for change in changes]


async def start_job(client: Client, script: str) -> Run:
    job = await client.jobs.start(
        image=client.parse.remote_image("python:3.11"),
        preset_name="cpu-small",
        command=f"sh -c '{script}'",
    )
    return client.jobs.get_run(job.id)


async def start_training(client: Client, script: str) -> Run:
    name = f"t-{abs(hash(script)) % 10**6}"
    return client.trainings.get_run((await submit(client, name, shell(script))).id)


async def test_jobs_and_trainings_are_runs_alike(client: Client) -> None:
    for start in (start_job, start_training):
        good = await start(client, "echo well")
        assert isinstance(good, Run)
        assert await read(good) == ["well"]
        await good.wait(timeout=20)
        assert await good.status() is RunStatus.SUCCEEDED
        await good.stop()  # what has ended stays as it is
        assert await read(good, follow=False, tail=1) == ["well"]
        assert repr(good.id).strip("'") in repr(good)

        bad = await start(client, "echo no such data; exit 3")
        with pytest.raises(neuro_failure(start)) as caught:
            await bad.wait(timeout=20)
        assert caught.value.log_tail == ("no such data",)
        assert await bad.status() is RunStatus.FAILED

    stopped = await start_training(client, "echo on; sleep 60")
    async with stopped.logs() as lines:
        assert await anext(lines) == "on"
        await stopped.stop()
        await client.trainings.wait(stopped.id, until=[TrainingPhase.STOPPED], timeout=20)
        assert await stopped.status() is RunStatus.SUSPENDED
        await client.trainings.resume(stopped.id)
        assert await anext(lines) == "on"  # of the second run
    with pytest.raises(TimeoutError, match="it goes on"):
        await stopped.wait(timeout=0.05)
    await client.trainings.delete(stopped.id)


def neuro_failure(start: object) -> type[TrainingFailure]:
    return TrainingFailure if start is start_training else JobFailed  # type: ignore[return-value]


# Commands


@pytest.fixture
async def program(
    local_platform: LocalPlatform, client: Client, tmp_path: Path
) -> AsyncIterator[Program]:
    """Give the program, logged in as the client is."""
    yield Program(tmp_path, tmp_path / "config")


async def test_the_commands(program: Program, tmp_path: Path) -> None:
    await asyncio.to_thread(_commands, program, tmp_path)


def _commands(program: Program, folder: Path) -> None:
    file = folder / "train.yaml"
    file.write_text(
        "image: python:3.11\ncommand: sh\nargs: -c 'echo $GREETING; sleep 0.1'\nbackoffLimit: 0\n"
        "environmentVariables:\n- {name: GREETING, value: bye}\n"
    )
    submit = ("training", "submit", str(file), "--name")
    planned = program.document(
        *submit, "first", "-e", "GREETING=hello", "--dry-run", "--cpus", "0.5"
    )
    assert planned["spec"]["environmentVariables"] == [{"name": "GREETING", "value": "hello"}]
    assert planned["spec"]["compute"] == {"cpuCoreRequest": 0.5}
    first = program.document(*submit, "first", "-e", "GREETING=hello", "--submission-id", "one")
    again = program.document(*submit, "first", "--submission-id", "one")
    assert first["id"] == again["id"]
    assert program.call("training", "logs", "first").stdout == "hello\n"
    assert program.document("training", "logs", "first", "--timestamps")["line"] == "hello"
    assert program.document("training", "wait", first["id"])["phase"] == "Completed"
    assert "GREETING" not in json.dumps(program.document("training", "get", "first"))
    assert "Completed" in program.call("training", "get", "first").stdout
    assert program.documents("training", "events", "first")[0]["message"]
    assert "Normal" in program.call("training", "events", "first").stdout
    assert program.call("training", "events", "--warnings", "first").stdout == ""
    for sample in program.documents("training", "metrics", "first", "--since", "5m"):
        assert sample["type"] in ("CPU_USAGE_CORES", "CPU_MEMORY_USAGE_BYTES")
    assert "TIME" in program.call("training", "metrics", "first").stdout

    long = ("training", "submit", "-i", "python:3.11", "--command", "sleep", "--args", "60")
    second = program.call(*long, "-n", "second", "-p", "default").stdout.strip()
    program.call("training", "wait", "second", "--for", "running", "--timeout", "20s")
    program.call("training", "wait", "second", "--timeout", "0.1s", code=124)
    assert program.document("training", "suspend", "second", "none", code=4) == {
        "suspended": [second],
        "failed": [
            {"training": "none", "error": "There is no training with the id or name 'none'"}
        ],
    }
    program.call("training", "wait", "second", "--for", "stopped", "--timeout", "15s")
    program.call("training", "suspend", "first", code=5)
    program.call("training", "resume", "second")
    listed = program.documents("training", "ls", "--sort", "createdAt")
    assert [item["name"] for item in listed] == ["first", "second"]
    table = program.call("training", "ls", "--name", "sec").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "NAME", "PHASE"]
    assert [line.split()[1] for line in table[1:]] == ["second"]
    assert program.documents("training", "ls", "--phase", "failed", "--all-types") == []
    assert program.document("training", "delete", "second")["deleted"] == [second]
    bad = program.call(
        *long[:3], "x", "--command", "false", "--backoff-limit", "0", "-n", "third"
    ).stdout.strip()
    failed = program.call("training", "wait", bad, "--timeout", "15s", code=1)
    assert "is Failed" in failed.stderr

    # Wrong usage, refusals, and what is missing.
    program.call("training", "submit", "-i", "x", code=2)
    program.call(*long, "-n", "fourth", "-p", "nowhere", code=4)
    assert "--env is NAME=VALUE" in program.call(*long, "-n", "a", "-e", "X", code=2).stderr
    assert "DNS label" in program.call(*long, "-n", "Not_DNS", code=2).stderr
    program.call(*long, "-n", "first", code=5)
    program.call("training", "get", "none", code=4)
    program.call("training", "ls", "--filter", "phase", code=2)
    program.call("training", "ls", "--sort", "age", code=2)
    file.write_text("projectId: 1\nspecs: {}\n")
    assert "specs" in program.call(*submit, "x", code=2).stderr
    file.write_text("- [\n")
    program.call(*submit, "x", code=2)
    (program.config / "services.toml").unlink()
    assert "RUNAI_URL" in program.call("training", "ls", code=3).stderr
