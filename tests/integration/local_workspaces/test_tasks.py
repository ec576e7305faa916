"""Tasks run what lies in the bucket, and what they write is stored there."""

from __future__ import annotations

import asyncio
import json

import pytest

from .conftest import DASHBOARD, Api
from .files import archive, body, shard, torn, workspace

pytestmark = pytest.mark.slow


async def test_a_task_trains_on_its_shards_and_stores_what_comes_out(api: Api) -> None:
    shards = [shard(1.0, 1, "small"), shard(4.0, 2, "large")]
    content = workspace("my-run", shards=shards, rounds=3, arguments={"flavour": "mild"})
    await api.put(content)
    task_id = await api.create("my-run", estimatedMemoryMb=100, autoSelectWorkers=True)
    task = await api.until(task_id, "FINISHED")
    assert task["createdAt"] <= task["startedAt"] <= task["finishedAt"]
    job = await api.call("GET", f"{DASHBOARD}/jobs/{task_id}")
    assert (job["jobId"], job["jobName"], job["state"]) == (task_id, "My Run", "FINISHED")

    # Three rounds of (1 * 1 + 4 * 2) / 3 on a model that began with 1.
    weights = json.loads(await api.read("jobs/my-run/model_out/checkpoint.json"))
    assert weights["layer"] == pytest.approx([10.0, 1.0])
    assert await api.keys("jobs/my-run/files_out/") == [
        "metrics.json",
        "training_log.txt",
        "worker-0/note.txt",
        "worker-1/note.txt",
    ]
    log = await api.log(task_id)
    assert "training on small" in log and "training on large" in log
    assert (await api.read("jobs/my-run/files_out/training_log.txt")).decode() == log
    env = json.loads(await api.read("jobs/my-run/files_out/worker-1/note.txt"))
    assert env == {
        "EPOCHS": 1,
        "BATCH_SIZE": 32,
        "LR": 0.001,
        "DATA_ROOT": "/app/payload",
        "flavour": "mild",
    }
    metrics = json.loads(await api.read("jobs/my-run/files_out/metrics.json"))
    assert [(one["round"], one["worker"], one["samples"]) for one in metrics] == [
        (number, worker, samples)
        for number in range(3)
        for worker, samples in (("worker-0", 1), ("worker-1", 2))
    ]
    api.platform.workspaces.image = "registry.example/torch:2"
    kept = await api.platform.workspaces.control.get(task_id, "user")
    spec = api.platform.workspaces.control.launcher.spec(kept, "worker-1")
    assert (spec.image, spec.argv[-3:]) == (
        "registry.example/torch:2",
        ("worker-1", "worker-0", "worker-1"),
    )
    query = f"?job_id={task_id}&target_job_id={task_id}&target_type=server"
    stats = await api.call("GET", f"{DASHBOARD}/showStatsNvflare{query}")
    assert stats == {"current_round": 3, "num_rounds": 3}

    # The same again, from where it ended.
    await api.put({"jobs/my-run/model/start.json": b'{"layer": [100.0, 5.0]}'})
    again = await api.create("my-run", "Again", modelFolderPath="/jobs/my-run/model/")
    await api.until(again, "FINISHED")
    weights = json.loads(await api.read("jobs/my-run/model_out/checkpoint.json"))
    assert weights["layer"] == pytest.approx([109.0, 5.0])
    listed = await api.call("GET", f"{DASHBOARD}/jobs?offset=0&limit=1")
    assert [one["jobId"] for one in listed] == [again]
    listed = await api.call("GET", f"{DASHBOARD}/jobs?offset=1")
    assert [one["jobId"] for one in listed] == [task_id]


