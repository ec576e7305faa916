"""Tasks of the platform: look at them, wait for them, read their logs, end them (§4.1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar, Unpack
from urllib.parse import quote

import attrs
from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import NeuroError, NotSupportedError, ResourceNotFound, ResponseError
from ..transport import Options
from .connection import Connection
from .logs import LogReader
from .models import Task, TaskProgress, TaskState
from .remote import each_task
from .waiting import TAIL, Pace, Watch, failure

_log = logging.getLogger(__name__)

_TAIL_TIME = 2.0
_NO_ROUTE = (404, 405, 501)
_T = TypeVar("_T", bound=Task)


class Tasks:
    """Read and steer the tasks of one user; the base of `Workspaces`."""

    def __init__(self, connection: Connection, web: URL | None, pace: Pace | None) -> None:
        self._connection = connection
        self._web = web
        self._pace = pace or Pace()

    def dashboard_url(self, id: str) -> str | None:
        """Return the page of a task, None where the address of the web interface is not known."""
        if self._web is None or not id:
            return None
        return f"{str(self._web).rstrip('/')}/dashboard/jobs/{quote(id, safe='')}"

    async def get(self, id: str) -> Task:
        """Return a task as it is now; ``ResourceNotFound`` for an unknown one."""
        return await self._read(id)

    async def _read(self, id: str, **options: Unpack[Options]) -> Task:
        service = self._connection.service
        try:
            found = await service.job(id, **options)
        except ResourceNotFound:
            found = await service.task(id, **options)
        return self._linked(found)

    @scoped_iterator
    async def list(self) -> AsyncIterator[Task]:
        """Iterate over the user's tasks, page by page, in the platform's order."""
        async with each_task(self._connection.service) as tasks:
            async for task in tasks:
                yield self._linked(task)

    async def wait(self, id: str, *, timeout: float | None = None, check: bool = True) -> Task:
        """Wait for the end of a task and return it as it is then.

        Answers that may pass are put up with for five minutes, as is a task that is not known yet
        for two seconds. ``timeout`` is in seconds; ``TimeoutError`` leaves the task running.

        Raises:
            TaskFailed: with ``check``, the task failed or was cancelled; has the end of its log.
            TimeoutError: it has not ended in time.
        """
        watch = self._watch(id)
        try:
            async with asyncio.timeout(timeout) as limit:
                task = await watch.until_finished()
        except TimeoutError:
            if not limit.expired():
                raise
            state = "not seen yet" if watch.task is None else watch.task.state_text
            raise TimeoutError(f"Task {id} has not ended after {timeout:g} s: {state}") from None
        if check and task.state is not TaskState.FINISHED:
            raise failure(task, await self._tail(task))
        return task

    def _watch(self, id: str) -> Watch:
        return Watch(lambda: self._read(id, retry=None), self._pace)

    async def _tail(self, task: Task) -> Sequence[str]:
        """Read the end of the log, best effort within a short time."""
        try:
            async with (
                asyncio.timeout(_TAIL_TIME),
                self.logs(task.id, follow=False, tail=TAIL) as lines,
            ):
                return [line async for line in lines]
        except (NeuroError, OSError) as error:
            _log.debug("the log of a failed task could not be read: %r", error)
            return ()

    async def cancel(self, id: str) -> None:
        """End a task; the local platform can, the product has no public way to.

        Raises:
            NotSupportedError: the platform cannot.
            ConflictError: the task has ended already.
        """
        try:
            await self._connection.service.cancel(id)
        except ResponseError as error:
            await self._check_route(id, error, "cancels no tasks; do it on the task's page")
            raise

    @scoped_iterator
    async def logs(
        self, id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncIterator[str]:
        """Yield the lines that a task wrote and, with ``follow``, those that come until its end.

        ``tail`` keeps that many of the last ones that are there now. The local platform has logs;
        of the product's tasks see ``files_out/training_log.txt`` in their results.

        Raises:
            NotSupportedError: the platform has no logs.
        """
        if tail is not None and tail < 0:
            raise ValueError(f"tail must not be negative, and is {tail}")
        service = self._connection.service
        reader = LogReader(self._connection.transport, service.logs_url(id), tail)
        opened = reader.until_end(self._watch(id)) if follow else reader.until_now()
        try:
            async with opened as lines:
                async for line in lines:
                    yield line
        except ResponseError as error:
            advice = "has no logs; read files_out/training_log.txt in the results"
            await self._check_route(id, error, advice)
            raise

    async def _check_route(self, id: str, error: ResponseError, advice: str) -> None:
        """Raise ``NotSupportedError`` if it is not the task but the call that is not known."""
        if error.status not in _NO_ROUTE:
            return
        await self._read(id)
        raise NotSupportedError(f"This platform {advice}") from error

    async def progress(self, id: str) -> TaskProgress:
        """Tell how many rounds of a task are done."""
        return await self._connection.service.progress(id)

    def _linked(self, task: _T) -> _T:
        return attrs.evolve(task, dashboard_url=self.dashboard_url(task.id))
