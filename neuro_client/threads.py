"""Run file work in the threads kept for the disk, several short calls in one hop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_BATCH = 8
"""Short calls that one thread does one behind the other, at most."""
_SHORT = 0.004
"""Seconds that such a call may take on average."""
_batch = _BATCH


@functools.cache
def _disk(process: int) -> concurrent.futures.ThreadPoolExecutor:
    # One per process: a forked child inherits the object but not its threads.
    workers = min(16, (os.cpu_count() or 1) + 4)
    return concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="neuro-disk")


class _Call(Generic[T]):
    """Be one call on its way to a thread and back; all but `work` belongs to the loop."""

    def __init__(self, function: Callable[..., T], arguments: tuple[object, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._loop.create_future()
        self._end: asyncio.Future[None] | None = None
        self._result: T
        self._error: BaseException | None = None
        self.ended = False

    def work(self) -> None:
        """Make the call, in a thread."""
        try:
            self._result = self._function(*self._arguments)
        except StopIteration as error:  # a future cannot hold one
            self._error = RuntimeError(f"{error!r} was raised in a thread")
        except BaseException as error:
            self._error = error

    def fail(self, error: BaseException) -> None:
        """Tell the caller that there was no thread for it."""
        self._error = error
        self.deliver()

    def deliver(self) -> None:
        """Hand the outcome to the caller, on the loop."""
        self.ended = True
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
        if self._answer.done():
            return
        if self._error is not None:
            self._answer.set_exception(self._error)
        else:
            self._answer.set_result(self._result)

    async def outcome(self) -> T:
        """Wait for the call; a cancelled caller waits for its end too."""
        try:
            return await self._answer
        except asyncio.CancelledError:
            while not self.ended:
                self._end = self._loop.create_future()
                with suppress(asyncio.CancelledError):  # the first one is raised below
                    await self._end
            raise
        finally:
            self._error = None  # it holds this frame


def _work_through(loop: asyncio.AbstractEventLoop, calls: Sequence[_Call[Any]]) -> None:
    for call in calls:
        call.work()
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_deliver, calls)


def _work_through_short(loop: asyncio.AbstractEventLoop, calls: Sequence[_Call[Any]]) -> None:
    global _batch
    began = time.perf_counter()
    _work_through(loop, calls)
    slow = time.perf_counter() - began > _SHORT * len(calls)
    # On a slow disk, what waits had better wait side by side.
    _batch = 1 if slow else min(_BATCH, 2 * _batch)


def _deliver(calls: Sequence[_Call[Any]]) -> None:
    for call in calls:
        call.deliver()


# What the present step of a loop has gathered.
_gathered: WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Call[Any]]] = WeakKeyDictionary()


def _submit(function: Callable[..., None], *arguments: object) -> None:
    _disk(os.getpid()).submit(function, *arguments)


def _submit_gathered(loop: asyncio.AbstractEventLoop) -> None:
    calls = _gathered.pop(loop)
    size = _batch
    for first in range(0, len(calls), size):
        some = calls[first : first + size]
        try:
            _submit(_work_through_short, loop, some)
        except RuntimeError as error:  # no more threads, or the program is about to end
            for call in some:
                call.fail(error)


def run_blocking(function: Callable[..., T], *args: object) -> Awaitable[T]:
    """Run file work in a thread of its own.

    A cancelled caller waits until the thread is through with its buffers and descriptors; the
    result is lost then, so *function* must keep what has to be released where its caller finds it.
    """
    call = _Call(function, args)
    _submit(_work_through, asyncio.get_running_loop(), (call,))
    return call.outcome()


def run_short(function: Callable[..., T], *args: object) -> Awaitable[T]:
    """Do `run_blocking` for work of well under a millisecond that never waits for anybody.

    What comes up in one step of the loop shares a hop to a thread and back: the hops cost more
    than reading or writing a small file does.
    """
    loop = asyncio.get_running_loop()
    call = _Call(function, args)
    calls = _gathered.get(loop)
    if calls is None:
        _gathered[loop] = [call]
        loop.call_soon(_submit_gathered, loop)
    else:
        calls.append(call)
    return call.outcome()
