"""What a submission writes, in which order, and what it leaves alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from neuro_client.errors import (
    AuthenticationError,
    AuthError,
    AuthorizationError,
    ConflictError,
    QuotaExceededError,
    ResourceNotFound,
)
from neuro_client.local.services.s3.control import Grant
from neuro_client.transfer import (
    NullProgress,
    StorageProgressComplete,
    StorageProgressEnterDir,
    StorageProgressLeaveDir,
)
from neuro_client.workspaces import SlugStyle, TaskState, Workspaces
from neuro_client.workspaces.shard_map import loads
from tests.integration.local_workspaces.files import model, shard

from .world import TASKS, World, opened, settings

pytestmark = pytest.mark.slow

LAYOUT = (
    ("scripts/model_def.py", "text/x-python"),
    ("scripts/custom_client_executor.py", "text/x-python"),
    ("scripts/custom_persistor.py", "text/x-python"),
    ("configs/config_fed_client.json", "application/json"),
    ("configs/config_fed_server.json", "application/json"),
    ("configs/meta.json", "application/json"),
    ("requirements/requirements.txt", "text/plain"),
    ("shards/shard_0.zip", "application/zip"),
    ("shards/shard_1.zip", "application/zip"),
    ("model/start.json", "application/octet-stream"),
    ("shards/sharding_map.json", "application/json"),
)
ANSWER = {"id": "t-1", "name": "My Run"}


class Told(NullProgress):
    """Keep the names of what was sent whole."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def enter(self, data: StorageProgressEnterDir) -> None:
        self.names.append(data.dst.name)

    def complete(self, data: StorageProgressComplete) -> None:
        self.names.append(data.dst.name)

    def leave(self, data: StorageProgressLeaveDir) -> None:
        self.names.append(f"{data.dst.name} left")


async def test_the_first_submission_and_the_next_ones(tmp_path: Path) -> None:
    checkpoint = tmp_path / "start.json"
    checkpoint.write_bytes(b'{"layer": [1, 1]}')
    async with opened(tmp_path) as world:
        plan = await world.plan(checkpoint=checkpoint, estimated_memory_mb=100)
        assert await world.keys() == []
        assert plan.bytes_to_send == plan.bytes_added == sum(file.size for file in plan.files)
        assert [file.key for file in plan.uploads] == [f"jobs/my-run/{key}" for key, _ in LAYOUT]

        told = Told()
        with world.platform.intercept() as seen:
            task = await world.submit(checkpoint=checkpoint, estimated_memory_mb=100, progress=told)
        assert not task.adopted
        assert told.names == ["my-run", "shard_0.zip", "shard_1.zip", "start.json", "my-run left"]
        assert str(task.dashboard_url).startswith(f"{world.ready['dashboard_url']}/jobs/")
        written = [
            (call.path.partition("/my-run/")[2], call.headers["Content-Type"])
            for call in seen.calls
            if call.method == "PUT"
        ]
        assert written == list(LAYOUT)
        assert [call.path for call in seen.calls if call.method == "POST"] == ["/api/tasks"]
        assert seen.calls[-1].path == "/api/tasks"
        request = dict(task.plan.request) if task.plan else {}
        assert request["estimatedMemoryMb"] == 100 and request["autoSelectWorkers"] is True
        assert request["modelFolderPath"] == "/jobs/my-run/model"
        await the_map_tells_the_shards(world)

        with world.platform.intercept() as seen:
            seen.answer(TASKS, status=201, json=ANSWER)
            again = await world.submit(checkpoint=checkpoint)
        assert again.plan is not None and again.plan.uploads == ()
        assert not [call for call in seen.calls if call.method == "PUT"]

        await changed_content_needs_leave(world)
        await an_existing_workspace_starts_as_it_is(world)
        await world.workspaces.cancel(task.id)


async def the_map_tells_the_shards(world: World) -> None:
    data = await world.workspaces.storage.get_bytes("jobs/my-run/shards/sharding_map.json")
    found = loads(data)
    assert [entry.name for entry in found.shards] == ["shard_0.zip", "shard_1.zip"]


async def changed_content_needs_leave(world: World) -> None:
    (world.shards / "shard_1.zip").write_bytes(shard(4.0, samples=3))  # of the same size
    with pytest.raises(ConflictError, match=r"shards/shard_1\.zip"):
        await world.submit()
    with world.platform.intercept() as seen:
        seen.answer(TASKS, status=201, json=ANSWER)
        task = await world.submit(exist_ok=True)
    assert [call.path.rpartition("/")[2] for call in seen.calls if call.method == "PUT"] == [
        "shard_1.zip",
        "sharding_map.json",
    ]
    assert task.plan is not None and task.plan.bytes_added == 0
    # Another name with the same slug is the same folder.
    with pytest.raises(ConflictError, match="has other content"):
        await world.submit("my run", scripts={"model_def.py": model("pass  # other")})


async def an_existing_workspace_starts_as_it_is(world: World) -> None:
    with world.platform.intercept() as seen:
        seen.answer(TASKS, status=201, json=ANSWER)
        task = await world.workspaces.submit_existing(
            "Named otherwise", 64, slug="my-run", worker_ids=["a", "b"]
        )
    assert (task.id, task.slug) == ("t-1", "my-run")  # the answer does not tell the folder
    assert not [call for call in seen.calls if call.method == "PUT"]
    with pytest.raises(ValueError, match="3 workers for 2 shards"):
        await world.workspaces.submit_existing("My Run", worker_ids=["a", "b", "c"])
    await world.workspaces.storage.delete("jobs/my-run/configs/meta.json")
    with pytest.raises(ResourceNotFound, match=r"configs/meta\.json is missing"):
        await world.workspaces.submit_existing("My Run")


