"""Whole jobs in containers of a real engine."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
import attrs
import pytest
from yarl import URL

from neuro_client import (
    Client,
    Container,
    DiskVolume,
    HTTPPort,
    JobDescription,
    JobRestartPolicy,
    JobStatus,
    RemoteImage,
    Resources,
    SecretFile,
    StdStreamError,
    Volume,
)
from neuro_client.local import LocalPlatform
from neuro_client.local.scheduler import Timing

from .conftest import BUSYBOX, containers
from .docker import names_of

MIB = 2**20


async def start(client: Client, image: RemoteImage, script: str, **more: Any) -> JobDescription:
    command = f"sh -c {shlex.quote(script)}"
    more = {"preset_name": "cpu-small", "command": command, **more}
    return await client.jobs.start(image=image, **more)


async def running(client: Client, image: RemoteImage, script: str, **more: Any) -> JobDescription:
    job = await start(client, image, script, **more)
    async with asyncio.timeout(30):
        while job.status is not JobStatus.RUNNING:
            assert not job.status.is_finished, job.history
            await asyncio.sleep(0.02)
            job = await client.jobs.status(job.id)
    return job


async def lines_of(client: Client, job: JobDescription) -> list[str]:
    async with asyncio.timeout(30), client.jobs.logs(job.id) as lines:
        return [line async for line in lines]


async def ended(client: Client, job: JobDescription) -> JobDescription:
    return await client.jobs.wait(job.id, timeout=30, check=False)


async def test_secrets_disks_and_volumes(
    docker_client: Client, docker_platform: LocalPlatform, image: RemoteImage
) -> None:
    client = docker_client
    await client.secrets.add("word", b"hush")
    await client.secrets.add("latin", b"caf\xe9")
    disk = await client.disks.create(4 * MIB)
    folder = docker_platform.storage_root("default") / "user"
    await asyncio.to_thread((folder / "in").mkdir)
    await asyncio.to_thread((folder / "in" / "file").write_bytes, b"given\n")
    script = (
        "echo $WORD | md5sum; cat /keys/word; echo; cat /in/file; (echo x > /in/file) 2>&1; "
        "echo made > /out/made; echo kept > /disk/kept; pwd; test -t 0 || echo no terminal; exit 2"
    )
    job = await start(
        client,
        image,
        script,
        secret_env={"WORD": URL("secret:word")},
        secret_files=[SecretFile(URL("secret:word"), "/keys/word")],
        disk_volumes=[DiskVolume(disk.uri, "/disk")],
        volumes=[
            Volume(URL("storage:in"), "/in", read_only=True),
            Volume(URL("storage:out"), "/out"),
        ],
        working_dir="/work",
    )
    said = await lines_of(client, job)
    assert said[1:3] == ["hush", "given"]
    assert "Read-only" in said[3]
    assert said[4:] == ["/work", "no terminal"]
    job = await ended(client, job)
    assert (job.status, job.history.exit_code) == (JobStatus.FAILED, 2)
    assert await asyncio.to_thread((folder / "out" / "made").read_text) == "made\n"
    job = await start(client, image, "cat /disk/kept", disk_volumes=[DiskVolume(disk.uri, "/disk")])
    assert await lines_of(client, job) == ["kept"]
    job = await start(client, image, "true", secret_env={"LATIN": URL("secret:latin")})
    job = await ended(client, job)
    assert "LATIN is not UTF-8" in (job.history.description or "")


async def test_the_image_s_own_command_and_entry_point(
    docker_client: Client, busybox: aiodocker.Docker
) -> None:
    client = docker_client
    container = await busybox.containers.create({"Image": str(BUSYBOX), "Cmd": ["true"]})
    try:
        changes = ('ENTRYPOINT ["echo", "from the image"]', 'CMD ["and its command"]')
        name = "neuro-client-entry:v1"
        repository, _, tag = name.partition(":")
        await container.commit(repository=repository, tag=tag, changes=changes)
        remote = await client.images.push(attrs.evolve(BUSYBOX, name=repository))
        cases: list[tuple[dict[str, Any], str]] = [
            ({}, "from the image and its command"),
            ({"command": "ours"}, "from the image ours"),
            ({"entrypoint": "echo only", "command": "this"}, "only this"),
            ({"entrypoint": "pwd"}, "/"),
        ]
        for options, wanted in cases:
            job = await client.jobs.start(image=remote, preset_name="cpu-small", **options)
            assert await lines_of(client, job) == [wanted]
    finally:
        await container.delete(force=True)
        for found in (remote.as_docker_url(), name):
            await busybox.images.delete(found, force=True)


async def test_http_and_other_ports(docker_client: Client, image: RemoteImage) -> None:
    client = docker_client
    script = "mkdir /www; echo hello > /www/page; exec httpd -f -p 8080 -h /www"
    job = await running(client, image, script, http=HTTPPort(8080, requires_auth=False))
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            async with session.get(job.http_url / "page") as answer:
                if answer.status == 200:
                    assert await answer.text() == "hello\n"
                    break
                assert answer.status == 502  # it does not listen yet
            await asyncio.sleep(0.05)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        local = bound.getsockname()[1]
    async with (
        client.jobs.port_forward(job.id, local, 8080),
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{local}/page") as answer,
    ):
        assert await answer.text() == "hello\n"
    await client.jobs.kill(job.id)
    async with aiohttp.ClientSession() as session, session.get(job.http_url) as answer:
        assert answer.status == 503


async def test_terminals_and_commands(docker_client: Client, image: RemoteImage) -> None:
    client = docker_client
    script = "while read line; do echo got $line; test $line = q && exit 5; done"
    job = await running(client, image, script, tty=True, env={"SEED": "42"})
    async with client.jobs.exec(job.id, "sh -c 'echo $SEED; exit 3'", stdout=True) as stream:
        said = b""
        with pytest.raises(StdStreamError) as caught:
            while (message := await stream.read_out()) is not None:
                said += message.data
        assert (said, caught.value.exit_code) == (b"42\n", 3)
    async with client.jobs.attach(job.id, tty=True, stdin=True, stdout=True) as stream:
        await stream.resize(24, 80)
        await stream.write_in(b"one\nq\n")
        said = b""
        with pytest.raises(StdStreamError):
            while (message := await stream.read_out()) is not None:
                said += message.data
        assert b"got one" in said
    assert (await ended(client, job)).history.exit_code == 5
    assert "got one" in "\n".join(await lines_of(client, job))


async def test_half_a_core_is_half_a_core(docker_client: Client, image: RemoteImage) -> None:
    job = await running(docker_client, image, "while :; do :; done")
    seen = []
    async with docker_client.jobs.top(job.id) as items:
        async for item in items:
            seen.append(item)
            if len(seen) == 4:
                break
    assert 0.2 < sum(item.cpu for item in seen[1:]) / 3 <= 0.6, seen
    assert 0 < seen[-1].memory_bytes < 64 * MIB
    await docker_client.jobs.kill(job.id)


async def test_too_much_memory(docker_client: Client, image: RemoteImage) -> None:
    command = shlex.quote("x=$(head -c 150000000 /dev/zero | tr '\\0' a); echo ${#x}")
    job = await docker_client.jobs.run(
        Container(
            image=image,
            resources=Resources(memory=64 * MIB, cpu=0.5),
            command=f"sh -c {command}",
        )
    )
    job = await ended(docker_client, job)
    assert (job.status, job.history.reason) == (JobStatus.FAILED, "OOMKilled")
    assert job.history.exit_code == 137


async def test_the_job_is_logged_in(docker_client: Client, image: RemoteImage) -> None:
    script = (
        "config=$(echo $NEURO_PASSED_CONFIG | base64 -d); "
        'part() { echo "$config" | sed "s/.*\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/"; }; '
        'wget -q -O - --header "Authorization: Bearer $(part token)" $(part url)/config'
    )
    job = await start(docker_client, image, script, pass_config=True)
    said = "".join(await lines_of(docker_client, job))
    assert '"authorized": true' in said
    # All addresses are such as the job can reach.
    assert (
        "127.0.0.1"
        not in said.replace('"registry_url": "http://127.0.0.1', "")
        .replace('"audience": "http://127.0.0.1', "")
        .partition("callback_urls")[0]
    )


async def test_saving(docker_client: Client, image: RemoteImage, busybox: aiodocker.Docker) -> None:
    client = docker_client
    job = await running(client, image, "echo mine > /note; echo up; sleep 60")
    async with client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"
    target = client.parse.remote_image("image:saved:v2")
    await client.jobs.save(job.id, target)
    assert target.as_docker_url() not in await names_of(busybox)
    await client.jobs.kill(job.id)
    again = await start(client, target, "cat /note")
    assert await lines_of(client, again) == ["mine"]
    theirs = client.parse.remote_image("image:/other/saved:v2")
    job = await running(client, image, "sleep 60")
    with pytest.raises(Exception, match="other"):
        await client.jobs.save(job.id, theirs)
    await client.jobs.kill(job.id)


@pytest.mark.parametrize(
    ("reference", "command", "why"),
    [
        ("{registry}/user/none:v1", "true", "manifest unknown|not found"),
        ("127.0.0.1/some/thing:v1", "true", "refused"),
        ("{image}", "no-such-program x", "no-such-program"),
    ],
)
async def test_jobs_that_cannot_start(
    docker_client: Client,
    docker_platform: LocalPlatform,
    image: RemoteImage,
    reference: str,
    command: str,
    why: str,
) -> None:
    name = reference.format(
        registry=docker_platform.registry("default").authority, image=image.as_docker_url()
    )
    job = await docker_client.jobs.start(
        image=docker_client.parse.remote_image(name), preset_name="cpu-small", command=command
    )
    job = await ended(docker_client, job)
    assert (job.status, job.history.reason) == (JobStatus.FAILED, "ContainerCannotRun")
    assert re.search(why, job.history.description or ""), job.history


async def test_mounts_that_the_engine_refuses(docker_client: Client, image: RemoteImage) -> None:
    """Nothing of the start is left, the fetched image neither (see ``docker_platform``)."""
    disk = await docker_client.disks.create(MIB)
    job = await start(
        docker_client,
        image,
        "true",
        volumes=[Volume(URL("storage:twice"), "/twice")],
        disk_volumes=[DiskVolume(disk.uri, "/twice")],
    )
    job = await ended(docker_client, job)
    assert job.history.reason == "ContainerCannotRun"
    assert "Duplicate mount point" in (job.history.description or "")


async def test_restarts_and_preset_ends(
    docker_client: Client,
    docker_platform: LocalPlatform,
    image: RemoteImage,
    busybox: aiodocker.Docker,
    tmp_path: Path,
) -> None:
    docker_platform.jobs.timing = Timing(backoff=0.05, backoff_max=0.1, grace=0.5)
    volume = Volume(URL("storage:runs"), "/runs")
    script = "echo x >> /runs/n; n=$(wc -l < /runs/n); echo run $n; test $n = 3"
    policy = JobRestartPolicy.ON_FAILURE
    job = await start(docker_client, image, script, volumes=[volume], restart_policy=policy)
    assert await lines_of(docker_client, job) == ["run 1", "run 2", "run 3"]
    job = await ended(docker_client, job)
    assert (job.status, job.history.restarts) == (JobStatus.SUCCEEDED, 2)
    job = await running(docker_client, image, "trap '' TERM; while :; do sleep 0.1; done")
    await docker_client.jobs.kill(job.id)
    async with asyncio.timeout(30):
        while await containers(busybox, tmp_path / "data"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert (await docker_client.jobs.status(job.id)).status is JobStatus.CANCELLED