@pytest.mark.thorough
async def test_what_fails_says_why(api: Api) -> None:
    await api.put(workspace("raises", 'raise ValueError("boom")'))
    await api.put(workspace("no-zip", shards=[b"no zip at all"]))
    await api.put(workspace("torn", shards=[torn()]))
    await api.put(workspace("wrong", "return 7"))
    await api.put(workspace("killed", "os.kill(os.getpid(), 9)", shards=[shard(1), shard(2)]))
    await api.put(workspace("nameless", arguments={"model_class": "Missing"}))
    few = workspace("few")
    config = {"workflows": [{"args": {"num_rounds": 1, "min_clients": 2}}]}
    few["jobs/few/configs/config_fed_server.json"] = json.dumps(config).encode()
    await api.put(few)
    for slug, reason in (
        ("few", "server: min_clients is 2, and there are 1 shards"),
        ("raises", "worker-0: ValueError: boom"),
        ("no-zip", "/jobs/no-zip/shards/shard_0.zip cannot be unpacked"),
        ("torn", "/jobs/torn/shards/shard_0.zip cannot be unpacked"),
        ("wrong", "worker-0: fl_train must return a mapping with weights and samples"),
        ("killed", "ended with exit code 137"),
        ("nameless", "worker-0: scripts/model_def.py has no Missing"),
    ):
        task = await api.until(await api.create(slug), "FAILED")
        assert reason in task["reason"], slug
        job = await api.call("GET", f"{DASHBOARD}/jobs/{task['id']}")
        assert (job["state"], job["reason"]) == ("FAILED", task["reason"])
    text = (await api.read("jobs/raises/files_out/training_log.txt")).decode()
    assert "Traceback" in text and "boom" in text


@pytest.mark.thorough
async def test_results_are_stored_while_it_runs_and_a_cancelled_task_ends(api: Api) -> None:
    await api.put(workspace("slow", "time.sleep(600)"))
    task_id = await api.create("slow")
    await api.until(task_id, "RUNNING")
    await api.logged(task_id, "training on some")
    await api.stored("jobs/slow/files_out/", "worker-0/note.txt")
    found = await api.call("POST", f"/api/tasks/{task_id}/cancel", status=202)
    assert found["status"] == "CANCELLED"
    said = await api.refused("POST", f"/api/tasks/{task_id}/cancel", 409)
    assert said == f"conflict: Task {task_id} is over: CANCELLED"
    assert (await api.get(task_id))["reason"] == "cancelled by the user"


@pytest.mark.thorough
async def test_those_without_a_place_wait_and_can_be_cancelled(api: Api) -> None:
    await api.put(workspace("slow", "time.sleep(600)"))
    first = [await api.create("slow", f"number {n}") for n in range(2)]
    for task_id in first:
        await api.until(task_id, "RUNNING")
    waiting = [await api.create("slow", f"late {n}") for n in range(2)]
    job = await api.call("GET", f"{DASHBOARD}/jobs/{waiting[0]}")
    assert job["state"] == "PENDING"
    assert (await api.get(waiting[0]))["status"] == "QUEUED"
    await api.call("POST", f"/api/tasks/{waiting[0]}/cancel", status=202)
    await api.call("POST", f"/api/tasks/{first[0]}/cancel", status=202)
    await api.until(waiting[1], "RUNNING")
    assert (await api.get(waiting[0]))["status"] == "CANCELLED"


@pytest.mark.thorough
async def test_a_full_bucket_fails_the_task_and_says_so(api: Api) -> None:
    await api.put(workspace("full"))
    used = (await api.platform.workspaces.usage("user")).bytes
    await api.platform.workspaces.set_quota("user", size=used + 10)
    task = await api.until(await api.create("full"), "FAILED")
    assert "quota is reached" in task["reason"]
    assert "training on some" in await api.log(task["id"])  # the platform has it still


