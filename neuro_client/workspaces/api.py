"""The ``client.workspaces`` subsystem: runs of workspaces in the user's Garage bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self, Unpack, overload

from yarl import URL

from ..concurrency import finish
from ..config.services import WorkspacesSettings
from ..errors import ConfigError
from ..retry import RetryPolicy
from .connection import (
    DEFAULT_REGION,
    Connection,
    ConnectOptions,
    Login,
    StoreSettings,
    root_url,
    store_url,
    web_url,
)
from .local_files import Files, Place
from .models import (
    GpuModel,
    StorageKey,
    StorageUsage,
    SubmitPlan,
    SubmittedTask,
    Task,
    WorkerStats,
)
from .naming import SlugStyle, check_slug, slug_of
from .options import Rules, StartOptions, SubmitOptions, TaskOptions, check_names, chosen
from .results import Results
from .run import TaskRun
from .storage import WorkspaceStorage
from .submitting import Sources, Submitter
from .tasks import Tasks
from .templates import Configs
from .waiting import Pace


class Workspaces(Tasks):
    """Submit workspaces, watch their tasks, fetch what they wrote.

    Sign in with ``api_key`` (``rsk_live_…`` or ``rsk_dev_…``), or with ``email`` and ``password``
    at a platform of the first generation. ``s3_url``, ``access_key_id`` and ``secret_access_key``
    open the user's bucket, whose name is looked up where ``bucket`` is None. ``ui_url`` is the web
    interface, by default the host of the API without its label ``api``. Plain ``http`` to another
    machine is refused unless ``allow_http``, or ``RESON_ALLOW_HTTP``, says otherwise.

    Nothing is contacted before the first call. Use it inside ``async with connect(...)``, or call
    ``close``.

    Raises:
        ValueError: an address is none, or the way to sign in is not clear.
    """

    def __init__(
        self,
        api_url: str | URL,
        *,
        api_key: str | None = None,
        email: str | None = None,
        password: str | None = None,
        s3_url: str | URL | None = None,
        s3_region: str = DEFAULT_REGION,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        bucket: str | None = None,
        ui_url: str | URL | None = None,
        allow_http: bool | None = None,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
    ) -> None:
        login = Login(api_key, email, password)
        if (access_key_id is None) != (secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        key = None
        if access_key_id is not None and secret_access_key is not None:
            key = StorageKey(access_key_id, secret_access_key)
        url = root_url(api_url, "api_url", allow_http)
        s3 = store_url(url, s3_url, allow_http)
        connection = Connection(url, login, StoreSettings(s3, s3_region, key, bucket), retry)
        super().__init__(connection, web_url(url, ui_url), pace)
        self._storage = WorkspaceStorage(self._connection)
        self._submitter = Submitter(self._connection, self._storage)

    @classmethod
    def from_settings(cls, settings: WorkspacesSettings) -> Self:
        """Build it from ``services.toml`` and the environment.

        Raises:
            ConfigError: a setting cannot be used.
        """
        try:
            return cls(
                settings.api_url or "",
                api_key=settings.api_key,
                s3_url=settings.s3_url,
                s3_region=settings.s3_region or DEFAULT_REGION,
                access_key_id=settings.access_key_id,
                secret_access_key=settings.secret_access_key,
                bucket=settings.bucket,
            )
        except ValueError as error:
            raise ConfigError(f"The settings of workspaces cannot be used: {error}") from error

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, api_url: str | URL, **options: Unpack[ConnectOptions]
    ) -> AsyncIterator[Self]:
        """Open it for the length of a block; the options are those of the class."""
        found = cls(api_url, **options)
        try:
            yield found
        finally:
            await finish(found.close())

    def __repr__(self) -> str:
        return f"<Workspaces {self._connection.url}>"

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        await self._connection.close()

    @property
    def storage(self) -> WorkspaceStorage:
        """Return the client of the user's bucket; no request."""
        return self._storage

    # Submissions

    @overload
    async def submit(
        self,
        name: str,
        scripts: Files,
        configs: Configs | Files | None = None,
        requirements: Path | Sequence[str] | None = None,
        shards: Place | Sequence[Place] | None = None,
        checkpoint: Place | None = None,
        estimated_memory_mb: int | None = None,
        *,
        dry_run: Literal[False] = False,
        **options: Unpack[SubmitOptions],
    ) -> SubmittedTask: ...

    @overload
    async def submit(
        self,
        name: str,
        scripts: Files,
        configs: Configs | Files | None = None,
        requirements: Path | Sequence[str] | None = None,
        shards: Place | Sequence[Place] | None = None,
        checkpoint: Place | None = None,
        estimated_memory_mb: int | None = None,
        *,
        dry_run: Literal[True],
        **options: Unpack[SubmitOptions],
    ) -> SubmitPlan: ...

    @overload
    async def submit(
        self,
        name: str,
        scripts: Files,
        configs: Configs | Files | None = None,
        requirements: Path | Sequence[str] | None = None,
        shards: Place | Sequence[Place] | None = None,
        checkpoint: Place | None = None,
        estimated_memory_mb: int | None = None,
        *,
        dry_run: bool,
        **options: Unpack[SubmitOptions],
    ) -> SubmittedTask | SubmitPlan: ...

    async def submit(
        self,
        name: str,
        scripts: Files,
        configs: Configs | Files | None = None,
        requirements: Path | Sequence[str] | None = None,
        shards: Place | Sequence[Place] | None = None,
        checkpoint: Place | None = None,
        estimated_memory_mb: int | None = None,
        *,
        dry_run: bool = False,
        **options: Unpack[SubmitOptions],
    ) -> SubmittedTask | SubmitPlan:
        """Write a workspace into the bucket, changed objects only, and start one task of it.

        ``scripts`` and ``configs`` are a folder, a file, or contents by name; ``model_def.py`` must
        be among the scripts, the other files of §8 are rendered where they are missing, from
        ``Configs`` if that is given. ``requirements`` is a file or a list of lines, ``shards`` a
        folder of zips or their paths, one for each worker. For the other options see
        `SubmitOptions`. With ``dry_run`` the plan is returned and nothing is written.

        A submission that was broken off goes on where it was when the same call is made again. The
        task is asked for once; an answer that got lost is looked up by the task's name.

        Raises:
            ValueError: something is missing or cannot be used; nothing was sent.
            SourceChangedError: a file changed while it was read.
            ConflictError: the workspace has other content, or is being submitted.
            QuotaExceededError: the bucket is full, or would be; says by how much.
            AuthenticationError: a key is wrong, or the clock of this machine.
            AuthorizationError: the key has no right to write.
            IllegalArgumentError: the platform refuses the task and says why.
        """
        check_names(options, SubmitOptions)
        slug = _slug(name, options)
        sources = Sources(scripts, configs, requirements, shards, checkpoint)
        task_options = chosen(TaskOptions, options, estimated_memory_mb=estimated_memory_mb)
        rules = chosen(Rules, options)
        if dry_run:
            return await self._submitter.plan(name, slug, sources, task_options, rules)
        submitted = await self._submitter.submit(name, slug, sources, task_options, rules)
        return self._linked(submitted)

    async def submit_existing(
        self,
        name: str,
        estimated_memory_mb: int | None = None,
        **options: Unpack[StartOptions],
    ) -> SubmittedTask:
        """Start one more task of a workspace that is in the bucket as it is (§7).

        Raises:
            ResourceNotFound: something that a task needs is missing there; names it.
            IllegalArgumentError: the platform refuses the task and says why.
        """
        check_names(options, StartOptions)
        task_options = chosen(TaskOptions, options, estimated_memory_mb=estimated_memory_mb)
        submitted = await self._submitter.submit_existing(name, _slug(name, options), task_options)
        return self._linked(submitted)

    def get_run(self, id: str) -> TaskRun:
        """Return a task as a ``Run``, the protocol that all kinds of runs share; no request."""
        return TaskRun(self, id)

    def results(self, task: Task | str) -> Results:
        """Return what reads the outputs of a task, or of the workspace with this slug; no request.

        The runs of one workspace write into the same folders.
        """
        return Results(self._storage, task.slug if isinstance(task, Task) else task)

    # The user's account

    async def usage(self) -> StorageUsage:
        """Read the meter of the bucket; what the platform does not tell is None."""
        return await self._connection.service.usage()

    async def workers(self) -> WorkerStats:
        """Tell which workers are online."""
        return await self._connection.service.workers()

    async def gpus(self) -> Sequence[GpuModel]:
        """List the kinds of GPUs whose ids ``gpu_models`` may name."""
        return await self._connection.service.gpus()

    async def rotate_key(self) -> StorageKey:
        """Have a new access key made, and use it from now on; the old one ends.

        It is not written into ``services.toml``: keep it where the old one is kept.
        """
        key = await self._connection.service.rotate_key()
        self._connection.use_key(key)
        return key


def _slug(name: str, options: StartOptions) -> str:
    slug = options.get("slug")
    if slug is not None:
        slug_of(name)  # the name is sent as well
        return check_slug(slug)
    return check_slug(slug_of(name, options.get("slug_style", SlugStyle.DASH)))
