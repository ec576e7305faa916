"""The local platform as one object: set-up, listeners, users, and tools for tests."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shlex
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from yarl import URL

from .access import SCHEMA as ACCESS_SCHEMA
from .access import Access, is_name
from .app import build_app
from .faults import Fault, Faults, Interception, Match
from .files import default_data, read_json, write_private
from .listeners import Listener, bound_socket, close_all
from .pages import Dashboard
from .quotas import SCHEMA as QUOTA_SCHEMA
from .quotas import Quotas
from .requests import read_any_head
from .services import create_services
from .services.base import Quota, Service
from .settings import ClusterSettings, GarageSettings, PresetSettings, Settings
from .state import State
from .threads import taken
from .tokens import SCHEMA as TOKEN_SCHEMA
from .tokens import Tokens, signing_key

logger = logging.getLogger(__name__)

FIRST_PORT = 8787
MAIN = "main"
RUNNERS = ("process", "docker")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SHUTDOWN_TIME = 2.0
_READ_BUFFER = 2**18
_LOCK_TIME = 1.0


class AlreadyRunningError(RuntimeError):
    """Report that another platform serves the same data."""


class LocalPlatform:
    """Serve the platform's protocols on this machine; an async context manager.

    ``data`` holds everything that is kept; None is ``$XDG_DATA_HOME/neuro-client/local``. ``port``
    None takes the port of the last start, at first 8787 if it is free; 0 takes a free one.
    ``token_lifetime`` in seconds is that of tokens from a browser login; ``garage`` is
    the server that holds the buckets of workspaces, the platform's own S3 without.

    Raises:
        AlreadyRunningError: another process serves the same data.
        ConnectionError: the engine of the ``docker`` runner, or the Garage, does not answer.
        ValueError: an address other than loopback without leave and TLS files; a bad name.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        port: int | None = None,
        clusters: Sequence[str] = ("default",),
        orgs: Sequence[str] = (),
        presets: Sequence[PresetSettings] | None = None,
        runner: str = "process",
        username: str = "user",
        token_lifetime: float = 24 * 3600.0,
        host: str = "127.0.0.1",
        allow_remote: bool = False,
        tls: tuple[Path, Path] | None = None,
        garage: GarageSettings | None = None,
    ) -> None:
        if host not in _LOOPBACK and not (allow_remote and tls):
            raise ValueError(
                f"{host} can be reached from other machines; that needs --allow-remote and a "
                "certificate with its key (--tls-cert, --tls-key)"
            )
        if runner not in RUNNERS:
            raise ValueError(f"There is no runner {runner!r}; use {', '.join(RUNNERS)}")
        self.data = default_data() if data is None else data.absolute()
        self.settings = Settings.build(clusters, orgs, presets, runner, token_lifetime, garage)
        self._check_username(username)
        self.username = username
        self.faults = Faults()
        self.jobs: Any = None
        self.s3: Any = None
        self.buckets: Any = None
        self.disks: Any = None
        self.secrets: Any = None
        self.aistore: Any = None
        self.trainings: Any = None
        self.workspaces: Any = None
        self.artifacts: Any = None
        self.dashboard = Dashboard(lambda: self.url / "dashboard")
        self._port = port
        self._host = host
        self._tls = tls
        self._stack = AsyncExitStack()
        self._urls: dict[str, URL] = {}
        self._listeners: dict[str, Listener] = {}
        self._ready: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        failure: Exception | None = None
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except Exception as error:
                # What has started stops in order; its task groups would wrap the error.
                failure = error
            else:
                self._stack = stack.pop_all()
        if failure is not None:
            raise failure
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def ready(self) -> Mapping[str, Any]:
        """Return addresses and credentials, the content of ``ready.json``."""
        return self._ready

    @property
    def url(self) -> URL:
        """Return the root of the main listener."""
        return self._urls[MAIN]

    @property
    def api_url(self) -> URL:
        """Return the root of the API."""
        return self.url / "api/v1"

    def listener(self, service: str) -> URL:
        """Return the root of a service's own listener."""
        return self._urls[service]

    def registry(self, cluster: str) -> URL:
        """Return the root of a cluster's image registry."""
        return self._urls[f"registry/{cluster}"]

    async def close_listener(self, service: str) -> None:
        """Break the connections of a service with a listener of its own, and refuse new ones."""
        await self._listeners[service].shut()

    async def open_listener(self, service: str) -> None:
        """Let a service answer again."""
        await self._listeners[service].open()

    @property
    def token(self) -> str:
        """Return the token of the platform's first user."""
        return str(self._ready["token"])

    def cluster(self, name: str) -> ClusterSettings:
        """Return a cluster; ``KeyError`` if there is none of that name."""
        return self.settings.clusters[name]

    def storage_root(self, cluster: str) -> Path:
        """Return the folder that holds a cluster's storage."""
        return self.data / "storage" / cluster

    async def add_user(self, name: str) -> str:
        """Add a user with a home on every cluster and return a token; known users get one too."""
        self._check_username(name)
        await self.access.add_user(name)
        await asyncio.to_thread(self._make_homes, name)
        return await self.tokens.issue(name)

    async def issue_token(
        self, username: str, *, resource: str | None = None, expires_in: float | None = None
    ) -> str:
        """Make a token for a user; ``expires_in`` in seconds, None for ever."""
        return await self.tokens.issue(username, expires_in, resource)

    async def quota(self, username: str | None, cluster: str, org: str | None) -> Quota:
        """Return the limits of a user, or of an organisation when ``username`` is None."""
        return await self.quotas.get(username, cluster, org)

    async def set_quota(
        self,
        username: str | None,
        *,
        cluster: str | None = None,
        org: str | None = None,
        **limits: Any,
    ) -> None:
        """Limit ``total_running_jobs`` or ``credits`` of a user or, without one, of ``org``."""
        names = list(self.settings.clusters) if cluster is None else [cluster]
        for name in names:
            await self.quotas.set(username, name, org, **limits)

    async def preempt(self, job_id: str) -> None:
        """Take the node of a preemptible job away; the job starts again."""
        await self.jobs.preempt(job_id)

    def fault(
        self,
        match: Match,
        *,
        times: int | None = 1,
        skip: int = 0,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        delay: float = 0.0,
        cut_after: int | None = None,
        refuse: bool = False,
    ) -> Fault:
        """Plan trouble for the next ``times`` matching requests after ``skip``, for all if None.

        ``match`` is ``"METHOD /part/of/path"``, a pattern or a function of the request. Trouble:
        ``status`` (with ``headers`` and ``body``), ``delay`` in seconds, ``cut_after`` bytes of the
        answer's body (0: the request is served, its answer lost), ``refuse`` (hang up unserved).
        """
        return self.faults.add(
            match,
            times=times,
            skip=skip,
            status=status,
            headers=dict(headers or {}),
            body=body,
            delay=delay,
            cut_after=cut_after,
            refuse=refuse,
        )

    @contextmanager
    def intercept(self) -> Iterator[Interception]:
        """Record requests, and answer some in the platform's place; see ``Interception``."""
        with self.faults.intercept() as interception:
            yield interception

    async def _start(self, stack: AsyncExitStack) -> None:
        stack.callback(os.close, await taken(self._lock, os.close))
        key = await asyncio.to_thread(signing_key, self.data / "signing.key")
        await self.dashboard.prepare()
        services = create_services(self)
        schemas = [ACCESS_SCHEMA, TOKEN_SCHEMA, QUOTA_SCHEMA]
        schemas += [service.schema for service in services if service.schema]
        self.state = await stack.enter_async_context(State.open(self.data / "state.db", schemas))
        self.tokens = Tokens(self.state, key)
        self.access = Access(self.state, self.settings)
        self.quotas = Quotas(self.state)
        await asyncio.to_thread(self._make_homes, self.username)
        await self.access.add_user(self.username)
        token = await self._first_token()
        sockets = await taken(lambda: self._bind(services), close_all)
        for name, bound in sockets.items():
            stack.callback(bound.close)
            scheme = "https" if self._tls else "http"
            port = bound.getsockname()[1]
            self._urls[name] = URL.build(scheme=scheme, host=self._host, port=port)
        for service in services:
            if service.lifespan is not None:
                await stack.enter_async_context(service.lifespan())
        shared = [service for service in services if not service.own_listener]
        await self._listen(stack, shared, sockets[MAIN])
        for service in services:
            if service.own_listener:
                await self._listen(stack, [service], sockets[service.name])
        await self._tell(services, token)

    async def _first_token(self) -> str:
        """Return the token told at the last start while it is valid, else a new one."""
        old = await asyncio.to_thread(read_json, self.data / "ready.json")
        token = old.get("token")
        if isinstance(token, str):
            caller = await self.tokens.caller(token)
            if caller is not None and caller.username == self.username:
                return token
        return await self.tokens.issue(self.username)

    async def _listen(
        self, stack: AsyncExitStack, services: Sequence[Service], bound: socket.socket
    ) -> None:
        runner = web.AppRunner(
            build_app(self, services),
            access_log=None,
            shutdown_timeout=_SHUTDOWN_TIME,
            read_bufsize=_READ_BUFFER,
            # An object store keeps what it is given, packed or not.
            auto_decompress=not any(service.own_listener for service in services),
        )
        context = None
        if self._tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            await asyncio.to_thread(context.load_cert_chain, *self._tls)
        listener = Listener(runner, bound, context)
        # The sites are stopped first, and look at their sockets for that.
        stack.callback(listener.release)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        assert runner.server is not None
        read_any_head(runner.server)
        if services[0].own_listener:
            self._listeners[services[0].name] = listener
        await listener.open()

    async def _tell(self, services: Sequence[Service], token: str) -> None:
        self._ready = {
            "api_url": str(self.api_url),
            "cluster": next(iter(self.settings.clusters)),
            "username": self.username,
            "token": token,
            "pid": os.getpid(),
            "dashboard_url": str(self.url / "dashboard"),
        }
        for service in services:
            if service.ready is not None:
                self._ready[service.name] = dict(service.ready())
        text = json.dumps(self._ready, indent=2)
        await asyncio.to_thread(write_private, self.data / "ready.json", text)

    def _lock(self) -> int:
        """Take the data folder, made private, for this process; blocks for a second at most."""
        self.data.mkdir(0o700, parents=True, exist_ok=True)
        self.data.chmod(0o700)
        handle = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(handle):
            os.close(handle)
            other = read_json(self.data / "ready.json")
            raise AlreadyRunningError(
                f"The data in {self.data} is served already, by process {other.get('pid', '?')} "
                f"at {other.get('api_url', 'an unknown address')}; stop that one with "
                f"`neuro-client local down --data {shlex.quote(str(self.data))}`, or choose "
                "another folder with --data"
            )
        for name in self.settings.clusters:
            self.storage_root(name).mkdir(0o700, parents=True, exist_ok=True)
        return handle

    def _check_username(self, name: str) -> None:
        orgs = {org for c in self.settings.clusters.values() for org in c.orgs}
        if name in orgs or "/" in name or not is_name(name):
            raise ValueError(f"{name!r} cannot be the name of a user here")

    def _make_homes(self, username: str) -> None:
        for cluster in self.settings.clusters.values():
            for org in cluster.orgs:
                home = self.storage_root(cluster.name).joinpath(*filter(None, (org, username)))
                home.mkdir(parents=True, exist_ok=True)

    def _bind(self, services: Sequence[Service]) -> dict[str, socket.socket]:
        """Bind every listener, to the port of the last start where that is free."""
        path = self.data / "ports.json"
        ports = {} if self._port == 0 else read_json(path)
        wanted = {MAIN: self._port or ports.get(MAIN, FIRST_PORT if self._port is None else 0)}
        for service in services:
            if service.own_listener:
                wanted[service.name] = ports.get(service.name, 0)
        found: dict[str, socket.socket] = {}
        try:
            for name, port in wanted.items():
                fixed = name == MAIN and bool(self._port)
                found[name] = bound_socket(self._host, port, fixed=fixed)
        except BaseException:
            close_all(found)
            raise
        if self._port != 0:
            numbers = {name: bound.getsockname()[1] for name, bound in found.items()}
            write_private(path, json.dumps(numbers))
        return found


def _locked(handle: int) -> bool:
    """Lock an open file; what a killed platform was just starting may hold it a moment longer."""
    deadline = time.monotonic() + _LOCK_TIME
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True