async def test_a_request_is_checked(api: Api) -> None:
    await api.put(workspace("good"))
    await api.put(
        {"jobs/empty/shards/readme.txt": b"no shard", "jobs/half/scripts/model_def.py": b""}
    )
    good = body("good")

    async def said(**change: object) -> str:
        return await api.refused("POST", "/api/tasks", 400, json=good | change)

    assert "name must not be empty" in await said(name="  ")
    assert "name must not be empty" in await said(name=None)
    assert "shardsDirPath must begin with /jobs/" in await said(shardsDirPath="jobs/good/shards")
    assert "shardsDirPath must begin with /jobs/" in await said(shardsDirPath="/other/shards")
    for path in ("/jobs/../good/shards", "/jobs/good//shards", "/jobs/", "/jobs/good"):
        assert "shardsDirPath must be a folder of a job" in await said(shardsDirPath=path)
    assert "has no .zip file" in await said(shardsDirPath="/jobs/empty/shards")
    assert "there is nothing in /jobs/no/shards" in await said(shardsDirPath="/jobs/no/shards")
    half = await said(trainingScriptsFolderPath="/jobs/half/scripts")
    assert "/jobs/half/scripts has no custom_client_executor.py" in half
    assert "modelFolderPath: there is nothing" in await said(modelFolderPath="/jobs/good/model")
    for memory in (0, -1, 1.5, "8", True):
        assert "estimatedMemoryMb" in await said(estimatedMemoryMb=memory)
    assert "2 workers for 1 shards" in await said(workerIds=["a", "b"])
    assert "names a worker twice" in await said(workerIds=["a", "a"])
    assert "gpuModels must be a list" in await said(gpuModels="a")
    assert "autoSelectWorkers must be true or false" in await said(autoSelectWorkers="yes")
    for data in (b"", b"[]", b'{"name": ', b'"\\ud800"'):
        assert "body" in await api.refused("POST", "/api/tasks", 400, data=data)
    assert await api.call("GET", f"{DASHBOARD}/jobs") == []


@pytest.mark.thorough
async def test_a_user_sees_only_his_own(api: Api) -> None:
    await api.put(workspace("mine"))
    task_id = await api.create("mine")
    eve = await api.platform.workspaces.add_user("eve")
    headers = {"Authorization": f"Bearer {eve.api_key}"}
    for path in (f"/api/tasks/{task_id}", f"{DASHBOARD}/jobs/{task_id}"):
        assert "not_found" in await api.refused("GET", path, 404, headers=headers)
    assert await api.call("GET", f"{DASHBOARD}/jobs", headers=headers) == []
    said = await api.refused("POST", "/api/tasks", 400, json=body("mine"), headers=headers)
    assert "there is nothing in /jobs/mine/scripts" in said
    found = await api.call("GET", f"{DASHBOARD}/listJobsNvflare", headers=headers)
    assert found == {"jobs": []}


@pytest.mark.thorough
async def test_a_shard_cannot_reach_out_of_its_folder(api: Api) -> None:
    evil = archive({"../../../evil.txt": "x", "/evil.txt": "x", "data.json": "{}"})
    await api.put(workspace("evil", shards=[evil]))
    task = await api.until(await api.create("evil"), "FAILED")
    assert "KeyError" in task["reason"]  # the shard was read, and says nothing
    folder = api.platform.data
    found = await asyncio.to_thread(lambda: list(folder.parent.rglob("evil.txt")))
    assert all("payload" in path.parts for path in found)


@pytest.mark.thorough
async def test_a_bucket_that_is_away_for_a_while_costs_nothing(local_api: Api) -> None:
    api = local_api
    await api.put(workspace("waits", 'while not os.path.exists("/shared/go"): time.sleep(0.01)'))
    task_id = await api.create("waits")
    await api.logged(task_id, "training on some")
    await api.platform.close_listener("s3")
    folder = api.platform.data / "workspaces" / task_id / "shared"
    await asyncio.to_thread((folder / "go").touch)
    await api.logged(task_id, "finished after 1 rounds")
    await api.platform.open_listener("s3")
    await api.until(task_id, "FINISHED")
    assert "training_log.txt" in await api.keys("jobs/waits/files_out/")
