"""Write under a hidden name first: names, locks, and what a killed process left behind."""

from __future__ import annotations

import os
import random
import sys
import zlib
from pathlib import Path

from .files import BINARY, Writer
from .store import Chunk

if sys.platform != "win32":
    import fcntl

_MAX_NAME = 255


def temporary(name: str, number: int | None = None) -> str:
    """Return a hidden name under which *name* is written, within the limit of 255 bytes.

    It is a new one each time, unless *number* is given.
    """
    # A new one must be rare, not secret: creating is exclusive.
    tag = f"{random.getrandbits(32) if number is None else number:08x}"
    room = _MAX_NAME - len(f"..{tag}.part")
    short = name.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "ignore")
    return f".{short}.{tag}.part"


def try_lock(fd: int) -> bool:
    """Lock an open file until it is closed; False if another holder has it."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_current(fd: int, path: Path) -> bool:
    """Tell whether *path* still names the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


class Draft(Writer):
    """Write the whole of a file in a ``with`` block, and `publish` it under its name.

    The hidden name is the same for every process, so that the next one writes over what a killed
    one left. The lock tells whether its holder lives; while it does, others take a new name.
    """

    def __init__(self, path: Path, mode: int | None) -> None:
        super().__init__(path, create=True, mode=mode)
        self._target = path

    def open(self) -> None:
        """Take the usual hidden name, or a new one."""
        name = self._target.name
        self._path = self._target.with_name(temporary(name, zlib.crc32(os.fsencode(name))))
        if not self._claim():
            self._path = self._target.with_name(temporary(name))
            super().open()

    def _claim(self) -> bool:
        if sys.platform == "win32":
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | BINARY
        try:
            fd = os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            raise
        except OSError:  # a link, or somebody else's
            return False
        self.fd = fd
        found = os.fstat(fd)
        if not (found.st_uid == os.geteuid() and try_lock(fd) and is_current(fd, self._path)):
            self.close()
            return False
        if found.st_size:
            os.ftruncate(fd, 0)
        self._set_mode()
        return True

    def publish(self, body: Chunk) -> None:
        """Write *body* and give the file its name; a failure leaves nothing."""
        try:
            self.write([body], 0)
            if sys.platform == "win32":
                self.close()  # before the rename there; elsewhere after it, for the lock
            os.replace(self._path, self._target)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
