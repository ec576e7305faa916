"""Submissions that go wrong on the way: nothing is half submitted, nothing is started twice."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from neuro_client.errors import (
    AuthenticationError,
    AuthorizationError,
    ChecksumMismatchError,
    ConflictError,
    IllegalArgumentError,
    SourceChangedError,
)
from neuro_client.threads import run_blocking
from neuro_client.workspaces import LinksExpired, Workspaces

from .world import TASKS, MiB, World, opened, settings

pytestmark = pytest.mark.slow

TOO_OLD = (
    "<Error><Code>InvalidRequest</Code><Message>Bad request: Date is too old</Message></Error>"
)


async def plant_large(path: Path, size: int) -> None:
    """Write a zip of some size that does not compress."""

    def work() -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.json", '{"add": 1.0, "samples": 1, "name": "some"}')
            archive.writestr("rest.bin", os.urandom(size))

    await run_blocking(work)


def once(action: Callable[[], object], part: str) -> Callable[[web.Request], bool]:
    """Do something when a request comes; meet none."""
    done: list[bool] = []

    def matches(request: web.Request) -> bool:
        if not done and part in request.path_qs:
            done.append(True)
            action()
        return False

    return matches


async def test_bad_input_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "shard_0.zip").write_bytes(b"not a zip")
    cases: tuple[tuple[str, type[Exception], dict[str, Any]], ...] = (
        ("no shards", ValueError, {"shards": None}),
        ("no shards", ValueError, {"shards": []}),
        ("is not a folder", ValueError, {"shards": tmp_path / "nothing"}),
        ("is not a folder", ValueError, {"shards": bad / "shard_0.zip"}),
        ("not a zip archive", ValueError, {"shards": bad}),
        ("is not called so", ValueError, {"shards": [tmp_path / "model.pt"]}),
        ("model_def.py", ValueError, {"scripts": {"other.py": "pass"}}),
        ("there is no file", ValueError, {"checkpoint": tmp_path / "nothing.pt"}),
        ("cannot be the name", ValueError, {"scripts": {"../model_def.py": "pass"}}),
        ("cannot be the name", ValueError, {"scripts": {"\udc80.py": "pass"}}),
        ("a text, bytes or a Path", TypeError, {"scripts": {"model_def.py": 5}}),
        ("ids are a list", TypeError, {"gpu_models": "A100"}),
        ("not a text", TypeError, {"requirements": "torch"}),
        ("from 1 up", ValueError, {"estimated_memory_mb": 0}),
        ("cannot be a slug", ValueError, {"slug": "../up"}),
        ("no option", TypeError, {"exist": True}),
    )
    async with opened(tmp_path) as world:
        with world.platform.intercept() as seen:
            for message, kind, given in cases:
                with pytest.raises(kind, match=message):
                    await world.submit(**given)
            with pytest.raises(ValueError, match="needs a name"):
                await world.submit("  ")
        assert seen.calls == []
        with pytest.raises(ValueError, match="1 workers for 2 shards"):
            await world.submit(worker_ids=["a"])
        assert await world.keys() == []


@pytest.mark.thorough
async def test_trouble_on_the_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        await plant_large(world.shards / "shard_0.zip", 12 * MiB)
        await a_file_changes_before_it_is_sent(world)
        await the_clock_is_wrong(world)
        await a_refused_upload_starts_nothing(world)
        await a_cancelled_one_leaves_nothing(world)
        await somebody_elsewhere_writes_too(world)
        assert await world.tasks() == []
        await parts_are_tried_again(world)
        await other_bytes_arrive(world)
        await links_expire(world)


async def a_file_changes_before_it_is_sent(world: World) -> None:
    path = world.shards / "shard_1.zip"

    def change() -> None:
        os.utime(path, (1, 1))

    fault = world.platform.fault(once(change, "model_def.py"), times=None)
    with pytest.raises(SourceChangedError):
        await world.submit("Changing")
    fault.remove()
    assert not [key for key in await world.keys() if key.endswith("map.json")]


async def the_clock_is_wrong(world: World) -> None:
    headers = {"Content-Type": "application/xml"}
    world.platform.fault("PUT clock/x", status=400, headers=headers, body=TOO_OLD)
    with pytest.raises(AuthenticationError, match="clock of this machine"):
        await world.workspaces.storage.put_bytes("jobs/clock/x", b"1")


async def a_refused_upload_starts_nothing(world: World) -> None:
    headers = {"Content-Type": "application/xml"}
    body = "<Error><Code>AccessDenied</Code><Message>Forbidden: no</Message></Error>"
    fault = world.platform.fault("POST uploads", status=403, headers=headers, body=body)
    with pytest.raises(AuthorizationError, match="cannot begin"):
        await world.submit("Refused")
    fault.remove()
    assert await world.unfinished() == []


async def a_cancelled_one_leaves_nothing(world: World) -> None:
    running = asyncio.create_task(world.submit("Cancelled"))
    fault = world.platform.fault(once(running.cancel, "partNumber"), times=None)
    with pytest.raises(asyncio.CancelledError):
        await running
    fault.remove()
    assert await world.unfinished() == []


async def somebody_elsewhere_writes_too(world: World) -> None:
    """Let another machine, which no lock reaches, write into the same workspace."""
    rivals: list[asyncio.Task[None]] = []

    def begin() -> None:
        write = world.workspaces._connection.objects
        rivals.append(asyncio.create_task(rival(write)))

    async def rival(connect: Any) -> None:
        await (await connect()).put("jobs/shared/scripts/model_def.py", b"other")

    def is_early(request: web.Request) -> bool:
        last = request.method == "PUT" and request.path.endswith("/sharding_map.json")
        return last and not all(task.done() for task in rivals)

    faults = [
        world.platform.fault(once(begin, "/jobs/shared/shards/"), times=None),
        world.platform.fault(is_early, times=None, status=503),
    ]
    with pytest.raises(ConflictError, match="somebody else writes"):
        await world.submit("Shared")
    for fault in faults:
        fault.remove()
    [written] = rivals
    await written


async def parts_are_tried_again(world: World) -> None:
    objects = await world.workspaces.storage.objects()
    left = await objects.begin("jobs/my-run/shards/shard_9.zip", 1)  # of a broken submission
    fault = world.platform.workspaces.refuse_part(1, times=2)
    with world.platform.intercept() as seen:
        task = await world.submit()
    assert fault.hits == 2
    assert await world.unfinished() == []
    assert [call.status for call in seen.calls if "partNumber" in call.query] == [503, 503, 200]
    begun = [call for call in seen.calls if "uploads" in call.query and call.method == "POST"]
    assert [call.headers["Content-Type"] for call in begun] == ["application/zip"]
    assert left.id
    found = await world.workspaces.storage.get_bytes("jobs/my-run/shards/shard_0.zip")
    assert found == await run_blocking((world.shards / "shard_0.zip").read_bytes)
    await world.workspaces.cancel(task.id)


async def other_bytes_arrive(world: World) -> None:
    fault = world.platform.workspaces.falsify_tag(1)
    with pytest.raises(ChecksumMismatchError, match="other bytes arrived"):
        await world.submit("Damaged")
    assert fault.hits == 1
    assert await world.unfinished() == []
    # What did not arrive at all, or arrived without an answer, is sent again.
    world.platform.fault("PUT partNumber", refuse=True)
    world.platform.fault("PUT partNumber", cut_after=0)
    with world.platform.intercept() as seen:
        seen.answer(TASKS, status=201, json={"id": "t-4", "name": "Damaged"})
        await world.submit("Damaged")
    assert len([call for call in seen.calls if "partNumber" in call.query]) == 3


async def links_expire(world: World) -> None:
    links = world.platform.workspaces.links
    usual = links.age

    def renew() -> None:
        links.age = usual

    links.age = 2 * links.lifetime
    fault = world.platform.fault(once(renew, "partNumber"), times=None)
    with world.platform.intercept() as seen:
        seen.answer(TASKS, status=201, json={"id": "t-2", "name": "Signed"})
        await world.submit("Signed", presigned=True)
    fault.remove()
    inits = [call for call in seen.calls if call.path.endswith("upload/init")]
    assert len(inits) > 2  # more than one for each shard
    there = await world.workspaces.storage.get_bytes("jobs/signed/shards/shard_0.zip")
    assert there == await run_blocking((world.shards / "shard_0.zip").read_bytes)
    head = await world.workspaces.storage.head("jobs/signed/shards/shard_1.zip")
    assert head is not None and str(head.etag).endswith('-1"')
    with world.platform.intercept() as seen:
        seen.answer(TASKS, status=201, json={"id": "t-3", "name": "Signed"})
        again = await world.submit("Signed", presigned=True)
    assert again.plan is not None and again.plan.uploads == ()

    links.age = 2 * links.lifetime
    with pytest.raises(LinksExpired) as caught:
        await world.submit("Signed late", presigned=True)
    assert "Signature" not in str(caught.value)
    links.age = usual
    assert await world.unfinished() == []
    world.platform.workspaces.falsify_tag(1)
    with pytest.raises(ChecksumMismatchError):
        await world.submit("Signed wrong", presigned=True)


@pytest.mark.thorough
async def test_one_task_whatever_happens_to_the_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.platform.fault(TASKS, cut_after=0)
        lost = await world.submit("Lost")
        assert lost.adopted
        assert await world.tasks() == [lost.id]

        world.platform.fault(TASKS, status=429, headers={"Retry-After": "0"})
        told = await world.submit("Told to wait")
        assert not told.adopted
        world.platform.fault(TASKS, status=400, body="{}")
        with pytest.raises(IllegalArgumentError):
            await world.submit("Bad")
        assert len(await world.tasks()) == 2

        # Of two at once one is refused, in one client as in two.
        given = settings(world.ready)
        async with Workspaces.connect(world.ready["url"], **given) as other:
            for second in (world.workspaces, other):
                outcomes = await asyncio.gather(
                    world.submit("Twins"),
                    second.submit("Twins", **world.given({})),
                    return_exceptions=True,
                )
                kinds = sorted(type(outcome).__name__ for outcome in outcomes)
                assert kinds == ["ConflictError", "SubmittedTask"]
                refused = next(item for item in outcomes if isinstance(item, ConflictError))
                assert "under way on this machine" in str(refused)
        assert len(await world.tasks()) == 4
