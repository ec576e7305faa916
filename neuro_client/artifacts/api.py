"""The ``client.artifacts`` subsystem: runs of a Grid control plane and what they wrote."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, Unpack

from yarl import URL

from ..concurrency import finish, scoped_iterator
from ..config.services import ArtifactsSettings
from ..errors import ConfigError, NotSupportedError, ResourceNotFound
from ..retry import RetryPolicy
from ..transfer import AbstractRecursiveFileProgress, TransferOptions, TransferResult
from .connection import DEFAULT_URL, Connection, ConnectOptions, root_url
from .datastores import Datastores, Unfinished
from .download import Downloader, Match, pattern
from .mirror import Mirror
from .models import Artifact, BucketPath, Datastore
from .runs import Runs

DESTINATION = Path("grid_artifacts")
"""Where artifacts go when nothing is said: a folder below the working directory (§4.1)."""


class Artifacts(Runs):
    """List, download and share what experiments wrote; submit, follow and end runs.

    Sign in with ``user_id`` and ``api_key``. Without ``cluster_id`` everything is about the
    server's default cluster. A name is that of a run or of one of its experiments
    (``mnist-exp0``); ids work too.

    Nothing is contacted before the first call. Use it inside ``async with connect(...)``, or call
    ``close``.

    Raises:
        ValueError: the address is none, or the user or the key is missing.
    """

    def __init__(
        self,
        url: str | URL = DEFAULT_URL,
        *,
        user_id: str,
        api_key: str,
        cluster_id: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        super().__init__(Connection(root_url(url), user_id, api_key, retry), cluster_id)

    @classmethod
    def from_settings(cls, settings: ArtifactsSettings) -> Self:
        """Build it from ``services.toml``, the environment and the files of the published client.

        Raises:
            ConfigError: a setting cannot be used.
        """
        try:
            return cls(
                settings.url or DEFAULT_URL,
                user_id=settings.user_id or "",
                api_key=settings.api_key or "",
                cluster_id=settings.cluster_id,
            )
        except ValueError as error:
            raise ConfigError(f"The settings of artifacts cannot be used: {error}") from error

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str | URL = DEFAULT_URL, **options: Unpack[ConnectOptions]
    ) -> AsyncIterator[Self]:
        """Open it for the length of a block; the options are those of the class."""
        found = cls(url, **options)
        try:
            yield found
        finally:
            await finish(found.close())

    def __repr__(self) -> str:
        return f"<Artifacts {self._connection.url}>"

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        await self._connection.close()

    async def _downloader(self) -> Downloader:
        cluster = await self._service.cluster_id()
        place = URL.build(scheme="grid", host=self._connection.url.host or "", path=f"/{cluster}")
        return Downloader(self._service, lambda: self._connection.links, str(place))

    @scoped_iterator
    async def list(self, name: str, *, match: Match = None) -> AsyncIterator[Artifact]:
        """Yield the artifacts of a run or experiment, also while it runs.

        ``match`` is a regular expression that is searched for in the file names.

        Raises:
            ResourceNotFound: there is no such run or experiment.
            ValueError: ``match`` is no regular expression.
        """
        accept = pattern(match)
        downloader = await self._downloader()
        for experiment in (await self._lookup.find(name)).experiments:
            async with downloader.each(experiment.id, experiment.name) as found:
                async for artifact in found:
                    if accept(artifact.filename):
                        yield artifact

    async def download(
        self,
        names: str | Iterable[str],
        destination: URL | Path | str = DESTINATION,
        *,
        match: Match = None,
        options: TransferOptions | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Download the artifacts of runs and experiments, whatever is there is replaced.

        Those of an experiment go to ``destination/experiment/``, those of a run to
        ``destination/run/experiment/``. Each file appears when it is complete and its size and MD5
        are right. The same call after an interruption goes on with large files.

        Raises:
            ResourceNotFound: a name is unknown; nothing was downloaded.
            ChecksumMismatchError: what arrived is not what was listed.
            SourceChangedError: the experiment writes the file again; try later, or use `mirror`.
            TransferError: a name would lead out of the folder; or lists what could not be moved.
        """
        pattern(match)
        given = [names] if isinstance(names, str) else builtins.list(names)
        found = [await self._lookup.find(name) for name in dict.fromkeys(given)]
        downloader = await self._downloader()
        wanted = await downloader.wanted(found, match)
        return await downloader.fetch(
            wanted, _place(destination), options or TransferOptions(), progress
        )

    async def mirror(
        self,
        name: str,
        destination: URL | Path | str = DESTINATION,
        *,
        match: Match = None,
        interval: float = 2.0,
        options: TransferOptions | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> TransferResult:
        """Follow the artifacts of a run or experiment into a folder until it has ended.

        The layout is that of `download`. What changes is downloaded again; what an earlier call
        has brought is not. ``interval`` is the longest pause between two looks, in seconds.
        Outages of up to five minutes are waited out.

        Raises:
            ResourceNotFound: there is no such run, or it was deleted.
            TransferError: it has ended, and some files could not be downloaded.
        """
        pattern(match)
        mirror = Mirror(
            await self._downloader(),
            lambda: self._lookup.find(name),
            _place(destination),
            match,
            options or TransferOptions(),
            progress,
        )
        return await mirror.run(interval)

    async def share(self, name: str, filename: str) -> URL:
        """Return a link to an artifact that works without a login for up to 24 hours.

        ``name`` is an experiment, or a run of which one experiment only has such a file.

        Raises:
            ResourceNotFound: there is no such artifact, or there are several.
        """
        async with self.list(name) as found:
            links = [
                (item.experiment_name, item.url)
                async for item in found
                if item.filename == filename
            ]
        if len(links) == 1:
            return links[0][1]
        if links:
            owners = ", ".join(owner for owner, _ in links)
            raise ResourceNotFound(f"Several experiments of {name!r} have {filename!r}: {owners}")
        raise ResourceNotFound(f"{name!r} has no artifact {filename!r}; `list` tells which it has")

    async def bucket_paths(self, names: str | Iterable[str]) -> tuple[BucketPath, ...]:
        """Return where in the user's own bucket the artifacts of each experiment are.

        Raises:
            NotSupportedError: the cluster is not one in the user's own AWS account.
            ResourceNotFound: a name is unknown.
        """
        given = [names] if isinstance(names, str) else builtins.list(names)
        cluster = await self._service.cluster()
        if not cluster.is_own or not cluster.bucket:
            raise NotSupportedError(
                f"The cluster {cluster.id!r} does not keep artifacts in a bucket of yours; only "
                "clusters in your own AWS account do: use `download`"
            )
        found = [await self._lookup.find(name) for name in dict.fromkeys(given)]
        return tuple(
            BucketPath(item.name, f"s3://{cluster.bucket}/experiments/{item.id}/artifacts/")
            for one in found
            for item in one.experiments
        )

    @property
    def _datastores(self) -> Datastores:
        return Datastores(self._service, lambda: self._connection.links, self._connection.url)

    @scoped_iterator
    async def datastores(self) -> AsyncIterator[Datastore]:
        """Yield the datastores that are complete."""
        async with self._datastores.each() as found:
            async for item in found:
                yield item

    async def upload_datastore(
        self,
        source: URL | Path | str,
        name: str,
        *,
        force: bool = False,
        options: TransferOptions | None = None,
        progress: AbstractRecursiveFileProgress | None = None,
    ) -> Datastore:
        """Upload a folder, or one file, as a new version of a datastore.

        The same call after an interruption goes on where it ended: files that arrived are not
        sent again.

        Raises:
            SourceChangedError: files that were sent have changed since; ``force`` sends them again.
            FileNotFoundError: there is no such folder or file.
        """
        return await self._datastores.upload(
            _place(source), name, force=force, options=options, progress=progress
        )

    async def unfinished_datastores(self) -> tuple[Unfinished, ...]:
        """Return the uploads that were interrupted on this machine."""
        return await self._datastores.unfinished()


def _place(where: URL | Path | str) -> URL | Path:
    return Path(where) if isinstance(where, str) else where
