"""The folders of a task, filled from the bucket, and the runs that a runner can start.

Folder of a task: ``app/<member>`` is what the member sees at ``/app``, ``shared`` what all see at
``/shared`` (see program/). ``ready`` is there once everything was fetched.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from ...runners import Mount, RunSpec
from ...scheduler import Capacity
from ...threads import taken
from .models import FINISHED, SERVER, Task
from .objects import Objects
from .submission import MODEL, prefix_of

_PROGRAM = Path(__file__).with_name("program")
# No module of a user is likely to have that name.
_MODULE = "_task_program"
_IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}"
_LEAST_CPU = 0.1
_LEAST_MEMORY = 64 << 20
_GRACE = 5.0
_BROKEN_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error)
_FOLDERS: Mapping[str, str] = {
    "trainingScriptsFolderPath": "scripts",
    "trainingConfigFolderPath": "configs",
    "trainingRequirementsFolderPath": "requirements",
    MODEL: "model",
}


class LaunchError(Exception):
    """Report a workspace that cannot be run; the text is the task's reason."""


@attrs.define
class Launcher:
    """Keep the folders of tasks, and describe their runs."""

    root: Path
    machine: Callable[[], Capacity]
    """What there is for all members of a task together."""
    image: str = _IMAGE
    """What members run in, on a runner with containers; it needs ``python3``."""

    def folder(self, task: Task) -> Path:
        """Return the folder of a task."""
        return self.root / task.id

    def shared(self, task: Task) -> Path:
        """Return the folder that all members see."""
        return self.folder(task) / "shared"

    def out(self, task: Task) -> Path:
        """Return the folder of what is stored in the bucket."""
        return self.shared(task) / "out"

    def log(self, task: Task) -> Path:
        """Return the file of the training's log."""
        return self.out(task) / "files_out" / "training_log.txt"

    async def fetch(self, task: Task, objects: Objects) -> None:
        """Fill the folder of a task, unless that is done.

        Raises:
            LaunchError: something cannot be used, or is gone.
            ObjectsError: the bucket refuses.
        """
        if await asyncio.to_thread((self.folder(task) / "ready").exists):
            return
        try:
            await self._fill(self.folder(task), task, objects)
        except OSError as error:
            raise LaunchError(f"the workspace cannot be laid out: {error}") from error

    async def _fill(self, folder: Path, task: Task, objects: Objects) -> None:
        await _whole(lambda: _start_over(folder))
        wanted: dict[str, Path] = {}
        for field, name in _FOLDERS.items():
            if field not in task.request:
                continue
            prefix = prefix_of(task.request[field])
            for one in await objects.list(prefix):
                if (relative := one.key.removeprefix(prefix)) and not relative.endswith("/"):
                    wanted[one.key] = _inside(folder / "common" / name, relative)
        for number, key in enumerate(task.shards):
            wanted[key] = folder / "shards" / f"{number}.zip"
        for key, path in wanted.items():
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            await objects.fetch(key, path)
        await _whole(lambda: _build(folder, task))

    async def clear_failures(self, task: Task) -> None:
        """Forget how an earlier run of the task failed."""

        def clear() -> None:
            for path in (self.shared(task) / "exchange").glob("failed-*"):
                path.unlink()

        await asyncio.to_thread(clear)

    async def failure(self, task: Task) -> str | None:
        """Return why a member says that the training cannot go on; None if none does."""

        def read() -> str | None:
            found = sorted((self.shared(task) / "exchange").glob("failed-*"), key=_age)
            if not found:
                return None
            reason = json.loads(found[0].read_text("utf-8"))["reason"]
            return f"{found[0].name.removeprefix('failed-')}: {reason}"

        return await asyncio.to_thread(read)

    async def status(self, task: Task) -> Mapping[str, Any]:
        """Return which round it is, of how many; empty before the first."""

        def read() -> Mapping[str, Any]:
            try:
                found: dict[str, Any] = json.loads((self.shared(task) / "status.json").read_text())
            except FileNotFoundError:
                return {}
            return found

        return await asyncio.to_thread(read)

    def spec(self, task: Task, member: str) -> RunSpec:
        """Describe the run of a member."""
        machine, number = self.machine(), len(task.shards)
        folder = self.folder(task)
        return RunSpec(
            job_id=task.run_id(member),
            run=task.run,
            image=self.image,
            argv=("python3", "-m", _MODULE, member, *task.members[1:]),
            env={"PYTHONUNBUFFERED": "1", "RT_TASK_ID": task.id, "RT_MEMBER": member},
            cpu=max(_LEAST_CPU, machine.cpu / number),
            memory=max(_LEAST_MEMORY, machine.memory // number),
            working_dir="/app",
            mounts=(
                Mount(folder / "app" / member, "/app", False),
                Mount(self.shared(task), "/shared", False),
            ),
            shm=True,
            grace=_GRACE,
        )

    async def release(self, task: Task) -> None:
        """Remove what only a running task needs; its log stays, and what could not be stored."""

        def remove() -> None:
            folder, out = self.folder(task), self.out(task)
            for name in ("app", "common", "shards", "shared/exchange"):
                shutil.rmtree(folder / name, ignore_errors=True)
            if task.state == FINISHED:
                for path in [*out.glob("*/"), *out.glob("files_out/*/")]:
                    if path != self.log(task).parent:
                        shutil.rmtree(path, ignore_errors=True)

        await _whole(remove)


async def _whole(work: Callable[[], None]) -> None:
    """Work in a thread; a cancellation waits for it, so that nothing goes on behind our back."""
    await taken(work, lambda _: None)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def _inside(folder: Path, relative: str) -> Path:
    parts = relative.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise LaunchError(f"{relative!r} cannot be the name of a file")
    return folder.joinpath(*parts)


def _start_over(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _build(folder: Path, task: Task) -> None:
    """Lay out what each member sees; blocks."""
    common = folder / "common"
    for member in task.members:
        app = folder / "app" / member
        app.mkdir(parents=True)
        for path in sorted(common.rglob("*")):
            target = app / path.relative_to(common)
            if path.is_dir():
                target.mkdir()
            elif path.parent.name == "model":
                target.hardlink_to(path)  # may be large
            else:
                shutil.copyfile(path, target)
        shutil.copytree(_PROGRAM, app / _MODULE, ignore=shutil.ignore_patterns("__pycache__"))
    for number, (member, key) in enumerate(zip(task.members[1:], task.shards, strict=True)):
        shard = folder / "shards" / f"{number}.zip"
        try:
            with zipfile.ZipFile(shard) as archive:
                archive.extractall(folder / "app" / member / "payload")
        except _BROKEN_ZIP as error:
            raise LaunchError(f"/{key} cannot be unpacked: {error}") from None
        (folder / "app" / member / "payload").mkdir(exist_ok=True)
        shard.unlink()
    assert task.members[0] == SERVER
    for name in ("exchange", "out/files_out"):
        (folder / "shared" / name).mkdir(parents=True)
    (folder / "ready").touch()
