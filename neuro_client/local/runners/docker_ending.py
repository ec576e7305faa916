"""See a container through to its end: copy its output, kill it when it will not stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from aiodocker.containers import DockerContainer

from .base import Exit
from .docker_config import epoch
from .docker_engine import ENGINE_ERRORS, LABEL, Engine, is_missing, words
from .docker_log import copy_log

EXIT = "exit.json"
_PAUSE = 0.2
_KILL_PAUSE = 1.0
_SHORT = 0.01
_NO_COMMAND = (126, 127)
_INIT_SAYS = b"[FATAL tini"
_LAST_WORDS = 4096


@attrs.frozen
class Ending:
    """Wait for the end of one container."""

    engine: Engine
    name: str
    log: Path
    stopped: asyncio.Event
    """Set when the run is to end; SIGKILL follows after its grace."""

    async def seen_through(self, patience: float) -> Exit:
        """Wait as long as the engine is there, or comes back within ``patience`` seconds."""
        clock = asyncio.get_running_loop().time
        gone_since: float | None = None
        while True:
            began = clock()
            try:
                return await self._end()
            except ENGINE_ERRORS as error:
                if is_missing(error):
                    return Exit(None, failure="the container of the job is gone")
                problem = words(error)
            now = clock()
            if gone_since is None or now - began > patience:
                gone_since = now
            elif now - gone_since > patience:
                text = f"the container engine did not come back in {patience:g} s: {problem}"
                return Exit(None, failure=text)
            await asyncio.sleep(_PAUSE)

    async def _end(self) -> Exit:
        container = self.engine.container(self.name)
        found = await container.show()
        copy = functools.partial(
            copy_log, self.engine.docker, self.name, self.log, tty=found["Config"]["Tty"]
        )
        if found["State"]["Running"]:
            grace = float(found["Config"]["Labels"][f"{LABEL}.grace"])
            tasks = [
                asyncio.create_task(_copied(copy)),
                asyncio.create_task(self._finished_off(container, grace)),
            ]
            try:
                await self.engine.ended(container)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            found = await container.show()
        await copy(follow=False)
        return await asyncio.to_thread(_exit, found["State"], self.log)

    async def _finished_off(self, container: DockerContainer, grace: float) -> None:
        await self.stopped.wait()
        await asyncio.sleep(grace)
        while True:
            with contextlib.suppress(*ENGINE_ERRORS):
                await container.kill(signal="SIGKILL")
            await asyncio.sleep(_KILL_PAUSE)


async def _copied(copy: functools.partial[Any]) -> None:
    """Copy output as it comes, again after every break."""
    while True:
        with contextlib.suppress(*ENGINE_ERRORS):
            await copy(follow=True)
        await asyncio.sleep(_PAUSE)


async def exit_noted(folder: Path) -> Exit:
    """Wait until somebody else has noted how a run ended."""
    while (found := await asyncio.to_thread(read_exit, folder)) is None:  # noqa: ASYNC110
        await asyncio.sleep(_SHORT)
    return found


def read_exit(folder: Path) -> Exit | None:
    """Read how the run of a folder ended, None if that is not noted; blocking."""
    try:
        return Exit(**json.loads((folder / EXIT).read_bytes()))
    except FileNotFoundError:
        return None


def write_exit(folder: Path, found: Exit) -> None:
    """Note how a run ended, at once; blocking."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{EXIT}.new"
    new.write_text(json.dumps(attrs.asdict(found)))
    new.replace(folder / EXIT)


def _exit(state: Mapping[str, Any], log: Path) -> Exit:
    """Read how a container ended; blocking."""
    if epoch(state["StartedAt"]) is None:
        return Exit(None, failure="the container of the job was never started")
    code = int(state["ExitCode"])
    failure = str(state.get("Error") or "")
    if code in _NO_COMMAND and not failure:
        failure = _init_failure(log)
    oom = bool(code and state["OOMKilled"])
    return Exit(code, oom, failure, epoch(state["FinishedAt"]))


def _init_failure(log: Path) -> str:
    """Give what the container's first process said when it could not run the command."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_WORDS))
        last = file.read().rstrip().split(b"\n")[-1]
        if _INIT_SAYS in last:
            return last.rpartition(_INIT_SAYS)[2].partition(b"] ")[2].decode("utf-8", "replace")
    return ""
