"""Enter the namespaces of a running process and become another command there.

A script, not a module of the package: ``python -S -E entering.py <pid> <tty> <cgroups> <argv…>``,
standard library and mounting.py only. The command gets the environment that the process was
started with, its root, its working directory, its control groups (a list with colons) and a session
of its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .mounting import check, libc
else:  # run as a script: its folder is on the path
    from mounting import check, libc

PR_SET_PDEATHSIG = 1
NOT_FOUND, NOT_EXECUTABLE = 127, 126


def environment(pid: int) -> dict[str, str]:
    """Read what a process was started with."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        items = file.read().split(b"\0")
    pairs = (item.decode("utf-8", "surrogateescape").partition("=") for item in items if item)
    return {name: value for name, _, value in pairs}


def enter(pid: int) -> None:
    """Go to where a process is."""
    base = f"/proc/{pid}"
    root = os.open(f"{base}/root", os.O_PATH | os.O_DIRECTORY)
    folder = os.open(f"{base}/cwd", os.O_PATH | os.O_DIRECTORY)
    elsewhere = not os.path.samestat(os.fstat(root), os.stat("/"))
    for name in ("user", "mnt"):
        theirs = f"{base}/ns/{name}"
        if os.stat(theirs).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
            descriptor = os.open(theirs, os.O_RDONLY)
            check(libc.setns(descriptor, 0), f"cannot enter the {name} namespace of the job")
            os.close(descriptor)
            elsewhere = True
    if elsewhere:
        os.fchdir(root)
        os.chroot(".")
    os.fchdir(folder)
    os.close(root)
    os.close(folder)


def main(pid: int, tty: bool, cgroups: list[str], argv: list[str]) -> int:
    """Become the command; returns only when that is not possible."""
    os.setsid()
    if tty:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    env = environment(pid)
    if tty:
        env.setdefault("TERM", "xterm")
    for path in cgroups:
        with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs"), "w") as file:
            file.write("0")
    enter(pid)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE


if __name__ == "__main__":
    try:
        sys.exit(
            main(int(sys.argv[1]), sys.argv[2] == "tty", sys.argv[3].split(":")[1:], sys.argv[4:])
        )
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NOT_EXECUTABLE)
