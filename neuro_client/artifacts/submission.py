"""Submit a script with the folder it lies in (grid-artifacts.md §4.3, §8)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shlex
import tarfile
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO, Any, Literal

import attrs
from yarl import URL

from ..concurrency import finish
from ..errors import (
    ConflictError,
    NeuroError,
    ProtocolError,
    ResourceNotFound,
    ServerError,
    ServerNotAvailable,
    TransportError,
)
from ..retry import RetryPolicy
from ..threads import run_blocking
from ..transfer.files import read_at
from ..transfer.models import SLICE
from ..transport import Transport
from .lookup import Lookup
from .models import GridRun
from .names import check_run_name
from .service import GridService
from .wire import text_at

Strategy = Literal["grid_search", "random_search", "none"]

SEND_RETRY = RetryPolicy()
"""Files of a run may be sent again."""

_COMMAND = "runControllerCommand"
_AMBIGUOUS = (TransportError, ServerNotAvailable, ServerError)
_LAST_FILE = 60.0
_IGNORED = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv"})
_SCRIPTS = (".py", ".sh", ".jl")
_FIRST = ("amber", "brisk", "calm", "dapper", "eager", "fuzzy", "gentle", "happy", "keen", "lucid")
_SECOND = ("otter", "heron", "maple", "comet", "lynx", "falcon", "cedar", "badger", "wren", "ibex")


def random_name() -> str:
    """Make up a name of the form adjective-noun-number."""
    return f"{random.choice(_FIRST)}-{random.choice(_SECOND)}-{random.randrange(10_000)}"


@attrs.frozen
class DatastoreMount:
    """Name a datastore and where the experiments see it."""

    id: str
    mount_path: str


def _words(given: Iterable[str]) -> tuple[str, ...]:
    words = tuple(given)
    if isinstance(given, str) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"args must be texts, one for each word, as ['--lr', '0.1']; not {given!r}")
    return words


def _mounts(given: Iterable[DatastoreMount]) -> tuple[DatastoreMount, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class RunRequest:
    """Describe a run: a script in a folder, and what it needs.

    ``script`` is a path below ``local_dir`` and ends in ``.py``, ``.sh`` or ``.jl``. Words of
    ``args`` such as ``[1,2]`` or ``uniform(0,1)`` span the sweep. ``scratch_gb`` and
    ``storage_gb`` are in GiB. With ``strategy="random_search"`` there are ``num_trials``
    experiments. Without a name one is made up.
    """

    script: str
    args: tuple[str, ...] = attrs.field(default=(), converter=_words)
    local_dir: Path = attrs.field(default=Path(), converter=Path)
    name: str = attrs.field(factory=random_name)
    description: str = ""
    strategy: Strategy = attrs.field(
        default="grid_search",
        validator=attrs.validators.in_(("grid_search", "random_search", "none")),
    )
    num_trials: int | None = None
    seed: int | None = None
    instance_type: str = "m5a.large"
    gpus: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    cpus: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    storage_gb: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    scratch_gb: int = attrs.field(default=100, validator=attrs.validators.ge(0))
    scratch_path: str = "/tmp/scratch"
    framework: str = "lightning"
    dockerfile: str = ""
    dependency_file: str = ""
    use_spot: bool = False
    auto_resume: bool = False
    env: Mapping[str, str] = attrs.field(factory=lambda: MappingProxyType({}), repr=False)
    datastores: tuple[DatastoreMount, ...] = attrs.field(default=(), converter=_mounts)

    def check(self) -> None:
        """Refuse what no server would take.

        Raises:
            ValueError: a name, the script or the strategy cannot be right.
        """
        check_run_name(self.name)
        path = PurePosixPath(self.script)
        if path.is_absolute() or ".." in path.parts or path.suffix not in _SCRIPTS:
            raise ValueError(
                f"{self.script!r} cannot be run: name a file below the folder that is sent, which "
                f"ends in {', '.join(_SCRIPTS)}"
            )
        if self.strategy == "random_search" and (self.num_trials or 0) < 1:
            raise ValueError("a random search needs num_trials, one or more")

    def body(self, cluster_id: str) -> dict[str, Any]:
        """Return what is sent."""
        image: dict[str, Any] = {"framework": self.framework}
        if self.dockerfile:
            image["dockerfile"] = self.dockerfile
        if self.dependency_file:
            manager = "CONDA" if self.dependency_file.endswith((".yml", ".yaml")) else "PIP"
            image["dependencyFileInfo"] = {
                "packageManager": f"PACKAGE_MANAGER_{manager}",
                "path": self.dependency_file,
            }
        options = {"num_trials": self.num_trials, "seed": self.seed}
        random_search = self.strategy == "random_search"
        spec: dict[str, Any] = {
            "clusterId": cluster_id,
            "image": image,
            "instanceType": self.instance_type,
            "useSpot": self.use_spot,
            "autoResume": self.auto_resume,
            "dryRun": False,
            "env": dict(self.env),
            "resources": {
                "cpu": self.cpus,
                "gpu": self.gpus,
                "storageGb": self.storage_gb,
                "extra": {},
            },
            "scratch": [{"mountPath": self.scratch_path, "sizeGb": self.scratch_gb}],
            # The interpreter follows from the script; two blanks are the wire's own (§8).
            _COMMAND: (f"{shlex.quote(self.script)}  {shlex.join(self.args)}".rstrip()),
            "sweepType": self.strategy,
            "sweepOptions": {
                key: str(value)
                for key, value in options.items()
                if random_search and value is not None
            },
            "actions": {},
            "desiredState": "RUN_STATE_SUCCEEDED",
        }
        if self.datastores:
            spec["datastores"] = [
                {"id": item.id, "mountPath": item.mount_path} for item in self.datastores
            ]
        return {"name": self.name, "description": self.description, "localDir": True, "spec": spec}


class Submission:
    """Make a run once: the run first, then the folder it works on."""

    def __init__(
        self, service: GridService, lookup: Lookup, links: Transport, request: RunRequest
    ) -> None:
        self._service = service
        self._lookup = lookup
        self._links = links
        self._request = request

    async def submit(self) -> GridRun:
        """Pack the folder, make the run, send the folder."""
        with contextlib.ExitStack() as stack:
            file = await run_blocking(_temporary, stack)
            size = await packed(self._request.local_dir, self._request.script, file)
            run, adopted = await self._make()
            try:
                await self._send(run, file.fileno(), size)
            except BaseException:
                # Without its files the run would wait for ever. One that was adopted may be that of
                # somebody who was quicker, so it stays.
                if not adopted:
                    await finish(self._remove(run))
                raise
        return run

    async def _make(self) -> tuple[GridRun, bool]:
        """Return the run, and whether it was found after an answer that was lost."""
        body = self._request.body(await self._service.cluster_id())
        name = self._request.name
        if await self._found() is not None:
            raise ConflictError(f"There is a run {name!r} already; choose another name")
        try:
            return await self._service.submit(body), False
        except _AMBIGUOUS as error:
            # Names are unique, and there was none before: what has the name now is this one, unless
            # somebody else was quicker and runs something else.
            found = await self._found()
            if found is None:
                raise error
            if found.command != body["spec"][_COMMAND]:
                raise ConflictError(
                    f"Somebody else made a run {name!r} at the same time; choose another name"
                ) from error
            return found, True

    async def _found(self) -> GridRun | None:
        try:
            return await self._lookup.run(self._request.name)
        except ResourceNotFound:
            return None

    async def _send(self, run: GridRun, fd: int, size: int) -> None:
        link = text_at(run.raw, "status", "uploadUrl")
        if not link:
            raise ProtocolError(f"The server did not say where the files of {run.name!r} go")

        async def pieces() -> AsyncIterator[bytes]:
            for offset in range(0, size, SLICE):
                yield await run_blocking(read_at, fd, min(SLICE, size - offset), offset)

        await self._links.send(
            "PUT",
            URL(link, encoded=True),
            body=pieces,
            headers={"Content-Length": str(size)},
            retry=SEND_RETRY,
        )

    async def _remove(self, run: GridRun) -> None:
        try:
            await self._service.delete("runs", run.id)
        except NeuroError:
            return  # what made us remove it matters more


def _temporary(stack: contextlib.ExitStack) -> IO[bytes]:
    return stack.enter_context(tempfile.TemporaryFile(prefix="neuro-client-"))


async def packed(folder: Path, script: str, file: IO[bytes]) -> int:
    """Do `pack` in a thread; a cancelled caller waits for the file that is being packed only."""
    stop = threading.Event()
    work = asyncio.ensure_future(run_blocking(pack, folder, script, file, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await finish(asyncio.wait((work,)), _LAST_FILE)
        raise


def pack(folder: Path, script: str, file: IO[bytes], stop: threading.Event) -> int:
    """Write a folder as tar.gz; return the size. Blocks; *stop* ends it before the next file.

    Raises:
        ValueError: there is no such folder or script, or a link leads out of the folder.
    """
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise ValueError(f"{str(folder)!r} is not a folder")
    if not (root / script).is_file():
        raise ValueError(f"there is no file {script!r} in {str(folder)!r}")

    def chosen(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if stop.is_set():
            raise InterruptedError("nobody waits for it any more")
        name = PurePosixPath(info.name)
        if info.islnk():  # a second name of a file; the first one may be left out
            info.type, info.linkname = tarfile.REGTYPE, ""
            info.size = (root / name).stat().st_size
        if name.name in _IGNORED or not (info.isfile() or info.isdir() or info.issym()):
            return None
        if info.issym():
            target = os.path.realpath(root / name)
            if not target.startswith(f"{root}{os.sep}"):
                raise ValueError(f"the link {info.name!r} leads out of {str(folder)!r}; remove it")
            if os.path.isabs(info.linkname):  # the folder lies elsewhere when it is unpacked
                info.linkname = os.path.relpath(target, (root / name).parent)
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        return info

    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
        archive.add(root, arcname=".", filter=chosen)
    file.flush()
    return file.tell()
