"""Read a dataset in a thread, for programs that have no event loop."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from .api import Dataset
from .samples import Sample

_DEPTH = 4
"""Samples that are on their way from one thread to the other."""


class SampleThread(Iterator[Sample]):
    """Iterate over the samples of a dataset, which a thread of its own reads ahead.

    The thread has its own event loop and connections. Leaving the ``with`` block ends it, at once.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._samples: queue.SimpleQueue[Sample | BaseException | None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Semaphore(_DEPTH)

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("the samples have been read already; make another SampleThread")
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="neuro-samples", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and its connections; calling it again does nothing."""
        thread = self._thread
        if thread is None or self._process != os.getpid():
            return  # a forked child has no part in its parent's thread
        if self._task is not None:
            self._call(self._task.cancel)
        thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        """Call something in the thread, if it is still there."""
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    def __next__(self) -> Sample:
        if self._thread is None:
            raise RuntimeError("iterate over the samples inside `with SampleThread(...)`")
        found = self._samples.get()
        if isinstance(found, Sample):
            self._call(self._wanted.release)
            return found
        self._samples.put(None)  # for whoever asks again
        if found is None:
            raise StopIteration
        raise found

    def _run(self) -> None:
        outcome: BaseException | None = None
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            outcome = error
        finally:
            self._ready.set()
            self._samples.put(outcome)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._ready.set()
        dataset = self._dataset.detached()
        try:
            async with dataset.samples() as samples:
                async for sample in samples:
                    await self._wanted.acquire()
                    self._samples.put(sample)
        finally:
            await dataset.close()
