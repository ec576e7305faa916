"""Both generations of signing in, the look-up of the bucket, and keys that change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from neuro_client import get
from neuro_client.errors import AuthenticationError, ConfigError, QuotaExceededError
from neuro_client.testing.login import login
from neuro_client.threads import run_blocking
from neuro_client.transfer.plan import plan_parts
from neuro_client.transport import Transport
from neuro_client.workspaces import Workspaces
from neuro_client.workspaces.store import WorkspaceStore, options_of

from .world import MiB, World, opened, settings

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "ada@example.org", "open sesame"


async def test_an_account_signs_in_and_renews_its_session(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        server = world.platform.workspaces
        member = await server.add_user("ada", email=EMAIL, password=PASSWORD)
        given: dict[str, Any] = {
            "s3_url": world.ready["s3_url"],
            "access_key_id": member.access_key_id,
            "secret_access_key": member.secret_access_key,
        }
        url = world.ready["url"]
        async with Workspaces.connect(url, email=EMAIL, password=PASSWORD, **given) as ada:
            with world.platform.intercept() as seen:
                await asyncio.gather(*(ada.usage() for _ in range(3)))
                server.clock.offset += 2 * server.token_lifetime
                await asyncio.gather(*(ada.usage() for _ in range(3)))
            auth = [call.path for call in seen.calls if "/auth/" in call.path]
            assert auth == ["/api/auth/login", "/api/auth/refresh"]

            # Where the cookie is of no use any more, the password is.
            await server.close_sessions("ada")
            server.clock.offset += 2 * server.token_lifetime
            with world.platform.intercept() as seen:
                await ada.usage()
            auth = [call.path for call in seen.calls if "/auth/" in call.path]
            assert auth == ["/api/auth/refresh", "/api/auth/login"]

            # The bucket was never named: it is looked up, once.
            with world.platform.intercept() as seen:
                await asyncio.gather(*(ada.storage.head(f"jobs/{n}") for n in range(3)))
            looked = [call for call in seen.calls if call.path.endswith("storage/bucket")]
            assert len(looked) == 1

        async with Workspaces.connect(url, email=EMAIL, password="wrong", **given) as ada:
            with pytest.raises(AuthenticationError, match="check email and password"):
                await ada.usage()


@pytest.mark.thorough
async def test_a_key_is_replaced_by_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        storage = world.workspaces.storage
        await storage.put_bytes("jobs/one/x", b"1")
        old = settings(world.ready)
        key = await world.workspaces.rotate_key()
        assert await storage.get_bytes("jobs/one/x") == b"1"
        async with Workspaces.connect(world.ready["url"], **old) as other:
            with pytest.raises(AuthenticationError, match="rotate_key"):
                await other.storage.get_bytes("jobs/one/x")
        assert key.secret_access_key not in repr(world.workspaces.storage)


@pytest.mark.thorough
async def test_the_client_of_the_settings(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        folder = tmp_path / "config"
        await login(world.platform, folder)
        async with get(path=folder) as client:
            usage = await client.workspaces.usage()
            assert usage.bucket == world.ready["bucket"]
            await client.workspaces.storage.put_bytes("note.txt", b"1")
        with pytest.raises(RuntimeError, match="closed"):
            await client.workspaces.usage()
        url, key = world.ready["url"], world.ready["api_key"]
        async with Workspaces.connect(url, api_key=key) as bare:
            with pytest.raises(ConfigError, match="RESON_S3_URL"):
                await bare.storage.get_bytes("x")


@pytest.mark.thorough
async def test_the_bucket_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        storage = world.workspaces.storage
        for number in range(3):
            await storage.put_bytes(f"a/{number}.txt", b"x" * number)
        await storage.put_bytes("b/50% & ?.json", b"{}", "text/plain")
        assert await world.keys("a/") == ["a/0.txt", "a/1.txt", "a/2.txt"]
        head = await storage.head("a/2.txt")
        assert head is not None and head.size == 2
        assert await storage.head("a/3.txt") is None
        await storage.delete("a/2.txt")
        await storage.delete("a/2.txt")
        local = tmp_path / "local.bin"
        local.write_bytes(b"content")
        with world.platform.intercept() as seen:
            await storage.upload_file(local, "c/x.bin", "text/markdown")
        [call] = seen.calls
        assert call.headers["Content-Type"] == "text/markdown"
        await storage.download_file("c/x.bin", tmp_path / "copy.bin")
        assert (tmp_path / "copy.bin").read_bytes() == b"content"
        await the_threshold_is_ten_mebibytes(world)
        link = await storage.presign_get("b/50% & ?.json")
        async with Transport() as transport:  # whoever has the link
            assert await (await transport.send("GET", link)).read() == b"{}"
        with pytest.raises(ValueError, match="604800"):
            await storage.presign_get("x", 604_801)
        objects = await storage.objects()
        await objects.begin("d/one", 5)
        assert await storage.abort_multipart_uploads("d/") == 1
        await world.platform.workspaces.set_quota("user", size=100)
        with pytest.raises(QuotaExceededError):
            await storage.put_bytes("big", b"x" * 200)


async def the_threshold_is_ten_mebibytes(world: World) -> None:
    local = world.folder / "large.bin"
    for size, suffix in ((10 * MiB - 1, ""), (10 * MiB, "-1")):
        await run_blocking(local.write_bytes, bytes(size))
        await world.workspaces.storage.upload_file(local, "c/large.bin")
        head = await world.workspaces.storage.head("c/large.bin")
        assert head is not None and head.size == size
        assert str(head.etag).strip('"')[32:] == suffix
    store = WorkspaceStore(await world.workspaces.storage.objects())
    for size, parts in ((120 * MiB, [50, 50, 20]), (50 * MiB, [50])):
        plan = plan_parts(size, options_of().part_size, store.capabilities)
        assert [plan.part(n + 1).size // MiB for n in range(plan.count)] == parts
    huge = 10_000 * 60 * MiB
    assert plan_parts(huge, options_of().part_size, store.capabilities).part_size == 60 * MiB
