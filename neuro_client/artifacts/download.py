"""Bring artifacts to this machine in the layout of §4.1, by the engine that moves everything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import attrs
from yarl import URL

from ..concurrency import first_failure, scoped_iterator
from ..errors import ResourceNotFound, TransferError
from ..transfer import AbstractRecursiveFileProgress, Side, TransferOptions, TransferResult
from ..transfer.engine import copy_tree
from ..transfer.places import absolute, path_url, under
from ..transfer.plan import check_windows_name
from ..transfer.sweep import local_place
from ..transport import Transport
from .lookup import Found
from .models import Artifact, Experiment
from .names import run_name_of
from .service import GridService
from .store import ArtifactStore
from .verified import VerifiedStore, plain_md5
from .wire import decode_artifacts

_LISTINGS = 8

Match = str | re.Pattern[str] | None


def pattern(match: Match) -> Callable[[str], bool]:
    """Return what tells the names that a regular expression is found in; None is in all.

    Raises:
        ValueError: it is no regular expression.
    """
    if not match:
        return lambda _: True
    try:
        found = re.compile(match)
    except re.error as error:
        raise ValueError(f"{match!r} is not a regular expression: {error}") from error
    return lambda name: found.search(name) is not None


@attrs.frozen
class Wanted:
    """Name an artifact with the place it goes to."""

    key: str
    experiment_id: str
    artifact: Artifact


def check_key(key: str) -> None:
    """Refuse a path that would leave the folder it belongs to, on any system.

    Raises:
        TransferError: it has an empty part, ``..``, a drive letter or a backslash.
    """
    for name in key.split("/"):
        check_windows_name(name)


class Downloader:
    """List the artifacts of experiments, and bring them into a folder."""

    def __init__(self, service: GridService, links: Callable[[], Transport], place: str) -> None:
        self._service = service
        self._links = links
        self._place = place

    @scoped_iterator
    async def each(self, id: str, experiment: str) -> AsyncIterator[Artifact]:
        """Yield the artifacts of an experiment, given its id and its name."""
        async with self._service.artifacts(id) as pages:
            async for page in pages:
                for artifact in decode_artifacts(page, experiment, run_name_of(experiment)):
                    yield artifact

    async def listed(self, id: str, experiment: str) -> list[Artifact]:
        """Return all artifacts of an experiment."""
        async with self.each(id, experiment) as found:
            return [artifact async for artifact in found]

    async def wanted(self, found: Sequence[Found], match: Match) -> list[Wanted]:
        """Return what is to be downloaded, experiments listed side by side."""
        accept = pattern(match)
        jobs = [(item, experiment) for item in found for experiment in item.experiments]
        pending = iter(range(len(jobs)))
        results: list[list[Wanted]] = [[] for _ in jobs]

        async def work() -> None:
            for number in pending:
                item, experiment = jobs[number]
                results[number] = [
                    Wanted(key_of(item, artifact), experiment.id, artifact)
                    for artifact in await self._of_one(item, experiment)
                    if accept(artifact.filename)
                ]

        async with first_failure() as group:
            for _ in range(min(_LISTINGS, len(jobs))):
                group.create_task(work())
        return [wanted for result in results for wanted in result]

    async def _of_one(self, found: Found, experiment: Experiment) -> list[Artifact]:
        try:
            return await self.listed(experiment.id, experiment.name)
        except ResourceNotFound:
            if found.run is None:
                raise
            return []  # it was deleted since the run was listed

    async def fetch(
        self,
        wanted: Iterable[Wanted],
        destination: URL | Path,
        options: TransferOptions,
        progress: AbstractRecursiveFileProgress | None,
    ) -> TransferResult:
        """Bring artifacts into a folder.

        Raises:
            TransferError: a name would leave the folder; without ``on_error="continue"`` nothing
                was downloaded then.
        """
        chosen = list(wanted)
        refused = [(item.key, error) for item in chosen if (error := _unsafe(item.key))]
        if refused and options.on_error == "raise":
            raise TransferError(*refused[0][1].args, failures=refused)
        bad = {key for key, _ in refused}
        names = {item.experiment_id: item.artifact.experiment_name for item in chosen}
        store = ArtifactStore(self._links(), lambda id: self.listed(id, names[id]))
        for item in chosen:
            if item.key not in bad:
                store.add(item.key, item.experiment_id, item.artifact)
        folder = await absolute(destination)
        try:
            result = await copy_tree(
                self._source(store), _target(folder, store), options=options, progress=progress
            )
        except TransferError as error:
            if not refused or not error.failures:
                raise
            raise _failed([*refused, *error.failures], len(chosen)) from error
        if refused:
            raise _failed(refused, len(chosen))
        return result

    def _source(self, store: ArtifactStore) -> Side:
        base = URL(self._place)
        return Side(
            store,
            "",
            lambda path: under(base, path),
            lambda path: under(base, path),
            place=self._place,
        )


def key_of(found: Found, artifact: Artifact) -> str:
    """Return where an artifact goes, below the folder of the call (§4.1)."""
    start = f"{found.name}/" if found.run is not None else ""
    return f"{start}{artifact.experiment_name}/{artifact.filename}"


def _unsafe(key: str) -> TransferError | None:
    try:
        check_key(key)
    except TransferError as error:
        return TransferError(f"{key!r}: {error}")
    return None


def _target(folder: Path, store: ArtifactStore) -> Side:
    url = path_url(folder)
    return Side(
        VerifiedStore(folder, lambda key: plain_md5(store.artifact(key).md5)),
        "",
        lambda path: under(url, path),
        lambda path: under(url, path),
        place=local_place(folder),
    )


def _failed(failures: Sequence[tuple[str, Exception]], count: int) -> TransferError:
    path, first = failures[0]
    return TransferError(
        f"{len(failures)} of {count} artifacts could not be downloaded; first {path!r}: {first}",
        failures=failures,
    )
