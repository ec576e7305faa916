"""Jobs that mount disks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from neuro_client import (
    Action,
    AuthorizationError,
    Client,
    ConflictError,
    Disk,
    DiskVolume,
    IllegalArgumentError,
    JobDescription,
    Permission,
    RemoteImage,
    ResourceNotFound,
)
from neuro_client.local import LocalPlatform
from neuro_client.local.services.disks.images import can_mount

from ..users.people import as_user

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

MIB = 2**20
IMAGE = RemoteImage("ubuntu", "22.04")


async def start(client: Client, script: str, *disks: DiskVolume, **more: Any) -> JobDescription:
    return await client.jobs.start(
        image=IMAGE,
        preset_name="cpu-small",
        command=f"sh -c '{script}'",
        disk_volumes=list(disks),
        **more,
    )


async def run(client: Client, script: str, *disks: DiskVolume) -> tuple[JobDescription, list[str]]:
    job = await start(client, script, *disks)
    async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
        said = [line async for line in lines]
    return await client.jobs.wait(job.id, timeout=10, check=False), said


async def written(client: Client, disk_id: str) -> Disk:
    """Wait until a disk tells that something is on it."""
    async with asyncio.timeout(10):
        while not (found := await client.disks.get(disk_id)).used_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def test_what_jobs_leave_on_a_disk(client: Client, tmp_path: Path) -> None:
    disk = await client.disks.create(4 * MIB, name="shared-one")
    by_name = DiskVolume(URL("disk:shared-one"), "/mnt/data")
    job, _ = await run(client, "echo kept > /mnt/data/note; mkdir /mnt/data/deep", by_name)
    assert job.history.exit_code == 0, job.history
    used = await written(client, disk.id)
    assert used.last_usage is not None
    assert job.history.started_at is not None
    assert used.last_usage >= job.history.started_at
    read_only = DiskVolume(disk.uri, "/in", read_only=True)
    job, said = await run(client, "cat /in/note; ls -d /in/deep; echo x > /in/note", read_only)
    assert said[:2] == ["kept", "/in/deep"]
    assert "Read-only" in said[2]
    assert job.history.exit_code != 0


async def test_a_disk_in_use_stays(client: Client, local_platform: LocalPlatform) -> None:
    disk = await client.disks.create(4 * MIB, timedelta(hours=1), "busy-one")
    volume = DiskVolume(URL("disk:busy-one"), "/mnt/data")
    job = await start(client, "echo up; sleep 60", volume)
    async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"
    with pytest.raises(ConflictError, match=job.id):
        await client.disks.rm("busy-one")
    # Its life span is over, but the job runs.
    control = local_platform.disks
    await control.store.touch([disk.id], 1.0)
    assert await control._remove_unused() == pytest.approx(3600)
    found = await client.disks.get(disk.id)
    assert found.last_usage is not None
    assert found.last_usage > found.created_at
    await client.jobs.kill(job.id)
    async with asyncio.timeout(10):
        while (await client.jobs.status(job.id))._internal.materialized:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        while disk.id in [item.id for item in await control.store.all()]:
            await control.store.touch([disk.id], 1.0)
            control._wake.set()
            await asyncio.sleep(0.02)
    with pytest.raises(ResourceNotFound):
        await client.disks.get(disk.id)


async def test_a_disk_over_its_size_is_refused_to_jobs(
    client: Client, local_platform: LocalPlatform
) -> None:
    local_platform.disks.folders.images = False
    disk = await client.disks.create(100_000)
    file = local_platform.disks.folders.root / "default" / disk.id / "large"
    await asyncio.to_thread(file.write_bytes, b"x" * 200_000)
    assert (await client.disks.get(disk.id)).used_bytes == 200_000
    with pytest.raises(IllegalArgumentError, match="is full: 200000 bytes"):
        await start(client, "true", DiskVolume(disk.uri, "/mnt/data"))
    await asyncio.to_thread(file.unlink)
    job, _ = await run(client, "true", DiskVolume(disk.uri, "/mnt/data"))
    assert job.history.exit_code == 0


async def attached(image: Path) -> bool:
    """Tell whether a loop device has a file."""

    def look() -> bool:
        found = Path("/sys/block").glob("loop*/loop/backing_file")
        return any(str(image) in path.read_text() for path in found)

    return await asyncio.to_thread(look)


async def test_the_size_of_a_disk_is_a_limit(client: Client, local_platform: LocalPlatform) -> None:
    if not await asyncio.to_thread(can_mount):
        pytest.skip("only root can mount a small disk")
    disk = await client.disks.create(4 * MIB)
    volume = DiskVolume(disk.uri, "/mnt/data")
    image = local_platform.data / "disks" / "default" / f"{disk.id}.ext4"
    holding = await start(client, "echo up; cat /mnt/data/fifo; sleep 60", volume)
    async with asyncio.timeout(10), client.jobs.logs(holding.id) as lines:
        assert await anext(lines) == "up"
    assert await attached(image)
    # Both see one disk, whoever came first; the second fills it.
    script = "head -c 9000000 /dev/zero > /mnt/data/all; wc -c < /mnt/data/all"
    job, said = await run(client, script, volume)
    assert "No space left" in " ".join(said), said
    # Lines of both outputs come in any order.
    [size] = [int(line) for line in said if line.isdigit()]
    assert 0.9 * 4 * MIB <= size <= 1.3 * 4 * MIB
    await client.jobs.kill(holding.id)
    async with asyncio.timeout(10):
        while await attached(image):  # noqa: ASYNC110 - the kernel is asked, nobody tells
            await asyncio.sleep(0.02)
    assert (await written(client, disk.id)).used_bytes == pytest.approx(int(said[-1]), rel=0.1)
    # A full disk is still there for jobs, which make room.
    job, said = await run(client, "rm /mnt/data/all && echo x > /mnt/data/new && echo ok", volume)
    assert said == ["ok"]
    read_only = DiskVolume(disk.uri, "/in", read_only=True)
    job, said = await run(client, "cat /in/new; echo y > /in/new", read_only)
    assert said[0] == "x"
    assert "Read-only" in said[1]
    assert job.history.exit_code != 0
    await client.disks.rm(disk.id)
    assert not await asyncio.to_thread(image.exists)


async def test_a_disk_that_goes_before_the_job_starts(
    client: Client, local_platform: LocalPlatform
) -> None:
    disk = await client.disks.create(MIB)
    await local_platform.set_quota("user", total_running_jobs=1)
    blocking = await start(client, "sleep 60")
    volume = DiskVolume(disk.uri, "/mnt/data")
    waiting = await start(client, "true", volume, wait_for_jobs_quota=True)
    with pytest.raises(ConflictError, match=waiting.id):
        await client.disks.rm(disk.id)
    # Nobody can take it away but who has the data folder.
    await local_platform.disks.store.delete(
        await local_platform.disks.store.get("default", disk.id)
    )
    await client.jobs.kill(blocking.id)
    job = await client.jobs.wait(waiting.id, timeout=10, check=False)
    assert job.history.reason == "ContainerCannotRun"
    assert job.history.description == f"disk {disk.uri} does not exist"
    with pytest.raises(IllegalArgumentError, match="does not exist"):
        await start(client, "true", DiskVolume(disk.uri, "/mnt/data"))


async def test_another_users_disk(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    disk = await client.disks.create(MIB)
    async with as_user(local_platform, "bob", tmp_path / "bob") as bob:
        with pytest.raises(AuthorizationError, match=disk.id):
            await start(bob, "true", DiskVolume(disk.uri, "/mnt/data", read_only=True))
        # The id of somebody else's disk below one's own home names nothing.
        own = URL(f"disk://default/bob/{disk.id}")
        with pytest.raises(IllegalArgumentError, match="does not exist"):
            await start(bob, "true", DiskVolume(own, "/mnt/data"))
        await client.users.share("bob", Permission(disk.uri, Action.READ))
        with pytest.raises(AuthorizationError, match="write"):
            await start(bob, "true", DiskVolume(disk.uri, "/mnt/data"))
        job, said = await run(bob, "ls -d /in", DiskVolume(disk.uri, "/in", read_only=True))
        assert (job.history.exit_code, said) == (0, ["/in"])
        await client.users.revoke("bob", disk.uri)
        with pytest.raises(AuthorizationError):
            await start(bob, "true", DiskVolume(disk.uri, "/in", read_only=True))
