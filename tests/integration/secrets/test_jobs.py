"""Jobs that get secrets as variables and files."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import psutil
import pytest
from yarl import URL

from neuro_client import (
    Action,
    AuthorizationError,
    Client,
    IllegalArgumentError,
    JobDescription,
    Permission,
    RemoteImage,
    SecretFile,
    get,
)
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from ..users.people import as_user
from .test_secrets import VALUE, check_hidden

pytestmark = pytest.mark.slow

IMAGE = RemoteImage("ubuntu", "22.04")


async def start(client: Client, script: str, **more: Any) -> JobDescription:
    return await client.jobs.start(
        image=IMAGE, preset_name="cpu-small", command=f"sh -c '{script}'", **more
    )


async def lines_of(client: Client, job: JobDescription) -> list[str]:
    async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
        return [line async for line in lines]


async def test_variables_and_files(client: Client, local_platform: LocalPlatform) -> None:
    binary = bytes(range(256)) * 10
    await client.secrets.add("word", VALUE)
    await client.secrets.add("binary", binary)
    await client.secrets.add("latin", b"caf\xe9")
    job = await start(
        client,
        f"test $WORD = {VALUE.decode()} && echo same; printf %s $LATIN | od -An -tx1; "
        "sha256sum < /run/keys/binary; echo x > /run/keys/binary",
        secret_env={"WORD": URL("secret:word"), "LATIN": URL("secret:latin")},
        secret_files=[SecretFile(URL("secret:binary"), "/run/keys/binary")],
    )
    said = await lines_of(client, job)
    assert said[:3] == ["same", " 63 61 66 e9", f"{hashlib.sha256(binary).hexdigest()}  -"]
    assert "Read-only" in said[3]
    job = await client.jobs.wait(job.id, check=False)
    assert job.container.secret_env["WORD"] == URL("secret://default/user/word")
    assert VALUE.decode() not in repr(job.container.secret_env)


async def test_values_are_not_to_be_seen(
    client: Client, local_platform: LocalPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.secrets.add("word", VALUE)
    job = await start(
        client,
        "echo up; exec sleep 60",
        secret_env={"WORD": URL("secret:word")},
        secret_files=[SecretFile(URL("secret:word"), "/run/word")],
    )
    async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"

    def command_lines() -> list[str]:
        found = psutil.process_iter(["cmdline"])
        return [" ".join(process.info["cmdline"] or ()) for process in found]

    shown = await asyncio.to_thread(command_lines)
    assert any("sleep 60" in line for line in shown)
    assert not [line for line in shown if VALUE.decode() in line]
    spec = local_platform.data / "jobs" / job.id / "0" / "spec.json"
    assert await asyncio.to_thread(spec.read_bytes) == b""
    await client.jobs.kill(job.id)
    async with asyncio.timeout(10):
        while (await client.jobs.status(job.id))._internal.materialized:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.to_thread(check_hidden, local_platform.data)
    assert VALUE.decode() not in caplog.text


async def test_what_cannot_be_given(client: Client, local_platform: LocalPlatform) -> None:
    variable = {"WORD": URL("secret:word")}
    file = [SecretFile(URL("secret:word"), "/run/word")]
    for wanted in ({"secret_env": variable}, {"secret_files": file}):
        with pytest.raises(IllegalArgumentError, match="word does not exist"):
            await start(client, "true", **wanted)
    await client.secrets.add("word", b"no\0variable")
    job = await start(client, "true", secret_env=variable)
    job = await client.jobs.wait(job.id, timeout=10, check=False)
    assert "NUL" in (job.history.description or "")
    assert (
        await client.jobs.wait((await start(client, "true", secret_files=file)).id)
    ).name is None

    await local_platform.set_quota("user", total_running_jobs=1)
    blocking = await start(client, "sleep 60")
    waiting = await start(client, "true", secret_files=file, wait_for_jobs_quota=True)
    await client.secrets.rm("word")
    await client.jobs.kill(blocking.id)
    job = await client.jobs.wait(waiting.id, timeout=10, check=False)
    assert job.history.reason == "ContainerCannotRun"
    assert job.history.description == "secret secret://default/user/word does not exist"


async def test_another_users_secret(
    client: Client, local_platform: LocalPlatform, tmp_path: Path
) -> None:
    await client.secrets.add("word", VALUE)
    variable = {"WORD": URL("secret://default/user/word")}
    async with as_user(local_platform, "bob", tmp_path / "bob") as bob:
        with pytest.raises(AuthorizationError, match="secret://default/user/word"):
            await start(bob, "true", secret_env=variable)
        await client.users.share("bob", Permission(variable["WORD"], Action.READ))
        job = await start(bob, f"test $WORD = {VALUE.decode()} && echo same", secret_env=variable)
        assert await lines_of(bob, job) == ["same"]
        await client.users.revoke("bob", variable["WORD"])
        with pytest.raises(AuthorizationError, match="secret://default/user/word"):
            await start(bob, "true", secret_env=variable)


async def test_a_job_that_waits_over_a_restart_gets_its_secrets(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "config"
    async with LocalPlatform(data, port=0) as platform:
        await login(platform, config)
        async with get(path=config) as client:
            await client.secrets.add("word", VALUE)
            disk = await client.disks.create(2**20)
            script = f"test $WORD = {VALUE.decode()} && ls -d /mnt/data; sleep 60"
            job = await start(
                client,
                script,
                secret_env={"WORD": URL("secret:word")},
                disk_volumes=client.parse.volumes([f"disk:{disk.id}:/mnt/data"]).disk_volumes,
                restart_policy="always",
            )
            async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
                assert await anext(lines) == "/mnt/data"
    async with LocalPlatform(data, port=0) as platform:
        await login(platform, tmp_path / "again")
        async with get(path=tmp_path / "again") as client:
            async with asyncio.timeout(10), client.jobs.logs(job.id) as lines:
                assert await anext(lines) == "/mnt/data"
            found = await client.jobs.status(job.id)
            assert found.history.restarts == 1
            await client.jobs.kill(job.id)
