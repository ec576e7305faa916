"""See tasks through: fetch, run, store, and what is left of them after a stop or a kill (§4.1)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs

from ...runners import Exit, Runner, RunnerError
from .hosts import HostError
from .launch import Launcher, LaunchError
from .models import CANCELLED, FAILED, FINISHED, QUEUED, RUNNING, Task
from .objects import Objects, ObjectsError
from .results import Results
from .store import TaskStore

_log = logging.getLogger(__name__)
_AT_ONCE = 2
_STOPPED = "The local platform was stopped; the task goes on when it starts again"


@attrs.define
class Timing:
    """Durations in seconds; tests shorten them."""

    sync: float = 2.0
    """Between two looks for new results of a running task."""
    patience: float = 60.0
    """How long a bucket may be away when a task begins or ends."""
    shutdown: float = 5.0
    """How long the programs get to end when the platform stops."""


class _Cancelled(Exception):
    """Tell that the user wants no more of a task."""


class TaskControl:
    """Create, run and cancel tasks."""

    def __init__(
        self,
        store: TaskStore,
        launcher: Launcher,
        runner: Runner,
        objects: Callable[[str], Awaitable[Objects]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.launcher = launcher
        self.timing = Timing()
        self._runner = runner
        self.objects = objects
        self._now = now
        self._live: dict[str, Task] = {}
        self._unwanted: dict[str, asyncio.Event] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._group: asyncio.TaskGroup | None = None
        self._attending: list[asyncio.Task[None]] = []

    # -- changing -----------------------------------------------------------------------------

    async def create(self, task: Task) -> None:
        """Take a new task; it is stored when this returns."""
        await self.store.insert(task)
        self._attend(task)

    async def get(self, task_id: str, username: str) -> Task | None:
        """Return a user's task, None if he has none of that id."""
        return await self.store.get(task_id, username)

    async def cancel(self, task: Task) -> Task:
        """End a task; it is cancelled when this returns, its programs may need a moment more.

        Raises:
            ValueError: it is over.
        """
        live = self._live.get(task.id)
        if live is None or live.finished:
            found = live or await self.store.get(task.id, task.username) or task
            raise ValueError(f"Task {task.id} is over: {found.state}")
        unwanted = self._unwanted[task.id]
        ended = await self._end(task.id, CANCELLED, "cancelled by the user")
        unwanted.set()
        return ended

    # -- running ------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Go on with what an earlier platform left, run tasks meanwhile, stop them at the end."""
        left = await self.store.unsettled()
        async with asyncio.TaskGroup() as group:
            self._group = group
            for task in left:
                self._attend(task)
            try:
                yield
            finally:
                await self._shut_down()

    async def _shut_down(self) -> None:
        """Stop all programs; the tasks go on when the platform starts again."""
        attending = list(self._attending)
        for one in attending:
            one.cancel()
        if attending:
            await asyncio.wait(attending)
        for task in list(self._live.values()):
            await self._put_off(task)

    async def _put_off(self, task: Task) -> None:
        """End the programs of a task that is not over, and let it go on another time."""
        if task.materialized:
            try:
                async with asyncio.timeout(self.timing.shutdown):
                    await self._end_programs(task)
            except TimeoutError:
                return  # the next platform finds them
        changes: dict[str, Any] = {"materialized": False}
        if task.finished:
            await self.launcher.release(task)
        else:
            changes |= {"state": QUEUED, "reason": _STOPPED}
        await self._save(attrs.evolve(self._live[task.id], **changes))

    def _attend(self, task: Task) -> None:
        assert self._group is not None
        self._live[task.id] = task
        self._unwanted[task.id] = asyncio.Event()
        one = self._group.create_task(self._see_through(task.id))
        self._attending.append(one)
        one.add_done_callback(self._attending.remove)

    async def _see_through(self, task_id: str) -> None:
        async with self._places:
            try:
                await self._whole(task_id)
            except _Cancelled:
                pass  # its state says so
            except (LaunchError, RunnerError, HostError, ObjectsError) as error:
                await self._end(task_id, FAILED, str(error))
            except Exception as error:
                _log.exception("task %s could not be looked after", task_id)
                await self._end(task_id, FAILED, f"Unexpected exception: {error}")
            try:
                await self._clean(task_id)
            except Exception:  # what is left of one task must not take the platform down
                _log.exception("task %s could not be cleaned up; the next start does it", task_id)

    async def _whole(self, task_id: str) -> None:
        """Take a task from where it is to its end."""
        task = self._live[task_id]
        if task.finished:
            return
        if task.materialized and not await self._found(task):
            await self._end_programs(task)
            task = attrs.evolve(task, materialized=False)
        if not task.materialized:
            await self._start(task)
        results = self._results(task)
        ended = await self._followed(self._live[task_id], results)
        failure = await self.launcher.failure(task) or _failure(ended)
        await self._unless_unwanted(task_id, self._patiently(results.sync))
        if failure is None:
            await self._end(task_id, FINISHED, None)
        else:
            await self._end(task_id, FAILED, failure)

    async def _start(self, task: Task) -> None:

        async def fetch() -> None:
            await self.launcher.fetch(task, await self.objects(task.username))

        await self._unless_unwanted(task.id, self._patiently(fetch))
        await self.launcher.clear_failures(task)
        task = attrs.evolve(
            task,
            state=RUNNING,
            reason=None,
            run=task.run + 1,
            materialized=True,
            started_at=task.started_at or self._now(),
        )
        if self._live[task.id].finished:
            raise _Cancelled
        await self._save(task)  # the programs must be known before they exist
        starting = asyncio.create_task(self._start_programs(task))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])  # what was begun can be ended once it is there
            starting.exception()
            raise

    async def _start_programs(self, task: Task) -> None:
        for member in task.members:
            await self._runner.start(self.launcher.spec(task, member))

    async def _found(self, task: Task) -> bool:
        """Tell whether all programs of a task were started."""
        for member in task.members:
            if await self._runner.find(task.run_id(member), task.run) is None:
                return False
        return True

    async def _followed(self, task: Task, results: Results) -> Mapping[str, Exit]:
        """Wait for the programs, storing what they write; one that fails ends the others."""
        waiting = {
            asyncio.create_task(self._runner.wait(task.run_id(member), task.run)): member
            for member in task.members
        }
        mirror = asyncio.create_task(self._mirror(task.id, results))
        unwanted = asyncio.create_task(self._unwanted[task.id].wait())
        ended: dict[str, Exit] = {}
        try:
            while len(ended) < len(waiting):
                left = {one for one, member in waiting.items() if member not in ended}
                await asyncio.wait({*left, unwanted}, return_when=asyncio.FIRST_COMPLETED)
                if unwanted.done():
                    raise _Cancelled
                for one in [one for one in left if one.done()]:
                    ended[waiting[one]] = one.result()
                    if one.result().code != 0:
                        await self._kill(task)
        finally:
            helpers = (*waiting, mirror, unwanted)
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)
        return ended

    async def _mirror(self, task_id: str, results: Results) -> None:
        while True:
            await asyncio.sleep(self.timing.sync)
            try:
                await results.sync()
            except (HostError, ObjectsError, OSError) as error:
                _log.warning("results of task %s could not be stored yet: %s", task_id, error)

    def _results(self, task: Task) -> Results:
        prefix = task.path.removeprefix("/") + "/"
        return Results(self.launcher.out(task), prefix, lambda: self.objects(task.username))

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work with the bucket, again while that does not answer."""
        until = asyncio.get_running_loop().time() + self.timing.patience
        while True:
            try:
                return await work()
            except (HostError, ObjectsError) as error:
                if isinstance(error, ObjectsError) and (error.status or 500) < 500:
                    raise
                if asyncio.get_running_loop().time() > until:
                    raise
                _log.warning("the bucket does not answer; trying again: %s", error)
            await asyncio.sleep(self.timing.sync)

    async def _unless_unwanted(self, task_id: str, work: Awaitable[None]) -> None:
        """Do some work unless the task is cancelled before or meanwhile."""
        doing = asyncio.ensure_future(work)
        unwanted = asyncio.create_task(self._unwanted[task_id].wait())
        try:
            await asyncio.wait({doing, unwanted}, return_when=asyncio.FIRST_COMPLETED)
            if unwanted.done():
                raise _Cancelled
            doing.result()
        finally:
            for one in (doing, unwanted):
                one.cancel()
            await asyncio.wait({doing, unwanted})
            if not doing.cancelled():
                doing.exception()  # somebody has looked at it

    async def _clean(self, task_id: str) -> None:
        """End what still runs of a task that is over, and let its folders go."""
        task = self._live[task_id]
        if task.materialized:
            await self._end_programs(task)
        for member in task.members:
            await self._runner.forget(task.run_id(member))
        await self.launcher.release(task)
        await self._save(attrs.evolve(task, materialized=False))
        del self._live[task_id], self._unwanted[task_id]

    async def _kill(self, task: Task) -> None:
        for member in task.members:
            await self._runner.kill(task.run_id(member), task.run)

    async def _end_programs(self, task: Task) -> None:
        await self._kill(task)
        for member in task.members:
            if await self._runner.find(task.run_id(member), task.run) is not None:
                await self._runner.wait(task.run_id(member), task.run)

    async def _end(self, task_id: str, state: str, reason: str | None) -> Task:
        """Put a task into its last state, unless it is in one."""
        task = self._live[task_id]
        if not task.finished:
            task = attrs.evolve(task, state=state, reason=reason, finished_at=self._now())
            await self._save(task)
        return task

    async def _save(self, task: Task) -> None:
        self._live[task.id] = task
        await self.store.save(task)


def _failure(ended: Mapping[str, Exit]) -> str | None:
    """Say which program failed, and how; those that were killed because of it are not told."""
    for member, result in ended.items():
        if result.oom:
            return f"{member} ran out of memory"
        if result.failure:
            return f"{member}: {result.failure}"
        if result.code != 0:
            return f"{member} ended with exit code {result.code}"
    return None
