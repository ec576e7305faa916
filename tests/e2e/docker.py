"""The container engine of this machine, and images that need no network."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiodocker

BUSYBOX = "/bin/busybox"
"""A static build (Debian's busybox-static); ``make docker`` installs it."""


@asynccontextmanager
async def engine() -> AsyncIterator[aiodocker.Docker]:
    """Connect to the engine; ``make docker`` starts one."""
    docker = aiodocker.Docker(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        yield docker
    finally:
        await docker.close()


async def make_image(
    docker: aiodocker.Docker,
    name: str,
    files: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
) -> None:
    """Make an image of one layer with some files, and symbolic links by what they point to."""
    repository, _, tag = name.rpartition(":")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    async with docker._query(
        "images/create",
        "POST",
        params={"fromSrc": "-", "repo": repository, "tag": tag},
        data=io.BytesIO(archive.getvalue()),
        headers={"Content-Type": "application/x-tar"},
    ) as answer:
        await answer.read()


async def make_busybox(docker: aiodocker.Docker, name: str) -> None:
    """Make an image with a shell and the usual commands."""
    content = await asyncio.to_thread(Path(BUSYBOX).read_bytes)
    listed = await asyncio.to_thread(subprocess.check_output, [BUSYBOX, "--list"], text=True)
    links = {f"bin/{name}": "busybox" for name in listed.split() if name != "busybox"}
    await make_image(docker, name, {"bin/busybox": content}, links)


async def forget(docker: aiodocker.Docker, *names: str) -> None:
    """Remove images; those that are gone are no error."""
    for name in names:
        with suppress(aiodocker.DockerError):
            await docker.images.delete(name, force=True)


async def names_of(docker: aiodocker.Docker) -> set[str]:
    """Return the names of all images of the engine."""
    return {name for image in await docker.images.list() for name in image["RepoTags"] or ()}
