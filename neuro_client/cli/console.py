"""The user's own terminal: raw while a remote process has it, and always put back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from ..errors import StdStreamError
from ..jobs import StdStream
from ..threads import run_blocking
from .errors import FAILED

_PIECE = 1 << 16
_ENDING = (signal.SIGTERM, signal.SIGHUP)
# As the container engines' own tools have it.
LEAVE = b"\x10\x11"


def is_terminal() -> bool:
    """Tell whether the user sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Pass every key on as it is, signals too, until the block ends, however it does."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        # The terminal may be gone with the window that it was in.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def converse(stream: StdStream, *, terminal: bool, interactive: bool, leave: bool) -> int:
    """Connect a remote process to this one's streams, and return its exit code.

    With ``leave`` Ctrl-P Ctrl-Q ends the session and not the process; the code is then 0. A signal
    that ends this program ends it once the terminal is put back.
    """
    left = asyncio.Event()
    signals: list[int] = []
    with contextlib.ExitStack() as stack:
        if terminal:
            stack.enter_context(raw(sys.stdin.fileno()))
            stack.enter_context(_told_of_signals(signals, left))
        async with asyncio.TaskGroup() as group:
            helpers = []
            if interactive:
                helpers.append(group.create_task(_type(stream, left if leave else None)))
            if terminal:
                helpers.append(group.create_task(_resize(stream)))
            output = group.create_task(_show(stream))
            leaving = group.create_task(left.wait())
            await asyncio.wait((output, leaving), return_when=asyncio.FIRST_COMPLETED)
            for task in (*helpers, output, leaving):
                task.cancel()
    if signals:
        return 128 + signals[0]
    return 0 if output.cancelled() else output.result()


@contextmanager
def _told_of_signals(signals: list[int], told: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def note(number: int) -> None:
        signals.append(number)
        told.set()

    for number in _ENDING:
        loop.add_signal_handler(number, note, number)
    try:
        yield
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)


async def _show(stream: StdStream) -> int:
    try:
        while (message := await stream.read_out()) is not None:
            if message.data:
                await run_blocking(_write, 2 if message.fileno == 2 else 1, message.data)
    except StdStreamError as error:
        return error.exit_code
    return FAILED


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


async def _type(stream: StdStream, left: asyncio.Event | None) -> None:
    """Pass the input on; at its end say so."""
    before = b""
    async with aclosing(_input()) as pieces:
        async for data in pieces:
            if left is not None and LEAVE in before[-1:] + data:
                left.set()
                return
            before = data
            await stream.write_in(data)
    await stream.close_in()


async def _input() -> AsyncGenerator[bytes]:
    """Read standard input without holding up the program's end."""
    descriptor = sys.stdin.fileno()
    # A file is always ready, and cannot be waited for.
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    while True:
        if waits:
            await _readable(descriptor)
            # There is something to read, or the end.
            data = os.read(descriptor, _PIECE)
        else:
            data = await run_blocking(os.read, descriptor, _PIECE)
        if not data:
            return
        yield data


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def _resize(stream: StdStream) -> None:
    """Tell the size of the terminal now and whenever it changes."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    changed.set()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            size = os.get_terminal_size(sys.stdout.fileno())
            await stream.resize(size.lines, size.columns)
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
