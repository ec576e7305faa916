"""Run one command and outlive the platform that started it.

A script, not a module of the package: ``python -S -E supervisor.py <run folder>``; it uses the
standard library, mounting.py, loops.py and terminal.py only. It reads ``spec.json`` of the run
folder, starts the command in its mount namespace and control groups, stamps each line of its output
into ``log`` and leaves ``exit.json`` when everything the command started has ended. SIGTERM asks
for a stop with a grace, SIGUSR1 kills at once.

A command with a terminal is given input through a pipe in the run folder (terminal.py).

A record of ``log`` is ``<RFC 3339 time, microseconds> <o or e><F or P> <bytes>\\n``: the stream,
and whether the bytes end a line (F) or go on in the next record of the stream (P).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import selectors
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .mounting import build_root, libc
    from .terminal import EAGER_IDLE, Terminal
else:  # run as a script: its folder is on the path
    from mounting import build_root, libc
    from terminal import EAGER_IDLE, Terminal

MAX_LINE = 1 << 20
IDLE = 0.25  # an unfinished line (a prompt, a progress bar) is shown after this many seconds
DRAIN = 2.0
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Stamper:
    """Turn the bytes of one stream into records; holds at most one line of ``MAX_LINE``."""

    def __init__(self, log: int, stream: bytes) -> None:
        self.log = log
        self.stream = stream
        self.rest = bytearray()
        self.since = 0.0

    def feed(self, data: bytes) -> None:
        """Write whole lines, keep the rest."""
        prefix = stamp() + b" " + self.stream
        *lines, rest = data.split(b"\n")
        out = []
        for line in lines:
            if self.rest:
                line = bytes(self.rest) + line
                self.rest.clear()
            out.append(prefix + b"F " + line + b"\n")
        self.rest += rest
        self.since = time.monotonic()
        while len(self.rest) >= MAX_LINE:
            out.append(prefix + b"P " + bytes(self.rest[:MAX_LINE]) + b"\n")
            del self.rest[:MAX_LINE]
        write_all(self.log, b"".join(out))

    def flush(self) -> None:
        """Write the unfinished line as it is."""
        if self.rest:
            write_all(self.log, stamp() + b" " + self.stream + b"P " + bytes(self.rest) + b"\n")
            self.rest.clear()


def stamp() -> bytes:
    """Give the present time as RFC 3339 in UTC with microseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{nanoseconds // 1000:06}Z".encode()


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything; a full disk loses the output, not the job."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return


def start_time(pid: int) -> str:
    """Give what tells this process from a later one with the same number ("" when gone)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[19].decode()
    except (OSError, IndexError):
        return ""


def descendants(root: int) -> list[int]:
    """List the living processes below ``root``, itself not included."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
                if fields[0] != b"Z":
                    parents.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = [root]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def signal_tree(number: int) -> bool:
    """Send a signal to everything below this process; tells whether anything was there."""
    if sys.platform != "linux":
        return signal_group(number)
    pids = descendants(os.getpid())
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(pids)


def signal_group(number: int) -> bool:
    """Send a signal to the session of the command: all there is without /proc."""
    try:
        os.killpg(child_pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def write_json(path: str, value: dict[str, Any]) -> None:
    """Put a file in place at once."""
    temporary = f"{path}.new"
    with open(temporary, "w") as file:
        json.dump(value, file)
    os.replace(temporary, path)


def become(spec: dict[str, Any], out: int, err: int) -> None:
    """Turn the forked child into the command; returns only by an exception."""
    os.setsid()
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for path in spec["cgroups"]:
        with open(os.path.join(path, "cgroup.procs"), "w") as file:
            file.write("0")
    stdin = out if spec["tty"] else os.open(os.devnull, os.O_RDONLY)
    if spec["tty"]:
        fcntl.ioctl(out, termios.TIOCSCTTY, 0)
    for source, target in ((stdin, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    if spec["steps"] is not None:
        build_root(spec["root"], spec["steps"])
    try:
        os.chdir(spec["working_dir"])
    except OSError as error:
        raise OSError(error.errno, f"cannot enter the working directory: {error}") from None
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except FileNotFoundError:
        text = f"executable {spec['argv'][0]!r} was not found in PATH={spec['env'].get('PATH')}"
        raise OSError(errno.ENOENT, text) from None


def spawn(spec: dict[str, Any]) -> tuple[int, dict[int, bytes], str]:
    """Start the command: its pid, the descriptors to read, and why it could not run ("")."""
    if spec["tty"]:
        master, out = os.openpty()
        err = out
        readers = {master: b"o"}
    else:
        first, out = os.pipe()
        second, err = os.pipe()
        readers = {first: b"o", second: b"e"}
    report, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(spec, out, err)
        except BaseException as error:
            os.write(told, (getattr(error, "strerror", None) or str(error)).encode()[:4000])
            os._exit(127 if getattr(error, "errno", 0) == errno.ENOENT else 126)
    for descriptor in {out, err, told}:
        os.close(descriptor)
    failure = b""
    while chunk := os.read(report, 4096):
        failure += chunk
    os.close(report)
    return pid, readers, failure.decode("utf-8", "replace")


class Watch:
    """Copy the output until the command has ended, acting on signals meanwhile."""

    def __init__(
        self, spec: dict[str, Any], log: int, readers: dict[int, bytes], wake: int
    ) -> None:
        self.grace: float = spec["grace"]
        self.selector = selectors.DefaultSelector()
        self.wake = wake
        self.stampers = {descriptor: Stamper(log, name) for descriptor, name in readers.items()}
        for descriptor in (wake, *readers):
            self.selector.register(descriptor, selectors.EVENT_READ)
        self.kill_at: float | None = None
        self.status: int | None = None
        self.drain_until: float | None = None
        self.terminal: Terminal | None = None
        if spec["tty"]:
            self.terminal = Terminal(spec["input"], next(iter(readers)), self.selector)

    def run(self) -> int:
        """Give the wait status of the command, once nothing of it is left."""
        while self.status is None or self.stampers:
            for key, mask in self.selector.select(self.pause()):
                if key.fd == self.wake:
                    self.on_signal(os.read(self.wake, 64))
                elif self.terminal is not None and key.fd == self.terminal.pipe:
                    self.terminal.on_input()
                elif key.fd in self.stampers:
                    if mask & selectors.EVENT_WRITE and self.terminal is not None:
                        self.terminal.type()
                    if mask & selectors.EVENT_READ:
                        self.on_output(key.fd)
            now = time.monotonic()
            for stamper in self.stampers.values():
                if stamper.rest and now - stamper.since >= self.idle(now):
                    stamper.flush()
            if self.kill_at is not None and now >= self.kill_at:
                signal_tree(signal.SIGKILL)
                self.kill_at = now + IDLE
            self.reap()
            if self.drain_until is not None and now >= self.drain_until:
                for descriptor in list(self.stampers):
                    self.close(descriptor)
        return self.status

    def pause(self) -> float:
        """Give how long to wait: short while something is pending."""
        if self.status is not None:
            return 0.02
        if any(stamper.rest for stamper in self.stampers.values()):
            return self.idle(time.monotonic())
        return IDLE if self.kill_at else 60.0

    def idle(self, now: float) -> float:
        """Give how long an unfinished line waits for its end."""
        typing = self.terminal is not None and now < self.terminal.eager_until
        return EAGER_IDLE if typing else IDLE

    def on_signal(self, numbers: bytes) -> None:
        """Act on what arrived: stop, kill, or a child that ended (reaped below)."""
        if signal.SIGUSR1 in numbers:
            signal_tree(signal.SIGKILL)
        if signal.SIGTERM in numbers and self.kill_at is None:
            signal_tree(signal.SIGTERM)
            self.kill_at = time.monotonic() + self.grace

    def on_output(self, descriptor: int) -> None:
        """Read what is there; a closed terminal reads as EIO."""
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:
            data = b""
        if data:
            self.stampers[descriptor].feed(data)
        else:
            self.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Write the last unfinished line and let the stream go."""
        self.stampers.pop(descriptor).flush()
        if self.terminal is not None:
            self.terminal.close()
            self.terminal = None
        self.selector.unregister(descriptor)
        os.close(descriptor)

    def reap(self) -> None:
        """Collect ended children; when the command itself ended, end what it left behind."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid, status = 0, 0
            if pid == 0:
                break
            if pid == child_pid:
                self.status = status
        if self.status is not None:
            if self.drain_until is None:
                self.drain_until = time.monotonic() + DRAIN
            signal_tree(signal.SIGKILL)


def was_oom(cgroups: list[str]) -> bool:
    """Tell whether the kernel killed for memory in these groups (v1 and v2 counters)."""
    for path in cgroups:
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError), open(os.path.join(path, name)) as file:
                fields = dict(line.split() for line in file if len(line.split()) == 2)
                if int(fields.get("oom_kill", 0)):
                    return True
    return False


def remove(cgroups: list[str]) -> None:
    """Remove the emptied groups."""
    for path in cgroups:
        for _ in range(50):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break


child_pid = 0


def main(folder: str) -> None:
    """Supervise the run of ``folder``."""
    global child_pid
    wake, poke = os.pipe()
    for descriptor in (wake, poke):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "linux":
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    with open(os.path.join(folder, "spec.json"), "r+") as file:
        spec = json.load(file)
        file.truncate(0)  # its environment may hold secrets
    log = os.open(os.path.join(folder, "log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    started_at = time.time()  # before the command, so that no moment of its run goes uncounted
    child_pid, readers, failure = spawn(spec)
    pid = os.getpid()
    write_json(
        os.path.join(folder, "pids.json"),
        {
            "supervisor": [pid, start_time(pid)],
            "command": [child_pid, start_time(child_pid)],
            "started_at": started_at,
        },
    )
    with contextlib.suppress(BrokenPipeError):  # a platform that died meanwhile finds us again
        os.write(1, b"1")  # the platform waits for this byte
    os.close(1)
    status = Watch(spec, log, readers, wake).run()
    code = os.waitstatus_to_exitcode(status)
    oom = code != 0 and was_oom(spec["cgroups"])
    remove(spec["cgroups"])
    write_json(
        os.path.join(folder, "exit.json"),
        {
            "code": 128 - code if code < 0 else code,
            "signal": -code if code < 0 else None,
            "oom": oom,
            "failure": failure,
            "finished_at": time.time(),
        },
    )


def probe(folder: str, image: str = "") -> None:
    """Fail if this process cannot build a root of its own, or mount an image in it."""
    build_root(folder, [["dir", "/disk", ""], ["image", "/disk", image]] if image else [])


if __name__ == "__main__":
    if sys.argv[1] == "--probe":
        probe(*sys.argv[2:])
    else:
        main(sys.argv[1])
