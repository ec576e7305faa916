"""The runner that executes jobs as processes of this host.

It isolates nothing from the host: the mount namespace only puts the job's mounts at their paths.
Folder of a run: ``<folder>/<job id>/<run>/`` with spec.json, pids.json, log, exit.json (all by or
for supervisor.py), ``tmp`` (the job's /tmp and HOME) and ``root`` (an empty mount point).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
from yarl import URL

from . import limits, mounts, sessions
from .base import Exit, RunnerError, RunSpec, Session, Streams, Usage
from .processes import alive, ended, kill_rest

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLL = 0.1
_SUPERVISOR_START = 10  # times _POLL
_LOST = 137  # what the end of a run is called when its supervisor was killed
_T = TypeVar("_T")
Namespace = Literal["bubblewrap", "unshare", ""]


class ProcessRunner:
    """Run jobs under supervisors of their own that outlive this process; see `Runner`."""

    def __init__(
        self, folder: Path, namespace: Namespace, hierarchies: limits.Hierarchies, why: str = ""
    ) -> None:
        self._folder = folder
        self._namespace = namespace
        self._hierarchies = hierarchies
        self._why = why
        self._children: dict[tuple[str, int], subprocess.Popen[bytes]] = {}

    @classmethod
    async def create(cls, folder: Path) -> ProcessRunner:
        """Look what this machine can do."""

        def look() -> ProcessRunner:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            namespace, why = _find_namespace()
            return cls(folder, namespace, limits.find(), why)

        return await asyncio.to_thread(look)

    @property
    def limited(self) -> bool:
        """Tell whether both memory and CPU are limited."""
        return not self._hierarchies.missing

    def describe(self) -> list[str]:
        """Say what is missing on this machine."""
        said = []
        if not self._namespace:
            said.append(f"Jobs cannot have volumes here: {self._why}.")
        if self._hierarchies.missing:
            names = " and ".join(self._hierarchies.missing)
            said.append(f"Jobs run without a limit of {names}: no control group is writable.")
        return said

    def check(self, spec: RunSpec) -> None:
        """Refuse mounts where there are no mount namespaces, and sources that do not exist."""
        if spec.mounts and not self._namespace:
            raise RunnerError(f"volumes cannot be mounted by the process runner: {self._why}")
        for mount in spec.mounts:
            if mount.image and os.geteuid() != 0:
                raise RunnerError(f"only root can mount the image {mount.source}")
            if not mount.source.exists():
                raise RunnerError(f"{mount.source}, to be mounted at {mount.target}, is missing")

    def log_path(self, job_id: str, run: int) -> Path:
        """Give the file of stamped output."""
        return self._run(job_id, run) / "log"

    async def start(self, spec: RunSpec) -> float:
        """Start the supervisor, wait until it has started the command, and tell when it did."""
        if not spec.argv:
            raise RunnerError(
                "the process runner does not use the image, so the job needs a command"
            )
        try:
            await _whole(lambda: self._launch(spec))
        except OSError as error:
            raise RunnerError(f"cannot start the job: {error}") from error
        found = await asyncio.to_thread(_read_json, self._run(spec.job_id, spec.run) / "pids.json")
        return time.time() if found is None else float(found["started_at"])

    async def wait(self, job_id: str, run: int) -> Exit:
        """Wait for the supervisor to end, then read what it left."""
        folder = self._run(job_id, run)
        found = await asyncio.to_thread(_read_json, folder / "pids.json")
        if found is not None:
            pid, started = found["supervisor"]
            await ended(pid, started)
        child = self._children.pop((job_id, run), None)
        if child is not None:
            await _whole(child.wait)
        result = await asyncio.to_thread(_read_json, folder / "exit.json")
        if result is not None:
            names = ("code", "oom", "failure", "finished_at")
            return Exit(**{name: result[name] for name in names})
        groups = limits.groups_of(self._hierarchies, _group(job_id, run))
        await asyncio.to_thread(kill_rest, found, groups)
        return Exit(None, failure="the process that supervised the job is gone")

    async def find(self, job_id: str, run: int) -> float | None:
        """Tell when the run was started; a supervisor on its way gets a moment to say so."""
        folder = self._run(job_id, run)
        for _ in range(_SUPERVISOR_START):
            found = await asyncio.to_thread(_read_json, folder / "pids.json")
            if found is not None:
                return float(found["started_at"])
            if not await asyncio.to_thread((folder / "spec.json").exists):
                return None
            await asyncio.sleep(_POLL)
        return None

    async def stop(self, job_id: str, run: int) -> None:
        """Send SIGTERM, and SIGKILL after the grace, to everything of the run."""
        await asyncio.to_thread(self._signal, job_id, run, signal.SIGTERM)

    async def kill(self, job_id: str, run: int) -> bool:
        """Send SIGKILL to everything of the run."""
        return await asyncio.to_thread(self._signal, job_id, run, signal.SIGUSR1)

    async def stats(self, job_id: str, run: int) -> Usage | None:
        """Add up the processes below the supervisor; ended ones count by their parents."""

        def measure() -> Usage | None:
            found = _read_json(self._run(job_id, run) / "pids.json")
            if found is None or not alive(*found["supervisor"]):
                return None
            cpu, memory = 0.0, 0
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in psutil.Process(found["supervisor"][0]).children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        with process.oneshot():
                            times = process.cpu_times()
                            memory += process.memory_info().rss
                        cpu += times.user + times.system
                        cpu += times.children_user + times.children_system
            return Usage(cpu, memory)

        return await asyncio.to_thread(measure)

    @asynccontextmanager
    async def executed(
        self, job_id: str, run: int, argv: Sequence[str], streams: Streams
    ) -> AsyncIterator[Session]:
        """Run a command in the namespaces and control groups of a run."""
        pid = await asyncio.to_thread(self._inner, job_id, run)
        groups = limits.groups_of(self._hierarchies, _group(job_id, run))
        async with sessions.executed(pid, groups, argv, streams) as session:
            yield session

    @asynccontextmanager
    async def attached(self, job_id: str, run: int, streams: Streams) -> AsyncIterator[Session]:
        """Follow the log of a run, and type into its terminal."""
        folder = self._run(job_id, run)
        await asyncio.to_thread(self._inner, job_id, run)

        def ended() -> int | None:
            found = _read_json(folder / "exit.json")
            if found is not None:
                return int(found["code"] or 0)
            pids = _read_json(folder / "pids.json")
            return _LOST if pids is None or not alive(*pids["supervisor"]) else None

        pipe = folder / "input" if streams.tty and streams.stdin else None
        async with sessions.attached(folder / "log", pipe, ended) as session:
            yield session

    async def host(self, job_id: str, run: int) -> str:
        """Answer that jobs are on this host."""
        return "127.0.0.1"

    def inside(self, url: URL) -> URL:
        """Answer that jobs are on this host."""
        return url

    async def saved(
        self, job_id: str, run: int, image: str, token: str
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Refuse: there is no container."""
        for _ in ():
            yield {}
        raise RunnerError(
            "a job of the process runner has no container; start the platform with --runner docker"
        )

    def _inner(self, job_id: str, run: int) -> int:
        """Give a process that is where the run is; `RunnerError` if the run is over."""
        found = _read_json(self._run(job_id, run) / "pids.json")
        if found is None or not alive(*found["command"]):
            raise RunnerError(f"job {job_id} is not running")
        return sessions.inner_process(found["supervisor"][0], found["command"][0])

    async def forget(self, job_id: str) -> None:
        """Remove the scratch folders and secret files of all runs."""

        def remove() -> None:
            shutil.rmtree(self._folder / job_id / "secrets", ignore_errors=True)
            for folder in self._folder.joinpath(job_id).glob("*"):
                for name in ("tmp", "root"):
                    shutil.rmtree(folder / name, ignore_errors=True)
                with contextlib.suppress(OSError):  # one that was never read holds secrets
                    (folder / "spec.json").unlink()

        await asyncio.to_thread(remove)

    def _run(self, job_id: str, run: int) -> Path:
        return self._folder / job_id / str(run)

    def _launch(self, spec: RunSpec) -> None:
        self.check(spec)
        folder = self._run(spec.job_id, spec.run)
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("tmp/home", "root"):
            (folder / name).mkdir(parents=True)
        groups = limits.create(
            self._hierarchies,
            _group(spec.job_id, spec.run),
            cpu=spec.cpu,
            memory=spec.memory,
        )
        try:
            description = json.dumps(self._describe(spec, folder, groups))
            (folder / "spec.json").touch(0o600)
            (folder / "spec.json").write_text(description)
            # Kept here, in the thread: who waits for it may be cancelled meanwhile.
            self._children[spec.job_id, spec.run] = _start_supervisor(folder)
        except BaseException:
            limits.remove(groups)
            raise

    def _describe(self, spec: RunSpec, folder: Path, groups: list[str]) -> dict[str, Any]:
        temporary = "/tmp" if self._namespace else str(folder / "tmp")
        home = f"{temporary}/home"
        environment = {
            "PATH": f"{os.path.dirname(sys.executable)}:{_SYSTEM_PATH}",
            "HOME": home,
            "TMPDIR": temporary,
            **({"TERM": "xterm"} if spec.tty else {}),
            **spec.env,
        }
        argv = list(spec.argv)
        working_dir = spec.working_dir or home
        steps = None
        if self._namespace:
            steps = mounts.plan(
                mounts.Root(
                    spec.mounts,
                    folders=[working_dir] if spec.working_dir else [],
                    scratch=folder / "tmp",
                    shm=spec.memory if spec.shm else 64 << 20,
                    # An editable installation leaves the package outside of its environment.
                    keep=[
                        Path(sys.prefix),
                        Path(sys.base_prefix),
                        Path(__file__).resolve().parents[2],
                    ],
                )
            )
        images = any(mount.image for mount in spec.mounts)  # bubblewrap cannot mount those
        if self._namespace == "bubblewrap" and steps is not None and not images:
            argv = mounts.bubblewrap(shutil.which("bwrap") or "bwrap", steps, working_dir) + argv
            steps, working_dir = None, "/"
        return {
            "argv": argv,
            "env": environment,
            "working_dir": working_dir,
            "root": str(folder / "root"),
            "steps": steps,
            "cgroups": groups,
            "tty": spec.tty,
            "input": str(folder / "input"),
            "grace": spec.grace,
        }

    def _signal(self, job_id: str, run: int, number: int) -> bool:
        found = _read_json(self._run(job_id, run) / "pids.json")
        if found is None or not alive(*found["supervisor"]):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(found["supervisor"][0], number)
            return True
        return False


