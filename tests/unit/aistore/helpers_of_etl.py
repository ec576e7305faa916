"""What a transform of the tests needs from another file."""

from __future__ import annotations


def greeting() -> bytes:
    """Return something to look for."""
    return b"hello from a helper"
