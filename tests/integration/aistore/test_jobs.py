"""Jobs on the local cluster, and the waits for them (aistore.md §12)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neuro_client.aistore import (
    AISError,
    AISJobFailed,
    AIStore,
    Bucket,
    ErrBusy,
    ErrJobNotFound,
    ErrUnsupp,
    ErrXactNonIC,
    InvalidBckProvider,
    JobInfoNotFound,
    ListObjectFlag,
    Timeout,
)
from neuro_client.aistore.jobs import waiting as jobs_waiting
from neuro_client.errors import ConflictError, JobFailed, NotSupportedError

from .nodes import Node, answer, failing, hang_up, json_answer, nodes
from .world import FAST, World, run

NAMES = [f"o{number}" for number in range(4)]


async def _filled(bucket: Bucket) -> Bucket:
    for name in NAMES:
        await bucket.object(name).put_content(name.encode())
    return bucket


def _to(bucket: Bucket, **more: Any) -> dict[str, Any]:
    return {"tobck": bucket.as_model().as_dict(), **more}


async def check_each_kind_is_waited_for_in_its_way(world: World) -> None:
    ais, bucket = world.ais, await _filled(world.bucket)
    world.cluster.jobs.idle_time = 0.0
    other = ais.bucket("other")
    copied = ais.job(await bucket.copy(other, prepend="c-"))
    result = await copied.wait(check=True)
    assert result and result.success and not result.error and result.end_time is not None
    assert abs(result.end_time - datetime.now(UTC)) < timedelta(minutes=5)
    assert [entry.name for entry in await other.list_all_objects("c-")] == [
        f"c-{name}" for name in NAMES
    ]
    assert (await copied.status()).kind == "copy-bck"
    # The cluster keeps no state of these, and their ids do not tell the kind.
    group = await bucket.start_job(
        "POST", "copy-listrange", {"objnames": NAMES[:2], **_to(other, prepend="g-")}
    )
    assert await ais.job(group).wait()
    with pytest.raises(ErrXactNonIC):
        await ais.job(group).status()
    archive = {"template": "o{0..3}", "archname": "all.tar", **_to(other)}
    assert await ais.job(await bucket.start_job("PUT", "archive", archive)).wait_for_idle()
    assert await other.object("all.tar").get("o3").read_all() == b"o3"
    removed = await bucket.start_job("DELETE", "delete-listrange", {"template": "o{0..1}"})
    assert await ais.job(removed, "delete-objects").wait()
    renamed = await bucket.rename("b9")
    assert await ais.job(renamed, "move-bck").wait(timeout=None, check=True)
    assert [entry.name for entry in await bucket.list_all_objects()] == NAMES[2:]
    # Several ids in one text, as of a copy from a remote bucket.
    both = ais.job(f"{copied.job_id}, {group}")
    assert await both.wait()
    assert len(await both.snapshots()) == 4
    with pytest.raises(ValueError, match="2 ids"):
        await both.status()


async def check_jobs_are_started(world: World) -> None:
    ais, cluster = world.ais, world.cluster
    job = ais.job(job_kind="rebalance")
    assert job.job_id == ""
    started = await job.start()
    assert started.startswith("g") and job.job_id == started
    assert await job.wait(check=True)
    evicted = ais.job(job_kind="lru-eviction")
    await evicted.start(force=True, buckets=[world.bucket])
    assert await evicted.wait(check=True)
    target = cluster.targets[1].id
    resilver = ais.job(job_kind="resilver")
    with pytest.raises(ErrUnsupp):
        await resilver.start()
    await resilver.start(target)
    assert await resilver.wait_single_node() and await resilver.wait()
    [snapshot] = await resilver.snapshots()
    assert snapshot.target_id == target
    with pytest.raises(AISError, match="cannot be started"):
        await ais.job(job_kind="archive").start()
    for call in (ais.job().start(), ais.job().stop(), ais.job().wait(), ais.job().status()):
        with pytest.raises(ValueError, match="which"):
            await call
    # Lists know the names of actions only (§22.16).
    for kind in ("lru", "lru-eviction"):
        found = await ais.cluster().list_jobs_status(kind)
        assert evicted.job_id in [status.uuid for status in found]


async def check_a_timeout_leaves_the_job_alone(world: World) -> None:
    ais, bucket = world.ais, await _filled(world.bucket)
    with world.cluster.jobs.hold():
        job = ais.job(await bucket.copy(ais.bucket("other")))
        with pytest.raises(Timeout, match="still going on") as info:
            await job.wait(timeout=0.1)
        assert isinstance(info.value, TimeoutError) and job.job_id in str(info.value)
        with pytest.raises(Timeout):
            await job.wait_for_idle(timeout=0.1)
        for step in (1, 3, 6, 10, 20):
            waiting = asyncio.ensure_future(job.wait())
            for _ in range(step):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        status = await job.status()
        assert (status.end_time, status.aborted) == (0, False)
        assert await job.get_total_time() is None
        with pytest.raises(ErrBusy):
            await _rename_beside_copy(world)
        await job.stop()
        await job.abort()
        result = await job.wait()
    assert not result and result.aborted and "abort" in result.error
    with pytest.raises(AISJobFailed, match="abort") as failed:
        await job.wait(check=True)
    assert isinstance(failed.value, JobFailed)
    assert (failed.value.reason, failed.value.description) == ("Aborted", result.error)


async def _rename_beside_copy(world: World) -> None:
    """While a rename goes on, other copies are refused (§22.23)."""
    moved = await world.ais.bucket("moving").create()
    await moved.rename("moved")
    await world.bucket.copy(world.ais.bucket("third"))


async def check_failures_are_told_with_what_the_node_said(world: World) -> None:
    ais, bucket = world.ais, await _filled(world.bucket)
    world.cluster.jobs.idle_time = 0.0
    missing = {"objnames": ["o0", "none"]}
    job = ais.job(await bucket.start_job("DELETE", "delete-listrange", missing))
    result = await job.wait()
    assert (result.success, result.aborted) == (False, False)
    assert result.error.endswith("ais://b1/none does not exist") and result.error[:2] == "t["
    with pytest.raises(AISJobFailed, match="none does not exist"):
        await job.wait(check=True)
    missing = {"objnames": ["o1", "none"], **_to(ais.bucket("other"))}
    job = ais.job(await bucket.start_job("POST", "copy-listrange", missing))
    result = await job.wait()
    assert result.aborted and "none does not exist" in result.error


async def check_snapshots(world: World) -> None:
    ais, bucket = world.ais, await _filled(world.bucket)
    begun = datetime.now(UTC) - timedelta(seconds=1)
    job = ais.job(await bucket.copy(ais.bucket("other")), "copy-bck")
    await job.wait(check=True)
    told = await job.get_details()
    assert set(told) == {target.id for target in world.cluster.targets}
    found = await job.snapshots()
    assert sum(one.stats.objects for one in found) == len(NAMES)
    assert sum(one.stats.bytes for one in found) == 2 * len(NAMES)
    first = found[0]
    assert (first.id, first.kind) == (job.job_id, "copy-bck")
    assert first.src_bck == bucket.as_model() and first.dst_bck is not None
    assert first.is_finished and first.is_idle and not first.is_aborted
    total = await job.get_total_time()
    assert total is not None and timedelta(0) <= total < timedelta(minutes=1)
    assert len(await job.get_within_timeframe(begun)) == 2
    later = datetime.now(UTC) + timedelta(hours=1)
    assert len(await job.get_within_timeframe(begun, later)) == 2
    assert first in await ais.job(job_kind="copy-bucket").get_within_timeframe(begun)
    with pytest.raises(JobInfoNotFound):
        await job.get_within_timeframe(later)
    with pytest.raises(ValueError, match="zone"):
        await job.get_within_timeframe(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


async def check_what_nobody_knows(world: World) -> None:
    world.cluster.status_delay = 0.0
    job = world.ais.job("nobody")
    with pytest.raises(ErrJobNotFound):
        await job.status()
    with pytest.raises(JobInfoNotFound, match="nobody"):
        await job.get_details()
    with pytest.raises(Timeout, match="no node knows it"):
        await job.wait_for_idle(timeout=0.05)
    await job.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs_waiting, "GRACE", 0.0)
        for kind in ("", "copy-bck", "archive"):
            with pytest.raises(JobInfoNotFound, match="never begun"):
                await world.ais.job("nobody", kind).wait()


async def check_archives_of_every_kind(world: World) -> None:
    ais, bucket = world.ais, await _filled(world.bucket)
    world.cluster.jobs.idle_time = 0.0
    for ending in (".tar", ".tgz", ".tar.gz", ".zip", ".tar.lz4"):
        value = {"objnames": NAMES[:2], "archname": f"a{ending}"}
        assert await ais.job(await bucket.start_job("PUT", "archive", value)).wait(check=True)
        more = {**value, "objnames": NAMES[2:], "aate": True}
        assert await ais.job(await bucket.start_job("PUT", "archive", more)).wait(check=True)
        archive = bucket.object(f"a{ending}")
        for name in NAMES:
            assert await archive.get(name).read_all() == name.encode(), ending
    await bucket.object("bad.tar.lz4").put_content(b"no lz4")
    with pytest.raises(AISError, match="failed to read the archive"):
        await bucket.object("bad.tar.lz4").get("x").read_all()


async def check_an_older_server_refuses_new_options(world: World) -> None:
    world.cluster.version = (3, 18)
    async with AIStore.connect(world.ais.endpoint) as old:
        with pytest.raises(NotSupportedError, match=r"3\.18.*'num-workers'"):
            await old.bucket("b1").copy(old.bucket("other"), num_workers=3)
    with pytest.raises(ValueError, match="sync"):
        await world.bucket.copy(world.ais.bucket("other"), prepend="p", sync=True)


async def test_jobs(tmp_path: Path) -> None:
    await run(
        [
            check_each_kind_is_waited_for_in_its_way,
            check_jobs_are_started,
            check_a_timeout_leaves_the_job_alone,
            check_failures_are_told_with_what_the_node_said,
            check_snapshots,
            check_what_nobody_knows,
            check_an_older_server_refuses_new_options,
        ],
        tmp_path,
    )


def _plant(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(name)


async def check_jobs_of_remote_buckets(world: World) -> None:
    await asyncio.to_thread(_plant, world.cluster.remote_root / "aws" / "cloud")
    ais, bucket = world.ais, world.ais.bucket("cloud", "aws")
    cached = [ListObjectFlag.CACHED]
    fetched = await bucket.object("o1").blob_download(chunk_size=2**20, num_workers=2)
    assert await ais.job(fetched).wait(check=True)
    assert [entry.name for entry in await bucket.list_all_objects(flags=cached)] == ["o1"]
    job = ais.job(job_kind="prefetch-objects")
    await job.start(buckets=[bucket])
    assert await job.wait(check=True)
    assert [entry.name for entry in await bucket.list_all_objects(flags=cached)] == NAMES
    written = await bucket.create_inventory("nightly", "o", names_per_chunk=3)
    assert await ais.job(written).wait(check=True)
    with pytest.raises(ConflictError):
        await bucket.create_inventory("nightly")
    again = await bucket.create_inventory("nightly", force=True)
    assert await ais.job(again).wait(check=True)
    [(name, shown)] = (await bucket.show_inventory()).items()
    assert (name, shown.name, shown.ntotal, shown.nat) == ("nightly", "nightly", 4, 2)
    listed = await bucket.list_all_objects(inventory_name="nightly")
    assert [entry.name for entry in listed] == NAMES
    await bucket.destroy_inventory("nightly")
    assert await bucket.show_inventory("nightly") == {}
    with pytest.raises(InvalidBckProvider):
        await world.bucket.create_inventory()
    world.cluster.version = (4, 2)
    async with AIStore.connect(ais.endpoint) as old:
        for call in (
            old.bucket("cloud", "aws").create_inventory(),
            old.bucket("cloud", "aws").list_all_objects(inventory_name="nightly"),
        ):
            with pytest.raises(NotSupportedError, match=r"4\.3"):
                await call


@pytest.mark.thorough
async def test_jobs_on_content(tmp_path: Path) -> None:
    await run([check_archives_of_every_kind, check_jobs_of_remote_buckets], tmp_path)


# Against a proxy that says what the test wants


@asynccontextmanager
async def asked(*answers: Any) -> AsyncIterator[tuple[AIStore, Node]]:
    """Start a proxy that gives the answers in turn, the last one for ever."""
    async with nodes("proxy") as (proxy,):
        proxy.plan(*answers)
        async with AIStore.connect(proxy.url, retry_config=FAST) as client:
            yield client, proxy


def _status(end: int, **more: Any) -> Any:
    return json_answer({"uuid": "j", "kind": "copy-bck", "err": "", "end_time": end, **more})


def _told(idle: Sequence[bool], **more: Any) -> Any:
    snapshot = {"id": "j", "kind": "archive", "end-time": "0001-01-01T00:00:00Z", **more}
    return json_answer({f"t{n}": [{**snapshot, "is_idle": one}] for n, one in enumerate(idle)})


async def test_trouble_is_waited_out() -> None:
    """A job may be unknown just after its start, and nodes start anew while we wait."""
    async with asked(
        *[failing(404, "not yet", "ErrNotFound")] * 2,
        *[failing(503, "starting")] * FAST.attempts,
        hang_up(),
        answer(body=b"{"),
        _status(0),
        *[failing(404, "the proxy was started anew", "ErrNotFound")] * 2,
        _status(1795199515990413332),
    ) as (client, proxy):
        result = await client.job("j", "copy-bck").wait()
        assert result and result.end_time == datetime(2026, 11, 20, 18, 31, 55, 990413, UTC)
        assert len(proxy.asked) > FAST.attempts + 6
        body = json.loads(proxy.asked[-1].body)
    assert body == {"ID": "j", "Kind": "copy-bck", "DaemonID": "", "Bck": None, "Buckets": None}


async def test_what_will_not_pass_ends_the_wait() -> None:
    async with asked(failing(403, "no")) as (client, proxy):
        with pytest.raises(AISError, match="no"):
            await client.job("j", "copy-bck").wait()
        assert len(proxy.asked) == 1


async def test_a_kind_that_turns_out_to_have_no_state_is_watched_at_its_targets() -> None:
    """aistore.md §12.4: two looks, one after the other, have to find all of them idle."""
    refused = failing(404, "no status", "ErrXactNonIC")
    async with asked(
        refused, _told([True, False]), _told([True, True]), _told([False, True]), _told([True] * 2)
    ) as (client, proxy):
        assert await client.job("j", "rechunk").wait()
        assert ["=status" in one.target for one in proxy.asked] == [True] + [False] * 5
    missing = failing(404, "does not exist", "ErrNotFound")
    async with asked(missing, _told([True]), missing, _told([True])) as (client, proxy):
        assert await client.job("j", "rechunk").wait()
        assert ["=status" in one.target for one in proxy.asked] == [True, False] * 2


async def test_a_job_whose_snapshots_are_gone_still_has_its_state() -> None:
    async def only_status(_: Node, request: web.Request) -> web.StreamResponse:
        known = request.query["what"] == "status"
        return await (_status(7, aborted=True) if known else failing(404))(_, request)

    async with asked(only_status) as (client, _):
        result = await client.job("j").wait()
        assert result.aborted and not result


async def test_one_target_that_is_done_ends_the_wait_for_a_single_node() -> None:
    quiet: dict[str, Any] = {"t0": None, "t1": []}
    done = {"t0": None, "t1": [{"id": "j", "aborted": True, "abort-err": "disk is full"}]}
    async with asked(json_answer(quiet), json_answer(done)) as (client, _):
        result = await client.job("j", "blob-download").wait()
        assert (result.aborted, result.error) == (True, "disk is full")