def _group(job_id: str, run: int) -> str:
    return f"neuro-client-{job_id}-{run}"


def _start_supervisor(folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / "supervisor.err", "wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_SUPERVISOR), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
            env={},
        )
    assert child.stdout is not None
    with child.stdout as ready:
        if ready.read(1):
            return child
    child.wait()
    said = (folder / "supervisor.err").read_text(errors="replace").strip().splitlines()
    raise RunnerError(
        f"the supervisor of the job did not start: {said[-1] if said else 'no reason'}"
    )


def _find_namespace() -> tuple[Namespace, str]:
    """Try what can make mount namespaces: bubblewrap, then unshare(2)."""
    if sys.platform != "linux":
        return "", "mount namespaces exist on Linux only"
    program = shutil.which("bwrap")
    if program is not None:
        command = [program, "--dev-bind", "/", "/", "--tmpfs", "/dev/shm", "--", "/bin/true"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return "bubblewrap", ""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-S", "-E", str(_SUPERVISOR), "--probe", folder]
        result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode == 0:
        return "unshare", ""
    said = result.stderr.decode(errors="replace").strip().splitlines()
    return "", (
        f"no mount namespace can be made ({said[-1] if said else result.returncode}); "
        "install bubblewrap or allow user namespaces"
    )


async def _whole(function: Callable[[], _T]) -> _T:
    """Run in a thread; a cancellation waits for it, as a thread cannot be interrupted."""
    future = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value
