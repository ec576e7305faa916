"""Trainings really run: phases, pods, restarts, suspend, resume, delete."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from .conftest import TRAININGS, WORKLOADS, Api, running


async def test_a_training_runs_to_its_end(api: Api) -> None:
    body = api.body("mnist", "echo $JOB_NAME $SEED; pwd", workingDir="/tmp/work")
    body["spec"]["environmentVariables"] = [{"name": "SEED", "value": "1"}]
    answer = await api.call("POST", TRAININGS, json=body)
    workload_id = answer["workloadId"]
    assert answer["actualPhase"] == "Creating" and answer["desiredPhase"] == "Running"
    assert answer["spec"] == body["spec"]
    assert answer["projectId"] == api.ready["project_id"] and answer["createdBy"] == "local"
    assert await api.done(workload_id) == "Completed"
    assert await api.phases(workload_id) == [
        *("Creating", "Pending", "Initializing", "Running", "Completed"),
    ]
    assert await api.reasons(workload_id) == [
        *("Completed", "Completed", "Started", "SuccessfulCreate"),
    ]
    assert await api.log("mnist") == "mnist 1\n/tmp/work\n"
    [pod] = await api.pods(workload_id)
    assert pod["k8sPhase"] == "Succeeded" and pod["completedAt"] and "_" not in pod["id"]
    found = await api.workload(workload_id)
    assert found["phase"] == "Completed" and found["completedAt"] and found["runningPods"] == 0
    assert found["conditions"][-1]["type"] == "Completed"
    assert found["actionsSupport"] == {"delete": True, "suspend": False}


async def test_failed_pods_are_tried_again_up_to_the_limit(api: Api, tmp_path: Path) -> None:
    mount: Any = {"hostPath": [{"path": str(tmp_path), "mountPath": "/v", "readOnly": False}]}
    tries = "n=$(cat /v/{0} 2>/dev/null || echo 0); echo $((n+1)) > /v/{0}; test $n -ge {1}"
    third = await api.create("third", tries.format("a", 2), storage=mount)
    never = await api.create("never", tries.format("b", 99), storage=mount, backoffLimit=2)
    once = await api.create("once", "exit 3", backoffLimit=0)
    assert await api.done(third) == "Completed"
    assert [pod["k8sPhase"] for pod in await api.pods(third)] == ["Failed", "Failed", "Succeeded"]
    assert (await api.reasons(third)).count("BackOff") == 2
    assert await api.done(never) == "Failed"
    assert await asyncio.to_thread((tmp_path / "b").read_text) == "3\n"
    assert await api.done(once) == "Failed"
    found = await api.workload(once)
    assert "exit code 3" in found["phaseMessage"]
    assert "BackoffLimitExceeded" in await api.reasons(once)
    for action in ("suspend", "resume"):
        refusal = await api.act(once, action, status=409)
        assert refusal["code"] == 409 and "finished" in refusal["message"]


async def test_a_container_is_restarted_in_its_pod(api: Api) -> None:
    api.platform.trainings.manners.profile = "latest"
    body = api.body(
        "again",
        "echo run; test -e /e/x || { touch /e/x; exit 1; }",
        restartPolicy="OnFailure",
        storage={"emptyDirVolume": [{"path": "/e"}]},
    )
    answer = await api.call("POST", TRAININGS, json=body, status=202)
    assert await api.done(answer["workloadId"]) == "Completed"
    assert len(await api.pods(answer["workloadId"])) == 1
    assert await api.log("again") == "run\nrun\n"
    assert await api.log("again", "previous=true") == "run\n"
    folder = api.platform.data / "trainings" / "pods"
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_several_pods_bring_the_completions(api: Api, tmp_path: Path) -> None:
    mount: Any = {"hostPath": [{"path": str(tmp_path), "mountPath": "/v", "readOnly": False}]}
    # Each pod waits for another one: they can only end if two run at a time.
    script = "touch /v/$JOB_COMPLETION_INDEX; while [ $(ls /v | wc -l) -lt 2 ]; do sleep 0.02; done"
    many = await api.create("many", script, completions=4, parallelism=2, storage=mount)
    assert await api.done(many) == "Completed"
    pods = await api.pods(many)
    assert [pod["k8sPhase"] for pod in pods] == ["Succeeded"] * 4
    assert sorted(path.name for path in await asyncio.to_thread(lambda: [*tmp_path.iterdir()])) == [
        *"0123",
        "data",
        "home",
    ]
    found = await api.workload(many)
    assert found["requestedPods"] == {"number": 2, "parallelism": 2, "completions": 4}


async def test_suspend_stops_and_resume_starts_again(api: Api) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo begin; while :; do sleep 0.05; done"
    one = await api.create("one", script)
    await api.until(one, "Running")
    answer = await api.act(one, "suspend")
    assert answer == {"code": 202, "message": "Request has been accepted."}
    stopped = await api.until(one, "Stopped")
    assert stopped["desiredPhase"] == "Stopped"
    [pod] = await api.pods(one)
    assert pod["k8sPhase"] == "Failed" and pod["deletedAt"]
    await api.act(one, "suspend")  # nothing more to do
    await api.act(one, "resume")
    await api.until(one, "Running")
    await api.act(one, "resume")
    assert len(await api.pods(one)) == 2
    phases = await api.phases(one)
    assert phases[3:] == [
        *("Running", "Stopping", "Stopped", "Resuming", "Pending", "Initializing", "Running"),
    ]
    await api.call("DELETE", f"{TRAININGS}/{one}", status=204)
    await api.gone(one)
    await api.act(one, "resume", status=404)
    found = await api.workload(one)  # its history can still be read
    assert found["deletedAt"] and (await api.phases(one))[-1] == "Deleting"
    assert await api.names("deleted=true") == ["one"] and await api.names() == []


async def test_the_grace_period_is_kept(api: Api) -> None:
    api.platform.trainings.manners.profile = "latest"
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    body = api.body("stubborn", script, terminationGracePeriodSeconds=0)
    answer = await api.call("POST", TRAININGS, json=body, status=202)
    await api.until(answer["workloadId"], "Running")
    answer_ = await api.call("DELETE", f"{TRAININGS}/{answer['workloadId']}", status=202)
    assert answer_["code"] == 202
    await api.gone(answer["workloadId"], within=4)  # the usual grace here is 5 seconds


async def test_what_cannot_be_had_here_is_said(api: Api) -> None:
    api.platform.trainings.manners.profile = "latest"
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "nfs": ({"storage": {"nfs": [{"server": "s", "path": "/", "mountPath": "/n"}]}}, "NFS"),
        "claim": ({"storage": {"pvc": [_claim("gone")]}}, "'gone' was not found"),
        "secret": (_variable(secret={"name": "s", "key": "k"}), "add_secret"),
        "field": (_variable(podFieldRef={"path": "spec.foo"}), "no field 'spec.foo'"),
        "credential": (_variable(userCredential={"name": "s", "key": "k"}), "credentials"),
        "words": ({"args": "'"}, "spec.args"),
        "no-command": ({"command": None, "args": None}, "needs a command"),
    }
    found = {}
    for name, (spec, _) in cases.items():
        body = api.body(name)
        body["spec"] |= spec
        found[name] = (await api.call("POST", TRAININGS, json=body, status=202))["workloadId"]
    for name, (_, words) in cases.items():
        assert await api.done(found[name]) == "Failed"
        assert words in (await api.workload(found[name]))["phaseMessage"]
        assert len(await api.pods(found[name])) == 1  # trying again would not help


def _claim(name: str, **more: Any) -> dict[str, Any]:
    return {"existingPvc": True, "claimName": name, "path": "/data", **more}


def _variable(**source: Any) -> dict[str, Any]:
    return {"environmentVariables": [{"name": "X", **source}]}


async def test_volumes_secrets_and_config_maps(api: Api) -> None:
    trainings = api.platform.trainings
    trainings.manners.profile = "latest"
    await trainings.add_secret("default", "keys", {"token": "s3cret"})
    await trainings.add_config_map("default", "settings", {"rate": "0.1"})
    new = {"claimName": "kept", "path": "/data", "claimInfo": {"size": "1Gi"}}
    spec: dict[str, Any] = {
        "environmentVariables": [
            {"name": "TOKEN", "secret": {"name": "keys", "key": "token"}},
            {"name": "RATE", "configMap": {"name": "settings", "key": "rate"}},
            {"name": "POD", "podFieldRef": {"path": "metadata.name"}},
            {"name": "TEAM", "podFieldRef": {"path": "metadata.labels['team']"}},
        ],
        "labels": [{"name": "team", "value": "red"}],
        "storage": {
            "pvc": [new],
            "secretVolume": [{"secret": "keys", "mountPath": "/keys"}],
            "configMapVolume": [
                {"configMap": "settings", "mountPath": "/etc/rate", "subPath": "rate"}
            ],
        },
    }
    script = "echo $TOKEN $RATE $POD $TEAM > /data/env; cat /keys/token /etc/rate > /data/files"
    body = api.body("writer", script, **spec)
    answer = await api.call("POST", TRAININGS, json=body, status=202)
    assert await api.done(answer["workloadId"]) == "Completed"
    [pod] = await api.pods(answer["workloadId"])
    folder = await trainings.claim_folder("default", "kept")
    assert (folder / "env").read_text() == f"s3cret 0.1 {pod['name']} red\n"
    assert (folder / "files").read_text() == "s3cret0.1"
    assert "s3cret" not in str(await api.workload(answer["workloadId"]))
    reader = api.body("reader", "cat /data/files; echo x > /data/files && exit 9; exit 0")
    reader["spec"]["storage"] = {"pvc": [_claim("kept", readOnly=True)]}
    answer = await api.call("POST", TRAININGS, json=reader, status=202)
    assert await api.done(answer["workloadId"]) == "Completed"
    passing = api.body("passing", "echo 1 > /data/x")
    ephemeral = {"path": "/data", "claimInfo": {"size": "1Gi"}, "ephemeral": True}
    passing["spec"]["storage"] = {"pvc": [ephemeral]}
    answer = await api.call("POST", TRAININGS, json=passing, status=202)
    assert await api.done(answer["workloadId"]) == "Completed"
    await api.call("DELETE", f"{TRAININGS}/{answer['workloadId']}", status=202)
    await api.gone(answer["workloadId"])
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


async def test_finished_trainings_are_deleted_in_time(api: Api) -> None:
    at_once = await api.create("at-once", autoDeletionTimeAfterCompletionSeconds=0)
    soon = await api.create("soon", "exit 1", backoffLimit=0, **_soon(1))
    later = await api.create("later", **_soon(1000))
    for workload_id in (at_once, soon):
        await api.gone(workload_id)
    assert await api.done(later) == "Completed"
    assert sorted(await api.names("deleted=true")) == ["at-once", "soon"]


def _soon(seconds: int) -> dict[str, Any]:
    return {"autoDeletionTimeAfterCompletionSeconds": seconds}


async def test_names_are_unique_while_they_are_used(api: Api) -> None:
    first = await api.create("twin", "sleep 60")
    refusal = await api.call("POST", TRAININGS, json=api.body("twin"), status=409)
    assert refusal["code"] == 409 and first in refusal["details"]
    prefixed = api.body("twin") | {"useGivenNameAsPrefix": True}
    answer = await api.call("POST", TRAININGS, json=prefixed)
    assert answer["requestedName"] == "twin" and answer["name"].startswith("twin-")
    assert len(answer["name"]) == len("twin-") + 5
    await api.call("DELETE", f"{TRAININGS}/{first}", status=204)
    await api.gone(first)
    await api.create("twin")


async def test_a_platform_that_was_stopped_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        runs = await api.create("runs", "echo here; sleep 60")
        stops = await api.create("stops", "sleep 60")
        await api.until(runs, "Running")
        await api.until(stops, "Running")
        await api.act(stops, "suspend")
        ready = api.ready
    async with running(tmp_path / "data") as api:
        assert (api.ready["client_id"], api.ready["client_secret"]) == (
            *(ready["client_id"], ready["client_secret"]),
        )
        assert (await api.until(stops, "Stopped"))["desiredPhase"] == "Stopped"
        await api.until(runs, "Running")
        pods = await api.pods(runs)
        assert [pod["k8sPhase"] for pod in pods] == ["Failed", "Running"]
        assert (await api.workload(runs))["phase"] == "Running"
        answer = await api.call("GET", f"{WORKLOADS}/count?filterBy=phase==Running")
        assert answer == {"count": 1}
