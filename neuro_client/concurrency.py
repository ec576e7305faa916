"""Scopes, bounded clean-up, byte budgets and shared runs."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


class ScopedIterator(AbstractAsyncContextManager[AsyncIterator[T]]):
    """Hold an async generator that is closed where its ``async with`` block ends.

    Nothing runs before the first step. Iterating it without ``async with`` works too, with a
    ``DeprecationWarning``. It can be used once (public-api.md §2.1).
    """

    __slots__ = ("_generator", "_name", "_used")

    def __init__(self, generator: AsyncIterator[T], name: str) -> None:
        self._generator = cast("AsyncGenerator[T, None]", generator)
        self._name = name
        self._used = False

    def _take(self) -> AsyncGenerator[T, None]:
        if self._used:
            raise RuntimeError(f"{self._name}() can be iterated once; call it again for a new pass")
        self._used = True
        return self._generator

    async def __aenter__(self) -> AsyncIterator[T]:
        return self._take()

    async def __aexit__(self, *error: object) -> None:
        await self._generator.aclose()

    def __aiter__(self) -> AsyncIterator[T]:
        generator = self._take()
        warnings.warn(
            f"iterate {self._name}() inside `async with {self._name}(...) as it:`",
            DeprecationWarning,
            stacklevel=2,
        )
        return generator


def scoped_iterator(function: Callable[P, AsyncIterator[T]]) -> Callable[P, ScopedIterator[T]]:
    """Turn an async generator function into one that returns a `ScopedIterator`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> ScopedIterator[T]:
        return ScopedIterator(function(*args, **kwargs), function.__name__)

    return wrapper


@asynccontextmanager
async def first_failure() -> AsyncGenerator[asyncio.TaskGroup]:
    """Open a task group that raises its first failure unchanged, after its siblings ended."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            try:
                yield group
            except Exception as error:  # the group would list it behind what its end causes
                failure = error
                raise
    except BaseExceptionGroup as failures:
        failure = failure or failures.exceptions[0]
    if failure is not None:  # raised out here, or its context would be the group
        raise failure


async def finish(coro: Coroutine[Any, Any, T], timeout: float = 5.0) -> T:
    """Run clean-up to its end although the caller is cancelled, but at most *timeout* seconds.

    A cancellation that arrives meanwhile is raised afterwards. Clean-up that takes longer is
    cancelled and ends in `TimeoutError`.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(coro)
    task.add_done_callback(_retrieve)
    deadline = loop.time() + timeout
    cancelled: asyncio.CancelledError | None = None
    overdue = False
    while not task.done():
        left = deadline - loop.time()
        if left <= 0:
            if overdue:
                break
            overdue = task.cancel()
            deadline += 1.0
            continue
        try:
            await asyncio.wait((task,), timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    if overdue:
        raise TimeoutError(f"clean-up took longer than {timeout:g} s and was given up")
    return task.result()


async def settled(coro: Coroutine[Any, Any, T], timeout: float = 5.0) -> T:
    """Run *coro* without interrupting it: a cancelled caller waits for its end, then leaves.

    Only the wait after a cancellation is bounded, by *timeout* seconds; then *coro* is cancelled.
    """
    task = asyncio.get_running_loop().create_task(coro)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.add_done_callback(_retrieve)
        try:
            await finish(asyncio.wait((task,)), timeout)
        except TimeoutError:
            task.cancel()
            await finish(asyncio.wait((task,)), 1.0)
        raise
    return task.result()


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Look at an outcome that nobody waits for, so that the loop does not complain."""
    if not future.cancelled():
        future.exception()


class ByteBudget:
    """Bound the bytes held in memory; waiters are served in the order they came.

    A request larger than the whole budget is admitted when nothing else is.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a byte budget must be positive, not {size}")
        self.size = size
        self._free = size
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Tell how many bytes could be acquired at once."""
        return self._free

    async def acquire(self, n: int) -> None:
        """Wait until *n* bytes may be held."""
        n = min(n, self.size)
        if not self._waiters and n <= self._free:
            self._free -= n
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((n, waiter))
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.release(n)  # granted and cancelled in the same step
            else:
                self._waiters.remove((n, waiter))
                self._wake()
            raise

    def release(self, n: int) -> None:
        """Give back what `acquire` of the same *n* took."""
        self._free += min(n, self.size)
        self._wake()

    @asynccontextmanager
    async def hold(self, n: int) -> AsyncGenerator[None]:
        """Hold *n* bytes for the length of a block."""
        await self.acquire(n)
        try:
            yield
        finally:
            self.release(n)

    def _wake(self) -> None:
        while self._waiters and self._waiters[0][0] <= self._free:
            n, waiter = self._waiters.popleft()
            if not waiter.done():
                self._free -= n
                waiter.set_result(None)


class SingleFlight(Generic[T]):
    """Let parallel calls under one key share one run of the work.

    A cancelled caller does not disturb the others; when the last one leaves, the work is
    cancelled. A call that comes after the end starts a new run.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}
        self._waiters: Counter[asyncio.Task[T]] = Counter()

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the run under *key*, started with *work* if there is none."""
        task = self._tasks.get(key)
        if task is None or task.done():
            task = self._tasks[key] = asyncio.get_running_loop().create_task(work())
            task.add_done_callback(_retrieve)
        self._waiters[task] += 1
        try:
            await asyncio.wait((task,))
        finally:
            self._waiters[task] -= 1
            if not self._waiters[task]:
                del self._waiters[task]
                if self._tasks.get(key) is task:
                    del self._tasks[key]
                if task.cancel():
                    await finish(asyncio.wait((task,)))
        return task.result()
