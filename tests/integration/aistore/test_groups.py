"""Jobs on groups of objects, on the local cluster (aistore.md §11)."""

from __future__ import annotations

import asyncio
import io
import logging
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from neuro_client.aistore import (
    AIStore,
    Bucket,
    ErrBckNotFound,
    ErrObjNotFound,
    InvalidBckProvider,
    ListObjectFlag,
    ObjectGroup,
    ObjectRange,
    ObjectTemplate,
)
from neuro_client.errors import NotSupportedError

from .world import World, run

NAMES = [f"o{number:02}" for number in range(12)]


async def fill(bucket: Bucket, names: Sequence[str] = NAMES) -> None:
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(bucket.object(name).put(name.encode()))


async def names_in(bucket: Bucket) -> list[str]:
    return [entry.name for entry in await bucket.list_all_objects()]


async def done(world: World, job_id: str) -> None:
    world.cluster.jobs.idle_time = 0.0  # what is done has ended
    assert await world.ais.job(job_id).wait(timeout=30)


async def check_every_selector_means_the_same_here_and_there(world: World) -> None:
    bucket = world.bucket
    await fill(bucket, [*NAMES, "o1", "other", "p000", "p001"])
    groups = {
        "o1": ["o1", "o10", "o11"],
        "o{1..2}": ["o1"],
        "o{00..11..5}": ["o00", "o05", "o10"],
        "o{0..1}{0..1}": ["o00", "o01", "o10", "o11"],
        "p@001": ["p000", "p001"],
        "p%03d": ["p000", "p001"],
        "*": await names_in(bucket),
    }
    there = set(await names_in(bucket))

    async def compare(number: int, template: str, expected: list[str]) -> None:
        target = world.ais.bucket(f"to{number}")
        group = bucket.objects(obj_template=template)
        await done(world, await group.copy(target))
        assert await names_in(target) == expected, template
        assert isinstance(group.objects, ObjectTemplate)
        if group.objects.parsed.prefix is None:
            assert [name for name in group.list_names() if name in there] == expected

    async with asyncio.TaskGroup() as tasks:
        for number, (template, expected) in enumerate(groups.items()):
            tasks.create_task(compare(number, template, expected))


async def check_groups_are_copied_with_a_prefix(world: World) -> None:
    bucket, target = world.bucket, world.ais.bucket("b2")
    await fill(bucket)
    group = bucket.objects(obj_range=ObjectRange("o", 0, 2, 2))
    await done(world, await group.copy(target, "c/"))
    assert await names_in(target) == ["c/o00", "c/o01", "c/o02"]
    # The second would become a part of the first, with that one's prefix (§22.31).
    with world.cluster.jobs.hold():
        first = await bucket.objects(["o03"]).copy(target, "c/")
        same = await bucket.objects(["o04"]).copy(target, "c/")
        other = asyncio.create_task(bucket.objects(["o05"]).copy(target, "d/"))
        await asyncio.wait({other}, timeout=0.2)
        assert len({first, same}) == 2 and not other.done()
    await done(world, await other)
    assert await names_in(target) == [f"c/o0{n}" for n in range(5)] + ["d/o05"]
    assert await target.object("d/o05").get().read_all() == b"o05"


async def check_a_dry_run_copies_nothing(world: World) -> None:
    await fill(world.bucket)
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    log, ear = logging.getLogger("neuro_client.aistore.groups.api"), Ear()
    log.addHandler(ear)
    log.setLevel(logging.INFO)
    try:
        target = world.ais.bucket("nobody")
        for group in (world.bucket.objects(["o00"]), world.bucket.objects(obj_template="o")):
            await done(world, await group.copy(target, "c/", dry_run=True))
    finally:
        log.removeHandler(ear)
    assert heard[0] == "dry run: ais://b1/o00 -> ais://nobody/c/o00"
    assert "all that o means" in heard[1]
    with pytest.raises(ErrBckNotFound):
        await target.head()


async def check_groups_are_deleted(world: World) -> None:
    bucket = world.bucket
    await fill(bucket)
    await done(world, await bucket.objects(obj_template="o{00..03}").delete())
    assert await names_in(bucket) == NAMES[4:]
    result = await world.ais.job(await bucket.objects(["o04", "missing"]).delete()).wait()
    assert not result and "missing does not exist" in result.error
    assert await names_in(bucket) == NAMES[5:]
    with pytest.raises(ValueError, match="whole bucket"):
        await bucket.objects([]).delete()
    # A live server would count to 2^63 (§22.32).
    with pytest.raises(ValueError, match="never end"):
        await bucket.objects(obj_template="o%02d").delete()
    assert await names_in(bucket) == NAMES[5:]


