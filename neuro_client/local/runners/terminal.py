"""The input of a command that has a terminal; part of supervisor.py.

It comes through a named pipe as frames: a byte (0 input, 4 size of the terminal), two bytes of
length, the payload; a size is two numbers of two bytes each, rows and columns. Who writes sends
each frame in one piece of at most ``PIPE_BUF`` bytes, so that several may write at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import struct
import termios
import time

INPUT, SIZE = 0, 4
EAGER, EAGER_IDLE = 5.0, 0.005  # somebody types: for so many seconds the echo is shown at once
_PIECE = 4096


def encode(kind: int, payload: bytes) -> bytes:
    """Write a frame."""
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload


class Terminal:
    """Pass on what is typed to the terminal, no faster than the command takes it."""

    def __init__(self, path: str, terminal: int, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.mkfifo(path, 0o600)
        # Open for both, it has no end, whoever comes and goes.
        self.pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.eager_until = 0.0
        self._terminal = terminal
        self._selector = selector
        self._frames = bytearray()
        self._typed = bytearray()
        os.set_blocking(terminal, False)
        selector.register(self.pipe, selectors.EVENT_READ)

    def on_input(self) -> None:
        """Take what somebody types, and the sizes of his terminal."""
        self.eager_until = time.monotonic() + EAGER
        with contextlib.suppress(BlockingIOError):
            self._frames += os.read(self.pipe, 1 << 16)
        while len(self._frames) >= 3:
            end = 3 + int.from_bytes(self._frames[1:3], "big")
            if len(self._frames) < end:
                break
            kind, payload = self._frames[0], bytes(self._frames[3:end])
            del self._frames[:end]
            if kind == INPUT:
                self._typed += payload
            elif kind == SIZE and len(payload) == 4:
                rows, columns = struct.unpack(">HH", payload)
                with contextlib.suppress(OSError):
                    size = struct.pack("HHHH", rows, columns, 0, 0)
                    fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        self.type()

    def type(self) -> None:
        """Write what the terminal takes; more is read from the pipe when all of it is gone."""
        with contextlib.suppress(OSError):
            while self._typed:
                del self._typed[: os.write(self._terminal, self._typed[:_PIECE])]
        waits = selectors.EVENT_WRITE if self._typed else 0
        self._selector.modify(self._terminal, selectors.EVENT_READ | waits)
        reading = self.pipe in self._selector.get_map()
        if self._typed and reading:
            self._selector.unregister(self.pipe)
        elif not self._typed and not reading:
            self._selector.register(self.pipe, selectors.EVENT_READ)

    def close(self) -> None:
        """Take no more input."""
        if self.pipe in self._selector.get_map():
            self._selector.unregister(self.pipe)
        os.close(self.pipe)
