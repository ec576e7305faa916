"""What is sent and what is refused, decided without a server."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from neuro_client.buckets.provider import Blob
from neuro_client.errors import ConflictError, QuotaExceededError
from neuro_client.threads import run_blocking
from neuro_client.workspaces import Configs, StorageUsage, SubmitPlan
from neuro_client.workspaces.local_files import LocalFile, LocalWorkspace, collect
from neuro_client.workspaces.options import TaskOptions
from neuro_client.workspaces.planning import check_quota, make_plan, task_request
from neuro_client.workspaces.remote import RemoteWorkspace
from neuro_client.workspaces.submitting import check_workspace
from tests.integration.local_workspaces.files import archive

MiB = 2**20


async def collected(folder: Path, **options: Any) -> LocalWorkspace:
    given: dict[str, Any] = {
        "scripts": {"model_def.py": "pass"},
        "configs": Configs("run"),
        "requirements": ["numpy"],
        "shards": folder,
        "checkpoint": None,
        "defaults": Configs("run"),
    }
    return await collect("run", **{**given, **options})


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in (1, 0):
        (folder / f"shard_{number}.ZIP").write_bytes(archive({"a": "x" * (number + 1)}))
    return folder


async def blobs(local: LocalWorkspace) -> dict[str, Blob]:
    """Return what the bucket has once everything is written."""

    def read(file: LocalFile) -> bytes:
        return file.source.read_bytes() if file.source else file.data or b""

    found = {}
    for file in (*local.files, local.map_file):
        digest = hashlib.md5(await run_blocking(read, file)).hexdigest()
        found[file.key] = Blob(file.key, file.size, f'"{digest}"')
    return found


async def planned(local: LocalWorkspace, remote: RemoteWorkspace, **options: Any) -> SubmitPlan:
    given = {"options": TaskOptions(), "prune": False, "exist_ok": False, **options}
    return await make_plan("run", "run", local, remote, **given)


async def test_only_what_has_changed_is_sent(shards: Path) -> None:
    local = await collected(shards)
    there = await blobs(local)
    assert [file.key for file in (await planned(local, RemoteWorkspace({}))).uploads] == list(there)

    # Without the map the tags tell that the shards are the same.
    plan = await planned(local, RemoteWorkspace(there))
    assert [file.key for file in plan.uploads] == ["jobs/run/shards/sharding_map.json"]
    plan = await planned(local, RemoteWorkspace(there, local.shard_map))
    assert plan.uploads == ()

    # With it tags do not matter: the published client sends each shard in parts.
    key = "jobs/run/shards/shard_1.ZIP"
    parts = {**there, key: attrs.evolve(there[key], etag='"0-1"')}
    assert (await planned(local, RemoteWorkspace(parts, local.shard_map))).uploads == ()
    short = {**there, key: attrs.evolve(there[key], size=1)}
    with pytest.raises(ConflictError, match=r"shard_1\.ZIP"):
        await planned(local, RemoteWorkspace(short, local.shard_map))
    plan = await planned(local, RemoteWorkspace(short, local.shard_map), exist_ok=True)
    assert [file.key for file in plan.uploads] == [key]
    assert (plan.bytes_added, plan.objects_added) == (plan.bytes_to_send - 1, 0)


async def test_a_map_knows_nothing_of_shards_that_are_newer(shards: Path) -> None:
    local = await collected(shards)
    then = datetime(2026, 11, 21, tzinfo=UTC)
    there = {
        key: attrs.evolve(blob, etag='"0-1"' if blob.key.endswith("ZIP") else blob.etag)
        for key, blob in (await blobs(local)).items()
    }

    async def sent(later: timedelta) -> list[str]:
        key, mapped = "jobs/run/shards/shard_1.ZIP", local.map_file.key
        found = {
            **there,
            key: attrs.evolve(there[key], modified_at=then + later),
            mapped: attrs.evolve(there[mapped], modified_at=then),
        }
        plan = await planned(local, RemoteWorkspace(found, local.shard_map), exist_ok=True)
        return [file.key.rpartition("/")[2] for file in plan.uploads]

    assert await sent(timedelta()) == []
    assert await sent(timedelta(milliseconds=1)) == ["shard_1.ZIP"]


async def test_only_zips_directly_in_the_folder_are_shards(shards: Path) -> None:
    local = await collected(shards)
    names = ("old/shard_9.zip", "notes.txt")
    below = {key: Blob(key, 9) for key in (f"jobs/run/shards/{name}" for name in names)}
    remote = RemoteWorkspace({**await blobs(local), **below})
    workers = TaskOptions(worker_ids=("a", "b"))
    plan = await planned(local, remote, exist_ok=True, options=workers)
    assert plan.orphans == ()
    assert check_workspace("run", remote.objects) == 2


async def test_one_checkpoint_at_a_time(tmp_path: Path, shards: Path) -> None:
    (tmp_path / "b.json").write_text("{}")
    local = await collected(shards, checkpoint=tmp_path / "b.json")
    other = "jobs/run/model/a.json"
    remote = RemoteWorkspace({other: Blob(other, 9)})
    with pytest.raises(ConflictError, match=r"model/a\.json.*prune=True"):
        await planned(local, remote, exist_ok=True)
    workers = TaskOptions(worker_ids=("a", "b"))
    plan = await planned(local, remote, exist_ok=True, prune=True, options=workers)
    assert plan.orphans == (other,)
    # Without one of its own the task is not told of the folder.
    plan = await planned(await collected(shards), remote, exist_ok=True)
    assert plan.orphans == () and "modelFolderPath" not in plan.request


async def test_a_part_of_the_same_is_no_clash_and_outputs_are_none(shards: Path) -> None:
    local = await collected(shards)
    there = await blobs(local)
    part = dict(list(there.items())[:4])
    log = "jobs/run/files_out/training_log.txt"
    plan = await planned(local, RemoteWorkspace({**part, log: Blob(log, 9)}))
    assert len(plan.uploads) == len(there) - 4
    extra = "jobs/run/shards/shard_7.zip"
    with pytest.raises(ConflictError, match=r"shard_7\.zip"):
        await planned(local, RemoteWorkspace({**there, extra: Blob(extra, 9)}))
    remote = RemoteWorkspace({**there, extra: Blob(extra, 9)})
    plan = await planned(local, remote, exist_ok=True)
    assert plan.orphans == (extra,)
    workers = TaskOptions(worker_ids=("a", "b"))
    with pytest.raises(ValueError, match="2 workers for 3 shards"):
        await planned(local, remote, exist_ok=True, options=workers)
    assert (await planned(local, remote, exist_ok=True, prune=True, options=workers)).prune


async def test_the_tag_of_a_file_in_parts(tmp_path: Path, shards: Path) -> None:
    checkpoint = tmp_path / "w.pt"
    data = b"a" * (10 * MiB)
    checkpoint.write_bytes(data)
    local = await collected(shards, checkpoint=checkpoint)
    [file] = [file for file in local.files if file.key.endswith("w.pt")]
    assert file.content_type == "application/octet-stream"
    whole, joined = tags(data)
    assert await file.is_tagged(joined)
    assert not await file.is_tagged(whole)
    checkpoint.write_bytes(data[1:])
    local = await collected(shards, checkpoint=checkpoint)
    [file] = [file for file in local.files if file.key.endswith("w.pt")]
    for tag in tags(data[1:]):
        assert await file.is_tagged(tag)
    assert not await file.is_tagged(joined)


def tags(data: bytes) -> tuple[str, str]:
    """Return the ETag of an object written in one request, and as an upload of one part."""
    digest = hashlib.md5(data)
    return f'"{digest.hexdigest()}"', f'"{hashlib.md5(digest.digest()).hexdigest()}-1"'


@pytest.mark.parametrize(
    ("usage", "refused"),
    [
        (None, False),
        (StorageUsage(), False),
        (StorageUsage(used_bytes=0, quota_bytes=10), True),
        (StorageUsage(used_bytes=0, quota_bytes=10**9), False),
        (StorageUsage(used_bytes=5, quota_bytes=None), False),
        (StorageUsage(object_count=1, object_quota=5), True),
        (StorageUsage(used_bytes=0, object_quota=5), False),
    ],
)
async def test_the_quota_is_checked_by_what_is_known(
    shards: Path, usage: StorageUsage | None, refused: bool
) -> None:
    local = await collected(shards)
    plan = await planned(local, RemoteWorkspace(usage=usage))
    if not refused:
        check_quota(plan)
        return
    with pytest.raises(QuotaExceededError) as caught:
        check_quota(plan)
    assert caught.value.status is None
    assert caught.value.needed in (plan.bytes_added, plan.objects_added)


def test_the_request_has_what_was_asked_for_and_no_nulls() -> None:
    body = task_request("My Run", "my-run", shards=1, has_model=False, options=TaskOptions())
    assert body == {
        "name": "My Run",
        "trainingScriptsFolderPath": "/jobs/my-run/scripts",
        "trainingConfigFolderPath": "/jobs/my-run/configs",
        "trainingRequirementsFolderPath": "/jobs/my-run/requirements",
        "shardsDirPath": "/jobs/my-run/shards",
        "autoSelectWorkers": True,
    }
    pinned = TaskOptions(worker_ids=("a",), gpu_models=("x",))
    body = task_request("My Run", "my-run", shards=1, has_model=True, options=pinned)
    assert body["workerIds"] == ["a"] and body["modelFolderPath"] == "/jobs/my-run/model"
    assert "autoSelectWorkers" not in body and "gpuModels" not in body
    wrongs: tuple[dict[str, Any], ...] = (
        {"estimated_memory_mb": True},
        {"worker_ids": ("a", "a")},
    )
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"from 1 up|twice"):
            TaskOptions(**wrong)


def test_a_workspace_that_lacks_something_is_not_started() -> None:
    names = ("model_def.py", "custom_client_executor.py", "custom_persistor.py")
    there = {f"jobs/run/scripts/{name}": Blob("", 1) for name in names}
    with pytest.raises(ValueError, match=r"meta\.json, .*requirements\.txt, .*shards/\*\.zip is"):
        check_workspace("run", there)


async def test_files_come_in_many_forms(tmp_path: Path, shards: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "model_def.py").write_text("pass")
    (folder / "helper.py").write_text("x = 1")
    (folder / "notes.md").write_text("not a script")
    (tmp_path / "req.txt").write_text("jax\n")
    local = await collected(
        shards,
        scripts=folder,
        configs={"meta.json": b"{}"},
        requirements=tmp_path / "req.txt",
        shards=[shards / "shard_1.ZIP", shards / "shard_0.ZIP"],
    )
    names = [file.key.partition("run/")[2] for file in local.files]
    assert names[0] == "scripts/model_def.py" and names[3] == "scripts/helper.py"
    assert names[-2:] == ["shards/shard_0.ZIP", "shards/shard_1.ZIP"]
    texts = {file.key.rpartition("/")[2]: file.data for file in local.files}
    assert (texts["meta.json"], texts["requirements.txt"]) == (b"{}", b"jax\n")
    assert "notes.md" not in texts
    single = await collected(shards, scripts=str(folder / "model_def.py"), shards=str(shards))
    assert single.files[0].data == b"pass"
    with pytest.raises(ValueError, match="same file name"):
        await collected(shards, shards=[shards / "shard_0.ZIP"] * 2)
    await run_blocking((shards / "shard_0.ZIP").unlink)
    assert len((await collected(shards)).shard_map.shards) == 1
