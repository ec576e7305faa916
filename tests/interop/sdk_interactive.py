"""Drive the published client's interactive jobs and images; runs with it."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import io
import os
import socket
import tarfile

import aiodocker
import neuro_sdk
from sdk_shared import Given, expected


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


async def rest_of(stream) -> tuple[bytes, int]:
    """Read a stream to the end of its process."""
    found = b""
    try:
        while (message := await stream.read_out()) is not None:
            found += message.data
    except neuro_sdk.StdStreamError as error:
        return found, error.exit_code
    raise AssertionError("the stream ended without a code")


class InteractiveSteps(Given):
    """Each ``step_…`` is one scenario."""

    async def step_streams(self) -> None:
        async with self.client() as client:
            job = await self.begun(client, "sleep 60")
            jobs = client.jobs
            async with jobs.exec(
                job.id, "sh -c 'read word; echo got $word; exit 3'", stdin=True, stdout=True
            ) as stream:
                assert (await stream.read_out()).data == b""
                await stream.write_in(b"one\n")
                assert await rest_of(stream) == (b"got one\n", 3)
            async with jobs.exec(job.id, "sh", tty=True, stdin=True, stdout=True) as stream:
                await stream.resize(30, 90)
                await stream.write_in(b"stty size; exit 4\n")
                out, code = await rest_of(stream)
                assert b"30 90" in out and code == 4, out
            with expected(neuro_sdk.IllegalArgumentError):
                async with jobs.exec(job.id, "true"):
                    pass
            await jobs.kill(job.id)
            script = "sh -c 'while read line; do echo got $line; test $line = q && exit; done'"
            job = await self.begun(client, script, tty=True)
            async with jobs.attach(job.id, tty=True, stdin=True, stdout=True) as stream:
                await stream.write_in(b"q\n")
                out, code = await rest_of(stream)
                assert b"got q" in out and code == 0, out
                await stream.close()

    async def step_forwarded_ports(self) -> None:
        async with self.client() as client:
            port, local = free_port(), free_port()
            job = await self.begun(client, f"python -m http.server {port} --bind 127.0.0.1")
            async with client.jobs.port_forward(job.id, local, port, no_key_check=True):
                answer = b""
                while not answer:  # the server may still be starting
                    reader, writer = await asyncio.open_connection("localhost", local)
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    answer = await reader.read()
                    writer.close()
                assert answer.startswith(b"HTTP/1.0 200"), answer[:100]
            await client.jobs.kill(job.id)

    async def step_saving_needs_a_container(self) -> None:
        async with self.client() as client:
            job = await self.begun(client, "sleep 60")
            with expected(aiodocker.exceptions.DockerError):
                await client.jobs.save(job.id, client.parse.remote_image("image:saved:v1"))
            with expected(ValueError):
                await client.jobs.save(job.id, client.parse.remote_image("ubuntu"))
            await client.jobs.kill(job.id)

    async def begun(self, client, command: str, **options):
        """Start a job and wait until it runs."""
        job = await self.start(client, command, **options)
        await self.running(client, job.id)
        return job

    async def step_images(self) -> None:
        """Push, look at, pull and remove an image through the engine of this machine."""
        async with self.client() as client, aiodocker.Docker() as docker:
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                entry = tarfile.TarInfo("data")
                entry.size = 500_000
                tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
            async with docker._query(
                "images/create",
                "POST",
                params={"fromSrc": "-", "repo": "interop-image", "tag": "v1"},
                data=io.BytesIO(archive.getvalue()),
                headers={"Content-Type": "application/x-tar"},
            ) as answer:
                await answer.read()
            local = client.parse.local_image("interop-image:v1")
            images = client.images
            try:
                remote = await images.push(local)
                bare = client.parse.remote_image(
                    "image:interop-image", tag_option=neuro_sdk.TagOption.DENY
                )
                assert bare in await images.list()
                assert await images.tags(bare) == [remote]
                size = await images.size(remote)
                assert size > 400_000
                assert await images.tag_info(remote) == neuro_sdk.Tag("v1", size)
                await docker.images.delete("interop-image:v1")
                await docker.images.delete(remote.as_docker_url())
                assert await images.pull(remote) == local
                await images.rm(remote, await images.digest(remote))
                with expected(neuro_sdk.ResourceNotFound):
                    await images.digest(remote)
            finally:
                await docker.images.delete("interop-image:v1", force=True)
