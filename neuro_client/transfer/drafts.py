"""Write under a hidden name first: names, locks, and what a killed process left behind."""

from __future__ import annotations

import errno
import os
import random
import stat
import sys
import zlib
from contextlib import suppress
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


def is_current(fd: int, path: Path | str) -> bool:
    """Tell whether *path* still names the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


class Draft(Writer):
    """Write the whole of a file in a ``with`` block, and `publish` it under its name.

    The hidden name is the same for every process, so that the next one removes what a killed one
    left. The lock tells whether its holder lives; while it does, others take a new name.
    """

    def __init__(self, path: str, mode: int | None) -> None:
        super().__init__(path, create=True, mode=mode)
        self._target = path

    def open(self) -> None:
        """Take the usual hidden name, or a new one."""
        folder, name = os.path.split(self._target)
        self._path = os.path.join(folder, temporary(name, zlib.crc32(os.fsencode(name))))
        if not self._claim():
            self._path = os.path.join(folder, temporary(name))
            super().open()

    def _claim(self) -> bool:
        """Take the usual name, also from what a killed process left; False if that cannot be."""
        if sys.platform == "win32":
            return False
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | BINARY
        try:
            self.fd = os.open(self._path, new, 0o666)
        except FileExistsError:
            if not self._remove_left():
                return False
            try:
                self.fd = os.open(self._path, new, 0o666)
            except FileExistsError:
                return False
        # Somebody may have taken it for a left one before it was locked.
        if not (try_lock(self.fd) and is_current(self.fd, self._path)):
            # Whoever holds it removes it; the name may be another writer's by now.
            self.close()
            return False
        self._set_mode()
        return True

    def _remove_left(self) -> bool:
        """Remove a draft that nobody holds; links and other people's files are not ours."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | BINARY)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
            own = own and sys.platform != "win32" and found.st_uid == os.geteuid()
            if not (own and try_lock(fd) and is_current(fd, self._path)):
                return False
            os.unlink(self._path)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def publish(self, body: Chunk) -> None:
        """Write *body* and give the file its name; a failure leaves nothing."""
        try:
            self.write([body], 0)
            if sys.platform == "win32":
                self.close()  # before the rename there; elsewhere after it, for the lock
            elif not is_current(self.fd, self._path):
                raise FileExistsError(
                    errno.EEXIST, "somebody replaced the hidden file", str(self._path)
                )
            os.replace(self._path, self._target)
        except BaseException:
            self._remove()
            raise

    def _remove(self) -> None:
        """Remove the draft if the name is still its own, which the lock then keeps so."""
        with suppress(FileNotFoundError):
            if sys.platform == "win32" or is_current(self.fd, self._path):
                os.unlink(self._path)
