"""From a job to the run a runner can start: environment, mounts, command line."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
from yarl import URL

from ..runners import Mount, Runner, RunnerError, RunSpec
from ..services.base import Platform
from .models import Job

PASSED_CONFIG = "NEURO_PASSED_CONFIG"
_PULL_TIME = 3600.0


async def _no_secret(uri: URL) -> bytes | None:
    return None


async def _no_disk(uri: URL) -> Path | None:
    return None


@attrs.define
class Resolvers:
    """How jobs reach what other services keep; those services put theirs here.

    Each gives None for what does not exist, and raises `RunnerError` for what cannot be used.
    """

    secret: Callable[[URL], Awaitable[bytes | None]] = _no_secret
    disk: Callable[[URL], Awaitable[Path | None]] = _no_disk


def storage_path(platform: Platform, uri: URL) -> Path:
    """Give the host path of a storage URI; `RunnerError` if a link leads out of the storage.

    Blocking.
    """
    root = platform.storage_root(uri.host or "").resolve()
    path = root.joinpath(*(part for part in uri.path.split("/") if part)).resolve()
    if not path.is_relative_to(root):
        raise RunnerError(f"{uri} leads out of the storage")
    return path


async def run_spec(
    platform: Platform, resolvers: Resolvers, job: Job, run: int, *, grace: float, runner: Runner
) -> RunSpec:
    """Describe a run of a job for a runner; secret files are written into the job's folder."""
    secrets = runner.log_path(job.id, run).parent.parent / "secrets"
    container = job.spec.container
    env = dict(container["env"])
    for name, text in container.get("secret_env", {}).items():
        value = await _secret(resolvers, URL(text))
        if b"\0" in value:
            raise RunnerError(f"secret {text} has a NUL byte, as no variable can; mount its file")
        env[name] = value.decode("utf-8", "surrogateescape")
    if job.spec.pass_config:
        env[PASSED_CONFIG] = await _passed_config(platform, runner, job)
    mounts = []
    for volume in container["volumes"]:
        source = await asyncio.to_thread(storage_path, platform, URL(volume["src_storage_uri"]))
        mounts.append(Mount(source, volume["dst_path"], volume["read_only"]))
    for volume in container.get("disk_volumes", ()):
        disk = await resolvers.disk(URL(volume["src_disk_uri"]))
        if disk is None:
            raise RunnerError(f"disk {volume['src_disk_uri']} does not exist")
        image = await asyncio.to_thread(disk.is_file)
        mounts.append(Mount(disk, volume["dst_path"], volume["read_only"], image))
    for number, volume in enumerate(container.get("secret_volumes", ())):
        value = await _secret(resolvers, URL(volume["src_secret_uri"]))
        file = secrets / str(number)
        await asyncio.to_thread(_write_private, file, value)
        mounts.append(Mount(file, volume["dst_path"], True))
    resources = container["resources"]
    entrypoint = shlex.split(container.get("entrypoint", ""))
    image = container["image"]
    return RunSpec(
        job_id=job.id,
        run=run,
        argv=(*entrypoint, *shlex.split(container.get("command", ""))),
        env=env,
        cpu=job.cpu,
        memory=job.memory,
        working_dir=container.get("working_dir"),
        mounts=tuple(mounts),
        shm=resources.get("shm", False),
        tty=container.get("tty", False),
        grace=grace,
        image=image,
        entrypoint=len(entrypoint),
        pull_token=_pull_token(platform, job, image),
    )


def _pull_token(platform: Platform, job: Job, image: str) -> Callable[[], Awaitable[str]] | None:
    """Give what makes the owner's token for an image of the platform's registry."""
    if not image.startswith(f"{platform.registry(job.cluster).authority}/"):
        return None
    return functools.partial(platform.issue_token, job.owner, expires_in=_PULL_TIME)


async def _secret(resolvers: Resolvers, uri: URL) -> bytes:
    value = await resolvers.secret(uri)
    if value is None:
        raise RunnerError(f"secret {uri} does not exist")
    return value


async def _passed_config(platform: Platform, runner: Runner, job: Job) -> str:
    """Log the job in as its owner (config-and-auth.md §4.4)."""
    token = await platform.issue_token(job.owner, resource=f"token://{job.cluster}/job/{job.id}")
    value = {
        "token": token,
        "cluster": job.cluster,
        "url": str(runner.inside(platform.api_url)),
        "org_name": job.org,
    }
    return base64.b64encode(json.dumps(value).encode()).decode()


def _write_private(file: Path, value: bytes) -> None:
    """Write what only the job may read, as whatever user: the folder keeps the others out."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(0o600)
    file.chmod(0o644)
    file.write_bytes(value)
