"""The runner that executes jobs as containers of a Docker engine.

Each run is a container ``neuro-client-<job id>-<run>``. Folder of a run, as for processes:
``<folder>/<job id>/<run>/`` with the log, which `wait` copies from the engine, and exit.json.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiodocker import DockerError
from aiodocker.containers import DockerContainer
from yarl import URL

from . import docker_saving, docker_sessions
from .base import Exit, RunnerError, RunSpec, Session, Streams, Usage
from .docker_config import container_config, epoch
from .docker_ending import EXIT, Ending, exit_noted, read_exit, write_exit
from .docker_engine import (
    ENGINE_ERRORS,
    LABEL,
    Engine,
    explained,
    is_missing,
    is_taken,
    removed,
    words,
)
from .docker_gateway import Gateway, gateway

Key = tuple[str, int]

_ATTEMPTS = 3
_PULLED = f"{LABEL}.pulled"

_log = logging.getLogger(__name__)


class DockerRunner:
    """Run jobs in containers, which outlive this process; see `Runner`.

    ``patience`` is how many seconds an engine that went away may take to come back before its runs
    count as lost.
    """

    def __init__(self, folder: Path, engine: Engine, way_in: Gateway) -> None:
        self.patience = 30.0
        self._folder = folder
        self._engine = engine
        self._gateway = way_in
        self._stops: dict[Key, asyncio.Event] = {}
        self._pulls: dict[Key, asyncio.Task[None]] = {}
        self._unremoved: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, platform: URL) -> AsyncIterator[DockerRunner]:
        """Connect to the engine; ``platform`` is what containers have to reach.

        Raises:
            ConnectionError: there is no engine.
        """
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        async with AsyncExitStack() as stack:
            engine = await stack.enter_async_context(Engine.opened())
            way_in = await stack.enter_async_context(gateway(platform, await engine.gateway()))
            runner = cls(folder, engine, way_in)
            await runner._sweep()
            yield runner

    def describe(self) -> list[str]:
        """Say what the engine cannot do."""
        said = []
        if self._engine.unlimited:
            names = " and ".join(self._engine.unlimited)
            said.append(f"Jobs run without a limit of {names}: the engine has none.")
        if not self._gateway.is_open:
            said.append(
                "Jobs cannot reach the platform, so pass_config is of no use to them: the bridge "
                "network of the engine is not on this machine."
            )
        return said

    def check(self, spec: RunSpec) -> None:
        """Refuse mounts whose source does not exist or is no plain file or folder."""
        for mount in spec.mounts:
            if mount.image:
                raise RunnerError(
                    f"the disk for {mount.target} is a file system of its own, which only the "
                    "process runner mounts; make another disk"
                )
            if not mount.source.exists():
                raise RunnerError(f"{mount.source}, to be mounted at {mount.target}, is missing")

    def log_path(self, job_id: str, run: int) -> Path:
        """Give the file of stamped output."""
        return self._run(job_id, run) / "log"

    def inside(self, url: URL) -> URL:
        """Give the address of the platform on the containers' network."""
        return self._gateway.inside(url)

    async def start(self, spec: RunSpec) -> float:
        """Fetch the image where it is missing or may have changed, and start a container of it."""
        await asyncio.to_thread(self._prepare, spec)
        key = (spec.job_id, spec.run)
        config = container_config(spec, limits_swap=self._engine.limits_swap)
        config["Labels"] = self._labels(spec)
        with explained("the container engine cannot start the job"):
            try:
                container = await self._made(key, spec, config)
                await container.start()
                started = epoch((await container.show())["State"]["StartedAt"])
            except BaseException:
                await asyncio.shield(self._undo(key, config["Labels"]))
                raise
        return time.time() if started is None else started

    async def wait(self, job_id: str, run: int) -> Exit:
        """Copy the output until the container has ended, and note how it did."""
        key = (job_id, run)
        folder = self._run(*key)
        found = await asyncio.to_thread(read_exit, folder)
        if found is None:
            stopped = self._stops.setdefault(key, asyncio.Event())
            ending = Ending(self._engine, _name(*key), folder / "log", stopped)
            found = await ending.seen_through(self.patience)
            # Noted before the container is removed: a restart of the platform must find it.
            await asyncio.to_thread(write_exit, folder, found)
        return found

    async def find(self, job_id: str, run: int) -> float | None:
        """Tell when the container was started; one that was only made is removed."""
        container = self._engine.container(_name(job_id, run))
        with explained("the container of the job cannot be looked up"):
            try:
                state = (await container.show())["State"]
            except DockerError as error:
                if is_missing(error):
                    return None
                raise
            started = epoch(state["StartedAt"])
            if started is None:
                await removed(container)
            return started

    async def stop(self, job_id: str, run: int) -> None:
        """Send SIGTERM; `wait` sends SIGKILL after the grace. A pull is given up."""
        key = (job_id, run)
        if (pull := self._pulls.get(key)) is not None:
            pull.cancel()
            return
        with contextlib.suppress(*ENGINE_ERRORS):  # ended, or `wait` sees to it
            await self._engine.container(_name(*key)).kill(signal="SIGTERM")
        self._stops.setdefault(key, asyncio.Event()).set()

    async def kill(self, job_id: str, run: int) -> bool:
        """Send SIGKILL to everything in the container."""
        try:
            await self._engine.container(_name(job_id, run)).kill(signal="SIGKILL")
        except ENGINE_ERRORS as error:
            if not (is_missing(error) or is_taken(error)):
                _log.warning("job %s cannot be killed: %s", job_id, words(error))
            return False
        return True

    async def stats(self, job_id: str, run: int) -> Usage | None:
        """Read the counters of the container's control group, without its page cache."""
        try:
            found = await self._engine.docker._query_json(
                f"containers/{_name(job_id, run)}/stats", params={"stream": "0", "one-shot": "1"}
            )
        except ENGINE_ERRORS:
            return None
        memory = found.get("memory_stats") or {}
        if "usage" not in memory:
            return None
        details = memory.get("stats", {})
        cache = details.get("total_inactive_file", details.get("inactive_file", 0))
        seconds = found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        return Usage(seconds, max(0, memory["usage"] - cache))

    @asynccontextmanager
    async def executed(
        self, job_id: str, run: int, argv: Sequence[str], streams: Streams
    ) -> AsyncIterator[Session]:
        """Run a command in the container."""
        container = await self._running(job_id, run)
        docker = self._engine.docker
        async with docker_sessions.executed(docker, container, argv, streams) as session:
            yield session

    @asynccontextmanager
    async def attached(self, job_id: str, run: int, streams: Streams) -> AsyncIterator[Session]:
        """Open the streams of the container's own process."""
        container = await self._running(job_id, run)
        folder = self._run(job_id, run)

        async def code() -> int:
            return (await exit_noted(folder)).code or 0

        docker = self._engine.docker
        async with docker_sessions.attached(docker, container, streams, code) as session:
            yield session

    async def host(self, job_id: str, run: int) -> str:
        """Tell the container's address on the bridge network."""
        container = await self._running(job_id, run)
        address = str(container._container["NetworkSettings"]["IPAddress"])
        if not address:  # no name at all would mean this host
            raise RunnerError(f"job {job_id} has no address on the engine's bridge network")
        return address

    async def saved(
        self, job_id: str, run: int, image: str, token: str
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Commit the container and push the image."""
        container = await self._running(job_id, run)
        records = docker_saving.saved(self._engine, container, job_id, image, token)
        async with contextlib.aclosing(records) as found:  # type: ignore[type-var]
            async for record in found:
                yield record

    async def forget(self, job_id: str) -> None:
        """Remove the containers, pulled images and secret files of a job; its output stays.

        What an engine that is away keeps is removed later.
        """
        await asyncio.to_thread(shutil.rmtree, self._folder / job_id / "secrets", True)
        self._stops = {key: event for key, event in self._stops.items() if key[0] != job_id}
        self._unremoved.add(job_id)
        for one in sorted(self._unremoved):
            try:
                for container in await self._engine.labelled(data=str(self._folder), job=one):
                    await self._remove(container)
            except ENGINE_ERRORS as error:
                _log.warning("containers of job %s are left for later: %s", one, words(error))
                return
            self._unremoved.discard(one)

    # -- parts --------------------------------------------------------------------------------

    def _run(self, job_id: str, run: int) -> Path:
        return self._folder / job_id / str(run)

    def _labels(self, spec: RunSpec) -> dict[str, str]:
        return {
            f"{LABEL}.data": str(self._folder),
            f"{LABEL}.job": spec.job_id,
            f"{LABEL}.run": str(spec.run),
            f"{LABEL}.grace": str(spec.grace),
        }

    def _prepare(self, spec: RunSpec) -> None:
        """Make the folder of a run with its empty log, from which `wait` goes on."""
        if not spec.image:
            raise RunnerError("the docker runner needs an image")
        self.check(spec)
        folder = self._run(spec.job_id, spec.run)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "log").touch(0o600)

    async def _fetch(self, key: Key, spec: RunSpec) -> bool:
        """Pull the image; tell whether its name must go with the container.

        A name in the platform's registry may mean another image than before.
        """
        there = await self._engine.has_image(spec.image)
        if there and spec.pull_token is None:
            return False
        token = None if spec.pull_token is None else await spec.pull_token()
        pull = asyncio.create_task(self._engine.pull(spec.image, token))
        self._pulls[key] = pull
        try:
            await asyncio.wait((pull,))
        finally:
            pull.cancel()
            await asyncio.wait((pull,))
            del self._pulls[key]
        if pull.cancelled():
            raise RunnerError("the job was stopped while its image was fetched")
        pull.result()
        if spec.pull_token is None:  # images from elsewhere are dear: the engine keeps them
            return False
        return not there or bool(await self._engine.labelled(pulled=spec.image))

    async def _made(self, key: Key, spec: RunSpec, config: dict[str, Any]) -> DockerContainer:
        """Make a container of an image that may have to be fetched."""
        for attempt in range(_ATTEMPTS):
            if await self._fetch(key, spec):
                config["Labels"][_PULLED] = spec.image
            try:
                return await self._create(config, _name(*key))
            except DockerError as error:
                # The end of another job may just have taken the image away.
                if not is_missing(error) or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _create(self, config: Mapping[str, Any], name: str) -> DockerContainer:
        docker = self._engine.docker
        try:
            return await docker.containers.create(config, name=name)
        except DockerError as error:
            if not is_taken(error):
                raise
        # A platform that was killed had come this far before.
        await removed(self._engine.container(name))
        return await docker.containers.create(config, name=name)

    async def _remove(self, container: DockerContainer) -> None:
        """Remove a listed container, and the name of the image that was fetched for it."""
        await removed(container)
        await self._drop_image(container._container["Labels"])

    async def _undo(self, key: Key, labels: Mapping[str, str]) -> None:
        """Remove what a start that failed has made; an engine that is away keeps it for later."""
        with contextlib.suppress(*ENGINE_ERRORS):
            await removed(self._engine.container(_name(*key)))
            await self._drop_image(labels)

    async def _drop_image(self, labels: Mapping[str, str]) -> None:
        if image := labels.get(_PULLED):
            with contextlib.suppress(*ENGINE_ERRORS):  # it stays where another run uses it
                await self._engine.docker.images.delete(image)

    async def _sweep(self) -> None:
        """Remove the containers whose end an earlier platform has noted already."""
        with explained("the engine's containers cannot be listed"):
            for container in await self._engine.labelled(data=str(self._folder)):
                labels = container._container["Labels"]
                folder = self._run(labels[f"{LABEL}.job"], int(labels[f"{LABEL}.run"]))
                if not await asyncio.to_thread(_unsettled, folder):
                    await self._remove(container)

    async def _running(self, job_id: str, run: int) -> DockerContainer:
        """Give the inspected container of a run; `RunnerError` if the run is over."""
        container = self._engine.container(_name(job_id, run))
        try:
            found = await container.show()
        except DockerError as error:
            if not is_missing(error):
                raise RunnerError(f"the container engine does not help: {words(error)}") from error
            found = {}
        except ENGINE_ERRORS as error:
            raise RunnerError(f"the container engine does not answer: {words(error)}") from error
        if not found.get("State", {}).get("Running"):
            raise RunnerError(f"job {job_id} is not running")
        container._id = found["Id"]
        return container


def _name(job_id: str, run: int) -> str:
    return f"{LABEL}-{job_id}-{run}"


def _unsettled(folder: Path) -> bool:
    """Tell whether the end of a run is not noted yet."""
    return folder.is_dir() and not (folder / EXIT).exists()