async def test_orphans_quota_and_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path) as world:
        with world.platform.intercept() as seen:
            seen.answer(TASKS, status=201, json=ANSWER, times=3)
            await world.submit()
            (world.shards / "shard_1.zip").unlink()
            with caplog.at_level(logging.WARNING, "neuro_client.workspaces"):
                left = await world.submit(exist_ok=True)
            assert left.plan is not None
            assert left.plan.orphans == ("jobs/my-run/shards/shard_1.zip",)
            assert "prune=True" in caplog.text
            await world.submit(exist_ok=True, prune=True)
            assert "jobs/my-run/shards/shard_1.zip" not in await world.keys()

            await the_meter_is_read_first(world)
            await the_bucket_has_the_last_word(world)
            await keys_are_told_apart(world)
        assert not [c for c in seen.calls if c.path == "/api/tasks" and c.status == 400]
        assert sum(call.path == "/api/tasks" for call in seen.calls) == 3


async def the_meter_is_read_first(world: World) -> None:
    used = (await world.workspaces.usage()).used_bytes or 0
    await world.platform.workspaces.set_quota("user", size=used + 100)
    with world.platform.intercept() as seen, pytest.raises(QuotaExceededError) as caught:
        await world.submit("Another")
    assert caught.value.status is None and caught.value.limit == used + 100
    assert not [call for call in seen.calls if call.method in ("PUT", "POST")]


async def the_bucket_has_the_last_word(world: World) -> None:
    with pytest.raises(QuotaExceededError, match="quota is reached") as caught:
        await world.submit("Another", force=True)
    found, usage = caught.value, await world.workspaces.usage()
    assert (found.status, found.limit, found.used) == (403, usage.quota_bytes, usage.used_bytes)
    # The same where it is the platform that tells it: room for the texts, for no shard.
    plan = await world.plan("Linked", force=True)
    texts = sum(file.size for file in plan.files[:7])
    await world.platform.workspaces.set_quota("user", size=(usage.used_bytes or 0) + texts)
    with pytest.raises(QuotaExceededError, match="upload/complete answered 403") as caught:
        await world.submit("Linked", force=True, presigned=True)
    assert caught.value.limit == (usage.used_bytes or 0) + texts
    await world.platform.workspaces.set_quota("user")


async def keys_are_told_apart(world: World) -> None:
    usual = settings(world.ready)
    reader = await world.platform.s3.create_key(
        {world.ready["bucket"]: Grant(read=True, write=False, owner=False)}, prefix="GK"
    )
    wrong: tuple[tuple[str, type[AuthError], dict[str, Any]], ...] = (
        ("key is not known", AuthenticationError, {"access_key_id": "GK" + "0" * 24}),
        ("secret key does not fit", AuthenticationError, {"secret_access_key": "0" * 64}),
        (
            "do not allow it",
            AuthorizationError,
            {
                "access_key_id": reader.access_key_id,
                "secret_access_key": reader.secret_access_key,
            },
        ),
    )
    for message, kind, given in wrong:
        async with Workspaces.connect(world.ready["url"], **{**usual, **given}) as other:
            with pytest.raises(kind, match=message) as caught:
                await other.storage.put_bytes("jobs/other/x", b"1")
            assert type(caught.value) is kind
            assert usual["secret_access_key"] not in str(caught.value)


@pytest.mark.thorough
async def test_names_that_could_lead_elsewhere(tmp_path: Path) -> None:
    names = {
        "../up": "up",
        "100% & more": "100--more",
        "a/../../b": "ab",
        "été 日": "été-日",
    }
    async with opened(tmp_path) as world:
        for name, slug in names.items():
            odd = world.shards / "50% & ?#.zip"
            odd.write_bytes(shard(2.0))
            with world.platform.intercept() as seen:
                seen.answer(TASKS, status=201, json=ANSWER)
                task = await world.submit(name)
            assert task.plan is not None and task.plan.slug == slug
            assert f"jobs/{slug}/shards/50% & ?#.zip" in await world.keys(f"jobs/{slug}/")
        plan = await world.plan("My Run", slug_style=SlugStyle.STRIP)
        assert plan.slug == "myrun"
        assert (await world.plan("My Run", slug="other")).slug == "other"


@pytest.mark.thorough
async def test_a_task_from_submission_to_results(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        task = await world.submit()
        async with world.workspaces.logs(task.id) as lines:
            told = [line async for line in lines]
        assert any("training on some" in line for line in told)
        async with world.workspaces.logs(task.id, follow=False, tail=2) as lines:
            assert [line async for line in lines] == told[-2:]
        done = await world.workspaces.wait(task.id, timeout=60)
        assert done.state is TaskState.FINISHED
        results = world.workspaces.results(done)
        async with results.list() as files:
            paths = {file.path: file.size async for file in files}
        assert "files_out/training_log.txt" in paths
        await results.download(tmp_path / "out")
        for path, size in paths.items():
            assert (tmp_path / "out" / path).stat().st_size == size
        assert "Expires=3600" in str(await results.link("files_out/training_log.txt"))
        checkpoint = next(path for path in paths if path.startswith("model_out/"))
        # The mean of 1 + 1 and 1 + 3, weighed by their samples.
        assert json.loads(await results.read(checkpoint))["layer"][0] == pytest.approx(3.5)
