"""Cancel a call when it is suspended for the n-th time, in its own task or in one it started."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Collection, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

_running: contextvars.ContextVar[_Steps | None] = contextvars.ContextVar("steps", default=None)


class _Counted(Coroutine[Any, Any, Any]):
    """Be a coroutine that tells of each of its suspensions."""

    def __init__(self, coro: Coroutine[Any, Any, Any], suspended: Callable[[], None]) -> None:
        self._coro = coro
        self._suspended = suspended

    def send(self, value: Any) -> Any:
        awaited = self._coro.send(value)
        self._suspended()
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._coro.throw(*error)
        self._suspended()
        return awaited

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coro.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)  # the debug mode of asyncio wants name and frame


class _Steps:
    """Count the suspensions of a task and of those it starts; cancel the first one at some."""

    def __init__(self, at: Collection[int]) -> None:
        self.count = 0
        self.requested = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._at = frozenset(at)

    def suspended(self) -> None:
        self.count += 1
        if self.count in self._at:
            self.requested |= self.tasks[0].cancel()


def _factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    # A task has the context of whoever made it: the server in the same loop is not counted.
    context = options.get("context")
    steps = _running.get() if context is None else context.get(_running)
    if steps is None:
        return asyncio.Task(coro, loop=loop, **options)
    task = asyncio.Task(_Counted(coro, steps.suspended), loop=loop, **options)
    steps.tasks.append(task)
    return task


@contextmanager
def _counting(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    before = loop.get_task_factory()
    loop.set_task_factory(_factory)
    try:
        yield
    finally:
        loop.set_task_factory(before)


@attrs.frozen
class Outcome:
    """Tell how a call ended, in how many suspensions; ``tasks`` are those that outlived it."""

    cancelled: bool
    steps: int
    tasks: tuple[asyncio.Task[Any], ...]


async def stepped(
    call: Callable[[], Coroutine[Any, Any, object]], at: Collection[int] = ()
) -> Outcome:
    """Run ``call`` as a task that is cancelled at its suspensions with these numbers, from 1 on.

    Raises:
        AssertionError: it was cancelled and did not end so.
        whatever else comes out of the call.
    """
    loop = asyncio.get_running_loop()
    steps = _Steps(at)
    context = contextvars.copy_context()
    context.run(_running.set, steps)
    with _counting(loop):
        task = loop.create_task(call(), context=context)
        await asyncio.wait([task])
        left = tuple(other for other in steps.tasks if not other.done())
    if not task.cancelled():
        task.result()
    assert task.cancelled() == steps.requested, "the call took no notice of being cancelled"
    return Outcome(task.cancelled(), steps.count, left)
