"""ETLs: code of yours that the targets run on their objects (aistore.md §14)."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from ...errors import NotSupportedError
from ...threads import run_blocking
from .. import wire
from ..connection.requests import RequestClient
from ..errors import AISError
from ..versions import ETL_RUNTIME, ETL_STOPS_ITSELF, refuse_from, require, server_version
from . import code as etl_code
from .records import (
    ETLDetails,
    ETLNodeHealth,
    ETLNodeLogs,
    ETLNodeMetrics,
    read_details,
    read_health,
    read_logs,
    read_metrics,
)

logger = logging.getLogger(__name__)

INIT_TIMEOUT = "5m"
OBJECT_TIMEOUT = "45s"
_SPEC_GONE = (5, 1)
_REVERSED_GONE = (4, 0)
_MARGIN = 30.0
_LONG = 330.0
"""Seconds that pods may take to come and go."""

_REVERSED = "hrev://"
_COMMUNICATION = ("hpush", "hrev", "hpull", "ws")
_RUNTIMES = {(3, 10): "python3.10v2", (3, 11): "python3.11v2"}
_OLDEST_RUNTIME = "python3.8v2"
_IMAGES = range(9, 14)
_NAME = re.compile(r"[a-z0-9-]{6,32}")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Etl:
    """Name an ETL; nothing is sent before a method is awaited.

    It is used by ``Object.get(etl_name=…)``, ``Bucket.transform`` and the transform of groups.
    """

    def __init__(self, client: RequestClient, etl_name: str) -> None:
        if not etl_name or "/" in etl_name:
            raise ValueError(f"{etl_name!r} is not the name of an ETL: a-z, 0-9 and '-'")
        self._client = client
        self._name = etl_name

    def __repr__(self) -> str:
        return f"<Etl {self._name}>"

    @property
    def name(self) -> str:
        """Return the name."""
        return self._name

    # Making one

    async def init(
        self,
        image: str,
        command: Sequence[str] | str | None = None,
        comm_type: str = "hpush",
        init_timeout: str = INIT_TIMEOUT,
        obj_timeout: str = OBJECT_TIMEOUT,
        direct_put: bool = False,
        **env: str,
    ) -> str:
        """Run a container on each target, wait until all are up, and return the id of the job.

        ``env`` are variables of the container. Needs a server from 3.30 on.

        Raises:
            ErrETLAlreadyExists: there is one of this name.
            ErrUnsupp: the server was built without ETL.
        """
        runtime: dict[str, Any] = {"image": image}
        if command:
            runtime["command"] = shlex.split(command) if isinstance(command, str) else [*command]
        if env:
            runtime["env"] = [{"name": name, "value": value} for name, value in env.items()]
        seconds_of(obj_timeout)
        body = {
            "name": self._name,
            "communication": _communication(comm_type),
            "init_timeout": init_timeout,
            "obj_timeout": obj_timeout,
            "support_direct_put": direct_put,
            "runtime": runtime,
        }
        seconds_of(init_timeout)
        await require(self._client, "An ETL of an image", ETL_RUNTIME)
        return await self._init(body, init_timeout)

    async def init_class(
        self,
        server_class: type,
        *,
        dependencies: Sequence[str] = (),
        os_packages: Sequence[str] = (),
        comm_type: str = "hpush",
        init_timeout: str = INIT_TIMEOUT,
        obj_timeout: str = OBJECT_TIMEOUT,
        direct_put: bool = True,
        image: str = "",
        **env: str,
    ) -> str:
        """Run a class of yours on each target; see `init`.

        The class is one of the web servers of the published SDK, with a ``transform`` of yours.
        The image is the one for the running Python, which is 3.13 at most.
        """
        if not isinstance(server_class, type):
            raise TypeError(f"an ETL is made of a class, not of {type(server_class).__name__}")
        variables = {"ETL_CLASS_PAYLOAD": await run_blocking(etl_code.pickled, server_class)}
        if dependencies:
            variables["PACKAGES"] = ",".join(dependencies)
        if os_packages:
            variables["OS_PACKAGES"] = ",".join(os_packages)
        return await self.init(
            image or _image(),
            None,
            comm_type,
            init_timeout,
            obj_timeout,
            direct_put,
            **variables,
            **env,
        )

    async def init_spec(
        self,
        template: str,
        communication_type: str = "hpush",
        timeout: str = INIT_TIMEOUT,
        *,
        obj_timeout: str = "",
    ) -> str:
        """Run a pod of Kubernetes on each target, by the YAML that describes it; see `init`.

        Servers after 5.0 take no pods; use `init`.
        """
        body = self._in_words_of_all(communication_type, timeout)
        body["spec"] = etl_code.encoded(template)
        if obj_timeout:
            seconds_of(obj_timeout)
            body["obj_timeout"] = obj_timeout
        await refuse_from(self._client, "An ETL of a pod", _SPEC_GONE, "use init(image)")
        return await self._init(body, timeout)

    async def init_code(
        self,
        transform: Callable[..., Any],
        dependencies: Sequence[str] | None = None,
        preimported_modules: Sequence[str] | None = None,
        runtime: str | None = None,
        communication_type: str = "hpush",
        timeout: str = INIT_TIMEOUT,
        chunk_size: int | None = None,
        transform_url: bool = False,
    ) -> str:
        """Run a function of yours on each target, on servers up to 3.29; see `init`.

        It gets the bytes of an object and returns others; with ``chunk_size`` it gets a reader and
        a writer, with ``transform_url`` the address of the object, and by ``io`` nothing: it reads
        the standard input and writes the standard output. Code of yours goes along, what is
        installed has to be among the ``dependencies``.

        Raises:
            NotSupportedError: the server is newer; see `init_class`.
        """
        if not callable(transform):
            raise TypeError(f"an ETL is made of a function, not of {type(transform).__name__}")
        modules = list(preimported_modules or ())
        for name in modules:
            if not _MODULE.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a module")
        if chunk_size is not None and chunk_size < 0:
            raise ValueError(f"chunk_size cannot be negative, {chunk_size}")
        body = self._in_words_of_all(communication_type, timeout, "io")
        await refuse_from(self._client, "An ETL of a function", ETL_RUNTIME, "use init_class")
        called = body["communication"] == "io://"
        source = await run_blocking(partial(etl_code.program, transform, modules, called=called))
        packages = await run_blocking(etl_code.requirements, list(dependencies or ()))
        body |= {
            "runtime": runtime or _runtime(),
            "funcs": {"transform": "transform"},
            "code": etl_code.encoded(source),
            "dependencies": etl_code.encoded("\n".join(packages)),
            "transform_url": transform_url,
        }
        if transform_url:
            body["argument"] = "url"  # so say servers from 3.19 on
        if chunk_size:
            body["chunk_size"] = chunk_size
        return await self._init(body, timeout)

    def _in_words_of_all(self, kind: str, timeout: str, *more: str) -> dict[str, Any]:
        """Return what servers of today and old ones call differently; each ignores the rest."""
        seconds_of(timeout)
        return {
            "id": self._name,
            "name": self._name,
            "communication": _communication(kind, *more),
            "timeout": timeout,
            "init_timeout": timeout,
        }

    async def _init(self, body: Mapping[str, Any], timeout: str) -> str:
        silence = seconds_of(timeout) + _MARGIN
        if body["communication"] == _REVERSED:
            await refuse_from(self._client, "The way hrev", _REVERSED_GONE, "use hpush or hpull")
        found = await server_version(self._client)
        if found is not None and found >= ETL_RUNTIME and not _NAME.fullmatch(self._name):
            raise ValueError(f"{self._name!r} has to be 6 to 32 characters of a-z, 0-9 and '-'")
        answer = await self._client.request("PUT", "etl", json_body=body, silence=silence)
        return wire.job_id(await answer.read())

    # Its life

    async def start(self) -> None:
        """Start it again after it was stopped."""
        await self._client.request("POST", self._path("start"), silence=_LONG)

    async def stop(self) -> None:
        """Stop it; what it is made of stays."""
        await self._client.request("POST", self._path("stop"), silence=_LONG)

    async def delete(self) -> None:
        """Stop and remove it."""
        found = await server_version(self._client)
        if found is None or found < ETL_STOPS_ITSELF:
            try:
                await self.stop()
            except AISError as error:
                # It has been stopped, or there is none, which the server says again.
                if error.status not in (400, 404):
                    raise
        await self._client.request("DELETE", self._path(), silence=_LONG)

    # Questions

    async def view(self, job_id: str = "") -> ETLDetails:
        """Return what it is made of, and which objects it could not transform.

        ``job_id`` chooses those of one job.
        """
        params = {"uuid": job_id} if job_id else None
        return read_details(await self._client.json("GET", self._path(), params=params))

    async def logs(self, target_id: str = "") -> list[ETLNodeLogs]:
        """Return what it has written on each target, or on one."""
        return read_logs(await self._client.json("GET", self._path("logs", target_id)))

    async def health(self) -> list[ETLNodeHealth]:
        """Return how it is on each target."""
        return read_health(await self._client.json("GET", self._path("health")))

    async def metrics(self) -> list[ETLNodeMetrics]:
        """Return what it uses on each target."""
        return read_metrics(await self._client.json("GET", self._path("metrics")))

    def _path(self, *words: str) -> str:
        return "/".join(["etl", quote(self._name), *(quote(word) for word in words if word)])


def seconds_of(duration: str) -> float:
    """Return the length of ``5m`` or ``1h30m``; ``ValueError`` if it is no duration."""
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"{duration!r} is not a duration such as 45s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))


def _communication(kind: str, *more: str) -> str:
    known = (*_COMMUNICATION, *more)
    kind = kind.removesuffix("://")
    if kind not in known:
        raise ValueError(f"communication is one of {', '.join(known)}, not {kind!r}")
    return f"{kind}://"


def _image() -> str:
    major, minor = sys.version_info[:2]
    if minor not in _IMAGES:
        raise NotSupportedError(
            f"AIStore has no image for Python {major}.{minor}; give one of yours, image=…"
        )
    return f"aistorage/runtime_python:{major}.{minor}"


def _runtime() -> str:
    own = sys.version_info[:2]
    found = _RUNTIMES.get(own)
    if found is None:
        found = _OLDEST_RUNTIME
        logger.warning(
            "No runtime of AIStore has Python %d.%d: code of yours may not run in %s", *own, found
        )
    return found
