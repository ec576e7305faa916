"""dSort on the local cluster (aistore.md §13)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from neuro_client.aistore import (
    AISError,
    AISJobFailed,
    AIStore,
    Bucket,
    ErrJobNotFound,
    ErrUnsupp,
    JobInfoNotFound,
    Timeout,
)
from neuro_client.aistore.jobs import waiting as jobs_waiting
from neuro_client.errors import NotSupportedError

from .nodes import Node, answer, json_answer, nodes, smap
from .world import FAST, World, run


def _shard(names: Sequence[str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            entry = tarfile.TarInfo(f"{name}.txt")
            entry.size = 10
            tar.addfile(entry, io.BytesIO(name.encode().ljust(10)))
    return packed.getvalue()


async def _filled(bucket: Bucket) -> dict[str, Any]:
    for number, names in enumerate((("r9", "r3"), ("r1", "r7"))):
        await bucket.object(f"in-{number}.tar").put_content(_shard(names))
    return {
        "input_bck": bucket.as_model().as_dict(),
        "output_bck": {"name": "sorted", "provider": "ais"},
        "input_extension": ".tar",
        "input_format": {"template": "in-{0..1}"},
        "output_format": "out-{00..09}",
        "output_shard_size": "20B",
        "algorithm": {"kind": "alphanumeric"},
        "description": "by name",
    }


async def _records(bucket: Bucket) -> list[str]:
    found = []
    for entry in await bucket.list_all_objects("out-"):
        data = io.BytesIO(await entry.object.get().read_all())
        with tarfile.open(fileobj=data) as tar:
            found += tar.getnames()
    return found


async def check_shards_are_sorted(world: World) -> None:
    ais, spec = world.ais, await _filled(world.bucket)
    dsort = ais.dsort()
    found = await dsort.start(spec)
    assert found == dsort.dsort_id and found.startswith("srt-")
    result = await dsort.wait(check=True)
    assert result.success and result.end_time is not None
    assert await _records(ais.bucket("sorted")) == ["r1.txt", "r3.txt", "r7.txt", "r9.txt"]
    told = await ais.dsort(found).get_job_info()
    assert set(told) == {target.id for target in world.cluster.targets}
    assert {info.id for info in told.values()} == {found}
    assert all(info.archived and not info.aborted for info in told.values())
    metrics = await dsort.metrics()
    assert sum(one.shard_creation.created_count for one in metrics.values()) == 2
    assert sum(one.local_extraction.extracted_record_count for one in metrics.values()) == 4
    first = next(iter(metrics.values()))
    assert first.meta_sorting.finished and first.meta_sorting.sent_stats.min_ms == 0
    assert first.description == "by name" and not first.errors
    assert [info.id for info in await dsort.list("by n")] == [found]
    assert list(await dsort.list("else")) == list(await dsort.list(only_active=True)) == []
    await dsort.delete()
    with pytest.raises(ErrJobNotFound):
        await dsort.get_job_info()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs_waiting, "GRACE", 0.0)
        with pytest.raises(JobInfoNotFound, match=found):
            await dsort.wait()


async def check_specs_in_files(world: World) -> None:
    spec = await _filled(world.bucket)
    as_json, as_yaml = world.folder / "spec.json", world.folder / "spec.yaml"
    as_json.write_text(json.dumps(spec))
    as_yaml.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in spec.items()))
    for path in (as_json, str(as_json), as_yaml):
        dsort = world.ais.dsort()
        await dsort.start(path)
        assert await dsort.wait(check=True)
    bad = world.folder / "bad.yml"
    for text in ("[1, 2]", "a: [", "\tx"):
        for path in (bad, bad.with_suffix(".json")):
            path.write_text(text)
            with pytest.raises(ValueError, match="bad"):
                await world.ais.dsort().start(path)
    with pytest.raises(ValueError, match="not a regular file"):
        await world.ais.dsort().start(world.folder)
    for call in (world.ais.dsort().wait(), world.ais.dsort().abort()):
        with pytest.raises(ValueError, match="which dSort"):
            await call


async def check_what_cannot_be_done_is_told(world: World) -> None:
    ais, spec = world.ais, await _filled(world.bucket)
    short = ais.dsort()
    await short.start({**spec, "output_format": "out-{0..0}"})
    result = await short.wait()
    assert result.aborted and "too few names" in result.error
    with pytest.raises(AISJobFailed, match="too few names"):
        await short.wait(check=True)
    with pytest.raises(AISError, match=r"\.rar"):
        await ais.dsort().start({**spec, "input_extension": ".rar"})


async def check_it_is_stopped_or_left_alone(world: World) -> None:
    spec = await _filled(world.bucket)
    dsort = world.ais.dsort()
    with world.cluster.jobs.hold():
        await dsort.start(spec)
        with pytest.raises(Timeout, match="still going on"):
            await dsort.wait(timeout=0.05)
        [info] = await dsort.list(only_active=True)
        assert info.id == dsort.dsort_id and not info.is_finished
        await dsort.abort()
    result = await dsort.wait()
    assert result.aborted and not result


async def check_old_servers(world: World) -> None:
    """Names of today are sent as server 3.18 says them, and its answer is read."""
    world.cluster.version = (3, 18)
    spec = await _filled(world.bucket)
    async with AIStore.connect(world.ais.endpoint, retry_config=FAST) as old:
        dsort = old.dsort()
        await dsort.start(spec)
        assert await dsort.wait(check=True)
        told = await dsort.get_job_info()
        assert all(info.id == "" and info.is_finished for info in told.values())
        names = {**spec, "input_format": {"objnames": ["in-0.tar"]}}
        with pytest.raises(NotSupportedError, match=r"3\.18"):
            await old.dsort().start(names)
    assert await _records(world.ais.bucket("sorted")) == ["r1.txt", "r3.txt", "r7.txt", "r9.txt"]


async def check_a_server_without_dsort(world: World) -> None:
    spec = await _filled(world.bucket)
    world.cluster.dsort = False
    try:
        dsort = world.ais.dsort("srt-x")
        with pytest.raises(NotSupportedError, match="without dSort"):
            await dsort.get_job_info()
        with pytest.raises(NotSupportedError):
            await dsort.wait()
        assert list(await dsort.list()) == []
        for call in (dsort.start(spec), dsort.abort()):
            with pytest.raises(ErrUnsupp):
                await call
    finally:
        world.cluster.dsort = True


async def test_dsort(tmp_path: Path) -> None:
    await run(
        [
            check_shards_are_sorted,
            check_specs_in_files,
            check_what_cannot_be_done_is_told,
            check_it_is_stopped_or_left_alone,
            check_old_servers,
            check_a_server_without_dsort,
        ],
        tmp_path,
    )


@pytest.mark.parametrize(("targets", "sorter"), [(1, "dsort_general"), (2, None)])
async def test_a_cluster_of_one_target_is_told_how_to_sort(
    targets: int, sorter: str | None
) -> None:
    """aistore.md §13: it refuses to choose by itself."""
    async with nodes("p0", "t0", "t1") as (proxy, *members):

        async def handle(node: Node, request: Any) -> Any:
            if request.path.endswith("/daemon"):
                known = smap([proxy], members[:targets]) if "smap" in request.query_string else {}
                return await json_answer(known)(node, request)
            return await answer(body=b"srt-1\n")(node, request)

        proxy.plan(handle)
        async with AIStore.connect(proxy.url, retry_config=FAST) as client:
            assert await client.dsort().start({"input_format": "in"}) == "srt-1"
        sent = json.loads(proxy.asked[-1].body)
        assert sent.get("dsorter_type") == sorter
        assert sent["input_format"] == "in"  # the server does not tell its release