async def check_groups_are_packed(world: World) -> None:
    bucket, target = world.bucket, world.ais.bucket("b2")
    await fill(bucket, ["d/a", "d/b", "e"])
    group = bucket.objects(["d/a", "e"])
    await done(world, await group.archive("x.tar", ".tar", include_source_name=True))
    packed = await bucket.object("x.tar").get().read_all()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["b1/d/a", "b1/e"]
    await done(world, await group.archive("x.zip", to_bck=target, base_name_only=True))
    with zipfile.ZipFile(io.BytesIO(await target.object("x.zip").get().read_all())) as archive:
        assert archive.namelist() == ["a", "e"]
    more = bucket.objects(obj_template="d/b")
    await done(world, await more.archive("x.tar", allow_append=True))
    assert await bucket.object("x.tar").get("b1/e").read_all() == b"e"
    assert await bucket.object("x.tar").get("d/b").read_all() == b"d/b"


async def check_an_archive_of_what_is_missing_is_not_begun(world: World) -> None:
    bucket = world.bucket
    await fill(bucket, ["a", "b"])
    group = bucket.objects(["a", "missing", "b", "a"])
    before = len(world.cluster.jobs.all())
    with pytest.raises(ErrObjNotFound, match="missing"):
        await group.archive("x.tar")
    with pytest.raises(ErrObjNotFound):
        await bucket.objects(["missing"]).archive("x.tar", continue_on_err=True)
    for name, mime in (("x", ""), ("x.gz", ""), ("x.tar", "tar"), ("x.tar", ".zip")):
        with pytest.raises(ValueError):
            await group.archive(name, mime)
    assert len(world.cluster.jobs.all()) == before
    await done(world, await group.archive("x.tgz", continue_on_err=True))
    packed = await bucket.object("x.tgz").get().read_all()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["a", "b", "a"]


async def check_remote_objects_are_fetched_and_evicted(world: World) -> None:
    await asyncio.to_thread(_plant, world.cluster.remote_root / "aws" / "groups")
    bucket = world.ais.bucket("groups", "aws")
    group = bucket.objects(obj_range=ObjectRange("o", 0, 2))

    async def cached() -> list[str]:
        found = await bucket.list_all_objects(flags=[ListObjectFlag.CACHED])
        return [entry.name for entry in found]

    assert await cached() == []
    await done(world, await group.prefetch(continue_on_error=True, blob_threshold=2**20))
    assert await cached() == ["o0", "o1", "o2"]
    await done(world, await bucket.objects(["o1"]).evict())
    assert await cached() == ["o0", "o2"]


def _plant(root: Path) -> None:
    root.mkdir(parents=True)
    for number in range(4):
        (root / f"o{number}").write_text("content")


async def check_only_remote_buckets_prefetch_and_evict(world: World) -> None:
    calls = (ObjectGroup.prefetch, ObjectGroup.evict)
    for call in calls:
        with pytest.raises(InvalidBckProvider):
            await call(world.bucket.objects(["a"]))


async def check_older_servers_do_not_know_some_options(world: World) -> None:
    await fill(world.bucket)
    world.cluster.version = (3, 18)
    async with AIStore.connect(world.ais.endpoint) as ais:
        bucket = ais.bucket("b1")
        group = bucket.objects(["o00", "o01"])
        with pytest.raises(NotSupportedError, match="num-workers"):
            await group.delete(num_workers=2)
        with pytest.raises(NotSupportedError, match="bnonly"):
            await group.archive("x.tar", base_name_only=True)
        assert await ais.job(await group.delete(), "delete-listrange").wait()
    assert await names_in(world.bucket) == NAMES[2:]


async def test_groups(tmp_path: Path) -> None:
    await run(
        [
            check_groups_are_copied_with_a_prefix,
            check_groups_are_deleted,
            check_an_archive_of_what_is_missing_is_not_begun,
            check_only_remote_buckets_prefetch_and_evict,
        ],
        tmp_path,
    )


@pytest.mark.thorough
async def test_groups_in_every_form(tmp_path: Path) -> None:
    await run(
        [
            check_groups_are_packed,
            check_every_selector_means_the_same_here_and_there,
            check_a_dry_run_copies_nothing,
            check_remote_objects_are_fetched_and_evicted,
            check_older_servers_do_not_know_some_options,
        ],
        tmp_path,
    )
