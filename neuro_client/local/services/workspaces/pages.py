"""What the dashboard's pages show of tasks: `pages.PageSource` over the control of tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from ...pages import Meter, PageFile, PageRefusal, PageRow, RunPage
from .accounts import User
from .answers import Refusal
from .calls import Parts
from .hosts import HostError
from .models import Task
from .objects import ObjectsError

_MOST = 1000
_TAIL_BYTES = 2**16
_TAIL_LINES = 200
_RESULTS = ("files_out/", "model_out/")
_SAVED = {"response-content-disposition": "attachment"}
"""A browser saves the file; it opens none of what a task wrote."""


@attrs.frozen
class TaskPages:
    """Tell the pages about a user's tasks; files have links that are good for an hour."""

    parts: Callable[[], Parts]
    """What answers requests, once the platform's state is open."""

    async def list(self, user: str) -> Sequence[PageRow]:
        """Return the user's tasks, the newest first."""
        found = await self.parts().tasks.control.store.page(user, 0, _MOST)
        return [PageRow(one.id, one.name, one.shown, _moment(one.created_at)) for one in found]

    async def read(self, user: str, id: str) -> RunPage:
        """Return a task; ``KeyError`` if there is none that the user may see."""
        task, accounts = await self._task(user, id), self.parts().accounts
        owner = await accounts.user(user)
        message, meter = task.reason or "", None
        files: Sequence[PageFile] = ()
        try:
            files = await self._files(owner, task)
            usage = await accounts.host.usage(owner.bucket)
            meter = Meter(usage.bytes, usage.max_size)
        except (HostError, ObjectsError) as error:
            message = f"{message} The bucket does not answer: {error}".strip()
        return RunPage(
            id=task.id,
            name=task.name,
            state=task.shown,
            created=_moment(task.created_at),
            finished=None if task.finished_at is None else _moment(task.finished_at),
            log_tail=await asyncio.to_thread(_tail, self.parts().tasks.control.launcher.log(task)),
            files=files,
            meter=meter,
            can_submit_again=task.finished,
            message=message,
        )

    async def submit_again(self, user: str, id: str) -> str:
        """Make a task of the same request (§7); its id is new."""
        task, parts = await self._task(user, id), self.parts()
        try:
            made = await parts.tasks.submit(await parts.accounts.user(user), task.request)
        except Refusal as refusal:
            raise PageRefusal(str(refusal)) from None
        except (HostError, ObjectsError) as error:
            raise PageRefusal(f"The bucket does not answer: {error}") from None
        return made.id

    async def _task(self, user: str, id: str) -> Task:
        task = await self.parts().tasks.control.get(id, user)
        if task is None:
            raise KeyError(id)
        return task

    async def _files(self, owner: User, task: Task) -> Sequence[PageFile]:
        objects = await self.parts().tasks.objects(owner)
        root = task.path.removeprefix("/") + "/"
        return [
            PageFile(
                one.key.removeprefix(root), one.size, str(objects.link("GET", one.key, more=_SAVED))
            )
            for folder in _RESULTS
            for one in await objects.list(root + folder)
        ]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _tail(path: Path) -> str:
    """Read the last lines of a log; blocks."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL_BYTES))
            data = file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return ""
    lines = data.decode("utf-8", "replace").splitlines()
    if size > _TAIL_BYTES:
        del lines[:1]  # the end of a line that began before
    return "\n".join(lines[-_TAIL_LINES:])
