"""The client: one session, one Transport, one object for each subsystem."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from yarl import URL

from .buckets import Buckets
from .concurrency import finish
from .config import Config, Preset
from .config.services import (
    AIStoreSettings,
    ArtifactsSettings,
    Services,
    TrainingsSettings,
    WorkspacesSettings,
)
from .copying import copy, open_local
from .disks import Disks
from .images import Images
from .jobs import Jobs
from .parsing import Parser
from .secrets import Secrets
from .service_accounts import ServiceAccounts
from .storage import Storage
from .transfer import (
    AbstractRecursiveFileProgress,
    AsyncFilterFunc,
    Side,
    TransferOptions,
    TransferResult,
)
from .transport import Transport
from .uris import file_uri
from .users import Users

if TYPE_CHECKING:
    from .aistore import AIStore
    from .artifacts import Artifacts
    from .trainings import Trainings
    from .workspaces import Workspaces

_CLOSE_TIME = 10.0


class _Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class Client:
    """Give access to a platform; obtained from ``get()`` or ``Factory.get``.

    Use it inside ``async with``, or call ``close``.
    """

    def __init__(
        self, transport: Transport, config: Config, services: Services, stack: AsyncExitStack
    ) -> None:
        self._transport = transport
        self._services = services
        self._stack = stack
        self._closed = False
        self._config = config

    def __repr__(self) -> str:
        return f"<Client {self.config.api_url}{' closed' if self._closed else ''}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        await finish(self._stack.aclose(), _CLOSE_TIME)

    def _closed_with_us(self, found: C) -> C:
        self._stack.push_async_callback(found.close)
        return found

    @property
    def closed(self) -> bool:
        """Tell whether ``close`` was called."""
        return self._closed

    @property
    def config(self) -> Config:
        """Return what the client is configured to."""
        return self._config

    @property
    def username(self) -> str:
        """Return the name of the user who is logged in."""
        return self.config.username

    @property
    def cluster_name(self) -> str:
        """Return the current cluster."""
        return self.config.cluster_name

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Return the presets of the current cluster by name."""
        return self.config.presets

    @cached_property
    def parse(self) -> Parser:
        """Read URIs, volumes, env files and image names as the user writes them."""
        return Parser(self.config)

    @cached_property
    def jobs(self) -> Jobs:
        """Start, follow and end jobs."""
        return Jobs(self._transport, self.config, self.parse)

    @cached_property
    def storage(self) -> Storage:
        """Work with files on the platform's storage."""
        return Storage(self._transport, self.config, self.parse)

    @cached_property
    def buckets(self) -> Buckets:
        """Work with buckets and the blobs in them."""
        return self._closed_with_us(Buckets(self._transport, self.config, self.parse))

    @cached_property
    def images(self) -> Images:
        """Look at the images in the platform's registry, push and pull them."""
        return self._closed_with_us(Images(self._transport, self.config, self.parse))

    @property
    def blob_storage(self) -> Buckets:
        """Work with buckets, under the name of the published texts."""
        return self.buckets

    @cached_property
    def disks(self) -> Disks:
        """Make, look up and remove persistent disks."""
        return Disks(self._transport, self.config)

    @cached_property
    def secrets(self) -> Secrets:
        """Keep values that jobs get and nobody reads."""
        return Secrets(self._transport, self.config)

    @cached_property
    def users(self) -> Users:
        """Share what is yours, and see limits and what was shared."""
        return Users(self._transport, self.config)

    @cached_property
    def service_accounts(self) -> ServiceAccounts:
        """Make, look up and remove logins for programs."""
        return ServiceAccounts(self._transport, self.config)

    @cached_property
    def trainings(self) -> Trainings:
        """Submit, watch and stop trainings of a Run:ai control plane.

        Raises:
            ConfigError: the settings lack something; says where to put it.
        """
        # Its records take as long to load as all the others together, and few programs need them.
        from .trainings import Trainings

        return self._closed_with_us(
            Trainings.from_settings(self._services.settings(TrainingsSettings))
        )

    @cached_property
    def aistore(self) -> AIStore:
        """Work with the buckets and objects of an AIStore cluster.

        Raises:
            ConfigError: the settings lack something; says where to put it.
        """
        from .aistore import AIStore

        return self._closed_with_us(AIStore.from_settings(self._services.settings(AIStoreSettings)))

    @cached_property
    def artifacts(self) -> Artifacts:
        """Bring home what runs of a Grid control plane wrote; submit, follow and end runs.

        Raises:
            ConfigError: the settings lack something; says where to put it.
        """
        from .artifacts import Artifacts

        return self._closed_with_us(
            Artifacts.from_settings(self._services.settings(ArtifactsSettings))
        )

    @cached_property
    def workspaces(self) -> Workspaces:
        """Submit workspaces into the user's Garage bucket, watch their tasks, fetch the results.

        Raises:
            ConfigError: the settings lack something; says where to put it.
        """
        from .workspaces import Workspaces

        return self._closed_with_us(
            Workspaces.from_settings(self._services.settings(WorkspacesSettings))
        )

    async def copy(
        self,
        src: URL | Path,
        dst: URL | Path,
        *,
        recursive: bool = False,
        options: TransferOptions | None = None,
        filter: AsyncFilterFunc | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Copy a file, or with ``recursive`` a folder, between any two of ``file:``, ``storage:``,
        ``blob:`` and ``ais:``.

        ``dst`` is the name of the copy itself, not of a folder to put it into. The bytes are
        streamed through this machine.

        Raises:
            ValueError: a scheme that cannot be copied.
            FileNotFoundError, ResourceNotFound: there is no such source.
            IsADirectoryError: a folder without ``recursive``, or in the copy's place.
            TransferError: with ``on_error="continue"``, lists what could not be copied.
        """
        return await copy(
            _uri(src),
            _uri(dst),
            stores={
                "file": open_local,
                "storage": self.storage.side,
                "blob": self.buckets.side,
                "ais": self._aistore_side,
            },
            recursive=recursive,
            options=options,
            filter=filter,
            progress=progress,
        )

    async def _aistore_side(self, uri: URL) -> Side:
        return await self.aistore.side(uri)


def _uri(place: URL | Path) -> URL:
    return file_uri(place) if isinstance(place, Path) else place
