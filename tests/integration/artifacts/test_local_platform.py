"""The whole way on the local platform: submit, follow, bring home, end, remove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neuro_client import Client, get
from neuro_client.artifacts import Artifacts, Experiment, ExperimentPhase, GridRun, RunRequest
from neuro_client.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    ExperimentFailed,
    IllegalArgumentError,
    ResourceNotFound,
    SourceChangedError,
)
from neuro_client.local import LocalPlatform
from neuro_client.run import Run, RunStatus
from neuro_client.testing.login import login
from neuro_client.transfer import TransferOptions

from .test_download import tree

QUICK_PARTS = TransferOptions(part_size=5 * 2**20, files=1)

SCRIPT = """
import pathlib, sys
lr = sys.argv[sys.argv.index("--lr") + 1]
print("lr is", lr, flush=True)
pathlib.Path("out").mkdir()
pathlib.Path("out/lr.txt").write_text(lr)
sys.exit(3 if lr == "0.3" else 0)
"""


@asynccontextmanager
async def opened(platform: LocalPlatform, **changed: str) -> AsyncIterator[Artifacts]:
    """Sign in to the control plane of a platform."""
    ready = {**platform.ready["artifacts"], **changed}
    async with Artifacts.connect(
        ready["url"], user_id=ready["user_id"], api_key=ready["api_key"]
    ) as artifacts:
        yield artifacts


def holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


async def names_of(artifacts: Artifacts, name: str) -> list[str]:
    async with artifacts.list(name) as found:
        return [f"{item.experiment_name}/{item.filename}" async for item in found]


async def read(artifacts: Artifacts, name: str, follow: bool = True) -> Sequence[str]:
    async with artifacts.logs(name, follow=follow) as lines:
        return [line async for line in lines]


async def test_a_sweep_from_submission_to_removal(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    (folder / ".git").mkdir(parents=True)
    (folder / "train.py").write_text(SCRIPT)
    artifacts = client.artifacts
    request = RunRequest(
        name="sweep", script="train.py", args=["--lr", "[0.1,0.3]"], local_dir=folder
    )
    made = await artifacts.submit(request)
    assert (made.name, made.command) == ("sweep", "train.py  --lr '[0.1,0.3]'")
    with pytest.raises(ConflictError, match="'sweep'"):
        await artifacts.submit(request)

    first, ended = await asyncio.gather(
        read(artifacts, "sweep"), artifacts.wait("sweep-exp0", timeout=60)
    )
    assert first == ["lr is 0.1"]
    assert isinstance(ended, Experiment) and ended.phase is ExperimentPhase.SUCCEEDED
    with pytest.raises(ExperimentFailed, match="lr is 0") as caught:
        await artifacts.wait("sweep-exp1", timeout=60)
    assert caught.value.log_tail == ("lr is 0.3",)
    run = await artifacts.wait("sweep", timeout=60, check=False)
    assert isinstance(run, GridRun) and (run.counts.succeeded, run.counts.failed) == (1, 1)
    assert run.finished_at is not None

    assert {f"sweep-exp{n}/out/lr.txt" for n in (0, 1)} <= set(await names_of(artifacts, "sweep"))
    await artifacts.download("sweep", tmp_path / "home-coming", match="lr.txt$")
    assert tree(tmp_path / "home-coming") == {
        "sweep/sweep-exp0/out/lr.txt": b"0.1",
        "sweep/sweep-exp1/out/lr.txt": b"0.3",
    }
    phases = [event.phase for event in await artifacts.events("sweep-exp1")]
    assert phases[-1] is ExperimentPhase.FAILED
    async with artifacts.history() as listing:
        assert [item.name async for item in listing] == ["sweep"]
    async with artifacts.status() as listing:
        assert [item.name async for item in listing] == []
    steered = artifacts.get_run("sweep-exp0")
    assert isinstance(steered, Run)
    assert await steered.status() is RunStatus.SUCCEEDED
    await steered.stop()
    async with steered.logs(tail=1) as lines:
        assert [line async for line in lines] == ["lr is 0.1"]

    link = await artifacts.share("sweep-exp0", "out/lr.txt")
    await artifacts.delete("sweep")
    with pytest.raises(ResourceNotFound):
        await artifacts.get("sweep")
    async with Artifacts.connect(link.origin(), user_id="u", api_key="k") as other:
        with pytest.raises(ResourceNotFound):
            await other._connection.links.send("GET", link)


@pytest.mark.thorough
async def test_a_scripted_run_in_bad_weather(local_platform: LocalPlatform, tmp_path: Path) -> None:
    grid = local_platform.artifacts
    big = bytes(range(256)) * 2**13
    files = {f"f{number:03}": b"%d" % number for number in range(60)}
    run = await grid.add_run("long", {"a%b&c é.txt": b"1", "big": big}, files)
    async with opened(local_platform) as artifacts:
        grid.expire_links()
        grid.troubles.slow = {"f00?": 10.0}
        done = await artifacts.download("long", tmp_path / "out")
        assert (done.files, done.bytes) == (62, 1 + len(big) + sum(map(len, files.values())))
        assert tree(tmp_path / "out")["long/long-exp0/a%b&c é.txt"] == b"1"
        paths = await artifacts.bucket_paths("long")
        assert [item.experiment_name for item in paths] == ["long-exp0", "long-exp1"]
        assert paths[0].path == f"s3://grid-default/experiments/{run.experiments[0].id}/artifacts/"

        await run.experiments[0].log("one", "two")
        follower = asyncio.create_task(read(artifacts, "long-exp0"))
        with pytest.raises(TimeoutError):
            await artifacts.wait("long", timeout=0.2)
        await run.experiments[0].log("three")
        await run.experiments[0].end()
        assert await follower == ["one", "two", "three"]
        assert await read(artifacts, "long-exp0", follow=False) == ["one", "two", "three"]
        await run.experiments[1].end("CANCELLED")
        with pytest.raises(ExperimentFailed, match="cancelled"):
            await artifacts.wait("long-exp1")

    async with opened(local_platform, api_key="wrong") as stranger:
        with pytest.raises(AuthenticationError) as caught:
            await stranger.get("long")
        assert "wrong" not in str(caught.value.url)


async def test_a_mirror_follows_what_comes_and_changes(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    grid = local_platform.artifacts
    run = await grid.add_run("moving", {"first": b"1", "steady": b"same"}, {"other": b"o"})
    one, two = run.experiments
    target = tmp_path / "mirror"

    async def until(path: str, content: bytes) -> None:
        place = target / "moving" / path
        async with asyncio.timeout(30):
            # A file that appears gives no event.
            while not await asyncio.to_thread(holds, place, content):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async with opened(local_platform) as artifacts:
        task = asyncio.create_task(artifacts.mirror("moving", target, interval=0.1))
        await until("moving-exp0/first", b"1")
        await one.write({"first": b"changed", "sub/second": b"2"})
        await until("moving-exp0/first", b"changed")
        grid.expire_links()
        await one.end()
        await two.write({"late": b"late"})
        await two.end("FAILED")
        done = await task
        assert done.files == 6
        expected = {
            "moving/moving-exp0/first": b"changed",
            "moving/moving-exp0/steady": b"same",
            "moving/moving-exp0/sub/second": b"2",
            "moving/moving-exp1/late": b"late",
            "moving/moving-exp1/other": b"o",
        }
        assert tree(target) == expected
        # What an earlier call has brought is not brought again.
        (target / "moving/moving-exp1/late").unlink()
        again = await artifacts.mirror("moving", target)
        assert (again.files, tree(target)) == (1, expected)


@pytest.mark.thorough
async def test_datastores_go_on_where_they_ended(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    source = tmp_path / "set"
    (source / "sub").mkdir(parents=True)
    big = bytes(range(256)) * 2**15  # 8 MiB
    content = {"a.txt": b"a", "sub/b.txt": b"bb", "sub/empty": b"", "big": big + b"tail"}
    for name, data in content.items():
        (source / name).write_bytes(data)
    async with opened(local_platform) as artifacts:
        trouble = local_platform.fault("PUT /parts", status=400, skip=2, times=None)
        with pytest.raises(IllegalArgumentError):
            await artifacts.upload_datastore(source, "set", options=QUICK_PARTS)
        trouble.remove()
        [left] = await artifacts.unfinished_datastores()
        assert (left.name, left.source) == ("set", source)
        with local_platform.intercept() as seen:
            made = await artifacts.upload_datastore(source, "set", options=QUICK_PARTS)
        assert (made.id, made.name, made.version) == (left.datastore_id, "set", 0)
        puts = [call for call in seen.calls if call.method == "PUT"]
        assert len(puts) <= 5 - left.arrived
        assert await artifacts.unfinished_datastores() == ()
        kept = local_platform.data / "artifacts/datastores" / made.id
        assert await asyncio.to_thread(tree, kept) == content

        again = await artifacts.upload_datastore(source / "a.txt", "set")
        assert (again.id != made.id, again.version) == (True, 1)
        async with artifacts.datastores() as listing:
            assert {item.id async for item in listing} == {made.id, again.id}


@pytest.mark.thorough
async def test_a_datastore_whose_files_changed_is_not_mixed(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    source = tmp_path / "set"
    source.mkdir()
    (source / "a").write_bytes(b"before")
    async with opened(local_platform) as artifacts:
        local_platform.fault("POST /completed", status=400, skip=1)
        with pytest.raises(IllegalArgumentError):
            await artifacts.upload_datastore(source, "set")
        (source / "a").write_bytes(b"after")
        with pytest.raises(SourceChangedError, match="'a'"):
            await artifacts.upload_datastore(source, "set")
        made = await artifacts.upload_datastore(source, "set", force=True)
    kept = local_platform.data / "artifacts/datastores" / made.id
    assert await asyncio.to_thread(tree, kept) == {"a": b"after"}


async def test_without_settings_the_attribute_says_what_is_missing(
    local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "config"
    await login(local_platform, folder)
    (folder / "services.toml").unlink()
    async with get(path=folder) as client:
        with pytest.raises(ConfigError, match=r"\[artifacts\].*GRID_URL"):
            _ = client.artifacts
    grid = tmp_path / "home/.grid"
    grid.mkdir()
    ready = local_platform.ready["artifacts"]
    (grid / "credentials.json").write_text(
        f'{{"UserID": "{ready["user_id"]}", "APIKey": "{ready["api_key"]}"}}'
    )
    (grid / "settings.json").write_text(f'{{"grid_url": "{ready["url"]}", "context": null}}')
    async with get(path=folder) as client:
        async with client.artifacts.history() as runs:
            assert [run async for run in runs] == []
        assert ready["api_key"] not in repr(client.artifacts)
