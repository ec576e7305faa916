"""Open the Grid control plane of the settings."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import click

from ..artifacts import Artifacts, Experiment, GridRun
from ..config.services import ArtifactsSettings
from .foreign import open_service
from .settings import Settings


def open_artifacts(
    settings: Settings, cluster: str | None = None
) -> AbstractAsyncContextManager[Artifacts]:
    """Open what the settings name; see `open_service`."""
    return open_service(settings, ArtifactsSettings, Artifacts.from_settings, cluster_id=cluster)


async def check_kind(artifacts: Artifacts, kind: str, name: str) -> None:
    """Refuse a run where an experiment is meant, and the other way round.

    Raises:
        UsageError: the name is that of the other kind.
        ResourceNotFound: there is neither.
    """
    found: GridRun | Experiment = await artifacts.get(name)
    is_run = isinstance(found, GridRun)
    if is_run != (kind == "run"):
        other = "a run" if is_run else "an experiment"
        raise click.UsageError(f"{name!r} is {other}; use `{kind}` only for its own kind")
