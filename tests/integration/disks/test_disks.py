"""Disks on the local platform: records, rights, quota, life span, and what a kill leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from neuro_client import (
    Action,
    AuthorizationError,
    Client,
    ConflictError,
    Disk,
    IllegalArgumentError,
    Permission,
    QuotaExceededError,
    ResourceNotFound,
    get,
)
from neuro_client.local import LocalPlatform
from neuro_client.local.services.disks.folders import measure
from neuro_client.testing.login import login

from ..users.people import as_user

MIB = 2**20


async def ids(client: Client, cluster: str | None = None) -> list[str]:
    async with client.disks.list(cluster) as disks:
        return [disk.id async for disk in disks]


async def gone(client: Client, disk: Disk) -> None:
    """Wait until a disk has been removed."""
    async with asyncio.timeout(10):
        while disk.id in await ids(client):  # noqa: ASYNC110 - a server is asked, nobody tells
            await asyncio.sleep(0.02)


async def test_a_disk_from_its_making_to_its_end(
    client: Client, local_platform: LocalPlatform
) -> None:
    plain = await client.disks.create(MIB)
    named = await client.disks.create(10 * MIB, timedelta(hours=1), "train-data")
    assert (named.name, named.storage, named.owner) == ("train-data", 10 * MIB, "user")
    assert (named.timeout_unused, named.last_usage) == (timedelta(hours=1), None)
    assert (plain.name, plain.timeout_unused, plain.status) == (None, None, Disk.Status.READY)
    assert named.uri == URL(f"disk://default/user/{named.id}")
    assert await client.disks.get("train-data") == await client.disks.get(named.id) == named
    assert await client.disks.get(named.id, owner="somebody") == named
    assert await ids(client) == [plain.id, named.id]
    same = await client.disks.create(MIB, life_span=timedelta(days=1))
    assert same.timeout_unused == timedelta(days=1)
    with pytest.raises(ConflictError, match="DiskNameUsed"):
        await client.disks.create(MIB, name="train-data")
    # Nobody has as much, and nobody has to as long as it is not used.
    vast = await client.disks.create(2**63 - 1)
    assert (vast.storage, vast.used_bytes) == (2**63 - 1, 0)
    await client.disks.rm(vast.id)
    await client.disks.rm("train-data")
    for id_or_name in ("train-data", named.id):
        with pytest.raises(ResourceNotFound):
            await client.disks.get(id_or_name)
        with pytest.raises(ResourceNotFound):
            await client.disks.rm(id_or_name)
    folders = local_platform.disks.folders
    left = await asyncio.to_thread(lambda: sorted(p.name for p in folders.root.glob("*/*")))
    assert sorted(name.partition(".")[0] for name in left) == sorted([plain.id, same.id])


async def test_what_makes_no_sense(client: Client, local_platform: LocalPlatform) -> None:
    await check_not_sent(client, local_platform)
    await check_refused(client, local_platform)


async def check_not_sent(client: Client, local_platform: LocalPlatform) -> None:
    day = timedelta(days=1)
    cases: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"storage": -1}, IllegalArgumentError),
        ({"storage": 1.5}, TypeError),
        ({"storage": True}, TypeError),
        ({"storage": 1, "name": "ab"}, IllegalArgumentError),
        ({"storage": 1, "name": "a" * 41}, IllegalArgumentError),
        ({"storage": 1, "name": "Data"}, IllegalArgumentError),
        ({"storage": 1, "name": "a--b"}, IllegalArgumentError),
        ({"storage": 1, "name": "data-"}, IllegalArgumentError),
        ({"storage": 1, "name": "1data"}, IllegalArgumentError),
        ({"storage": 1, "timeout_unused": -day}, IllegalArgumentError),
        ({"storage": 1, "timeout_unused": day, "life_span": day}, TypeError),
        ({"storage": 1, "cluster_name": "nowhere"}, RuntimeError),
    ]
    with local_platform.intercept() as seen:
        for arguments, error in cases:
            with pytest.raises(error):
                await client.disks.create(**arguments)
        for name in ("", ".", ".."):
            with pytest.raises(ValueError, match="names nothing"):
                await client.disks.get(name)
    assert seen.calls == []


async def check_refused(client: Client, local_platform: LocalPlatform) -> None:
    headers = {"Authorization": f"Bearer {local_platform.token}"}
    url = client.config.disk_api_url
    cases: list[tuple[Any, int]] = [
        ({}, 400),
        ([], 400),
        ({"storage": -1}, 400),
        ({"storage": 2**63}, 400),
        ({"storage": 1.5}, 400),
        ({"storage": "1"}, 400),
        ({"storage": 1, "name": "Bad"}, 400),
        ({"storage": 1, "name": "../x"}, 400),
        ({"storage": 1, "life_span": -1}, 400),
        ({"storage": 1, "life_span": 1e300}, 400),
        ({"storage": 1, "project_name": "x"}, 400),
        ({"storage": 1, "org_name": "nope"}, 403),
        ({"storage": 1, "org_name": ".."}, 403),
    ]
    async with aiohttp.ClientSession(headers=headers) as session:
        for body, status in cases:
            async with session.post(url, json=body) as answer:
                assert answer.status == status, (body, await answer.text())
        lines = {"Accept": "application/x-ndjson"}
        await client.disks.create(1)
        async with session.get(url, headers=lines) as answer:
            assert answer.content_type == "application/x-ndjson"
            assert len((await answer.text()).splitlines()) == 1
        async with session.get(url.parent / "nowhere") as answer:
            assert answer.status == 404
    assert len(await ids(client)) == 1


async def test_organisations_clusters_and_another_user(tmp_path: Path) -> None:
    platform = LocalPlatform(
        tmp_path / "data", port=0, clusters=("default", "other"), orgs=("team",)
    )
    async with platform, as_user(platform, "bob", tmp_path / "bob") as bob:
        await login(platform, tmp_path / "config")
        async with get(path=tmp_path / "config") as client:
            inside = await client.disks.create(MIB, org_name="team")
            elsewhere = await client.disks.create(MIB, name="data-one", cluster_name="other")
            mine = await client.disks.create(MIB, name="data-one")
            assert inside.uri == URL(f"disk://default/team/user/{inside.id}")
            assert await ids(client) == [inside.id, mine.id]
            assert await ids(client, "other") == [elsewhere.id]
            # Whatever cluster was asked, the record names the current one.
            assert elsewhere.cluster_name == "default"
            assert (await client.disks.get("data-one", "other")).id == elsewhere.id
            await client.disks.rm("data-one", "other")

            with pytest.raises(ResourceNotFound):
                await bob.disks.get("data-one")
            for call in (bob.disks.get, bob.disks.rm):
                with pytest.raises(AuthorizationError, match=f"disk://default/user/{mine.id}"):
                    await call("data-one", owner="user")
            assert await ids(bob) == []
            await client.users.share("bob", Permission(mine.uri, Action.READ))
            assert await bob.disks.get("data-one", owner="user") == mine
            assert await ids(bob) == [mine.id]
            with pytest.raises(AuthorizationError):
                await bob.disks.rm(mine.id)
            await client.users.share("bob", Permission(mine.uri, Action.WRITE))
            await bob.disks.rm(mine.id)
            assert await ids(client) == [inside.id]
            # The name is free again, and others' names never were in the way.
            assert (await client.disks.create(MIB, name="data-one")).owner == "user"
            assert (await bob.disks.create(MIB, name="data-one")).owner == "bob"


async def test_the_quota_counts_all_disks_of_a_user(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    local_platform.disks.quota = 10 * MIB
    first = await client.disks.create(6 * MIB)
    with pytest.raises(QuotaExceededError) as caught:
        await client.disks.create(5 * MIB)
    assert (caught.value.status, caught.value.needed) == (403, 5 * MIB)
    await client.disks.create(4 * MIB)
    async with as_user(local_platform, "bob", tmp_path / "bob") as bob:
        await bob.disks.create(10 * MIB)
    await client.disks.rm(first.id)
    # Not even two at once come through.
    outcomes = await asyncio.gather(
        *(client.disks.create(4 * MIB) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(item).__name__ for item in outcomes) == ["Disk"] + 2 * ["QuotaExceededError"]


async def test_a_disk_that_nobody_uses_ends(client: Client, local_platform: LocalPlatform) -> None:
    kept = await client.disks.create(MIB)
    brief = await client.disks.create(MIB, timedelta(seconds=0.2), "brief-one")
    await gone(client, brief)
    assert await ids(client) == [kept.id]
    at_once = await client.disks.create(MIB, timedelta(0))
    await gone(client, at_once)


async def test_what_a_kill_leaves_is_cleared_and_the_rest_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def with_client(act: Callable[[Client, LocalPlatform], Coroutine[Any, Any, Any]]) -> Any:
        async with LocalPlatform(data, port=0) as platform:
            folder = tmp_path / f"config-{platform.url.port}"
            await login(platform, folder)
            async with get(path=folder) as client:
                return await act(client, platform)

    disk = await with_client(lambda client, _: client.disks.create(MIB, name="kept-one"))
    orphan = data / "disks" / "default" / "disk-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11"
    await asyncio.to_thread(orphan.mkdir)
    brief = await with_client(
        lambda client, _: client.disks.create(MIB, timedelta(hours=1), "brief-one")
    )

    async def later(client: Client, platform: LocalPlatform) -> None:
        assert not await asyncio.to_thread(orphan.exists)
        assert await client.disks.get("kept-one") == disk
        # What fell due while nobody was there is seen to at the start.
        await platform.disks.store.touch([brief.id], 1.0)

    await with_client(later)

    async def at_last(client: Client, platform: LocalPlatform) -> None:
        await gone(client, brief)
        await asyncio.to_thread(
            platform.disks.folders.remove, (await platform.disks.store.all())[0]
        )
        broken = await client.disks.get("kept-one")
        assert (broken.status, broken.used_bytes) == (Disk.Status.BROKEN, None)

    await with_client(at_last)


def test_what_is_on_a_disk_is_measured(tmp_path: Path) -> None:
    assert measure(tmp_path) == 0
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c").write_bytes(b"y" * 100)
    (tmp_path / "loop").symlink_to(tmp_path)
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(2**40)
    assert 10_100 <= measure(tmp_path) <= 10_100 + 2 * 4096
