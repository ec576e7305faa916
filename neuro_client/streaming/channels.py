"""Frames of an attached or executed process: one byte for the channel, then the payload.

Facts: jobs.md §8.2. Nothing here reads a socket.
"""

from __future__ import annotations

import enum
import json

import attrs

_UNREADABLE = 1


class Channel(enum.IntEnum):
    """Name the channels; 0 and 4 go to the process, the others come from it."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    EXIT = 3
    RESIZE = 4


@attrs.frozen
class Message:
    """Hold what a process wrote: ``fileno`` is 1 for stdout and 2 for stderr."""

    fileno: int
    data: bytes


def encode_stdin(data: bytes) -> bytes:
    """Frame bytes for the process."""
    return bytes((Channel.STDIN,)) + data


def encode_size(height: int, width: int) -> bytes:
    """Frame the size of the terminal, in rows and columns."""
    return bytes((Channel.RESIZE,)) + json.dumps({"height": height, "width": width}).encode()


def decode_exit(payload: bytes) -> int:
    """Read the exit code; what cannot be read is a failure."""
    try:
        return int(json.loads(payload)["exit_code"])
    except (ValueError, KeyError, TypeError):
        return _UNREADABLE
