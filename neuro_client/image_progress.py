"""What is told while an image is pushed, pulled or saved; shared by images and jobs.

Facts: disks-secrets-images-users-accounts.md §3.3, jobs.md §10.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import attrs

from .models import LocalImage, RemoteImage


@attrs.frozen
class ImageProgressPull:
    """Tell that a pull begins."""

    src: RemoteImage
    dst: LocalImage


@attrs.frozen
class ImageProgressPush:
    """Tell that a push begins."""

    src: LocalImage
    dst: RemoteImage


@attrs.frozen
class ImageProgressStep:
    """Tell what happens to one layer.

    ``message`` is the line that a container engine prints for it; ``current`` and ``total`` are
    bytes, None when the engine gives none.
    """

    message: str
    layer_id: str
    status: str
    current: float | None
    total: float | None


@attrs.frozen
class ImageProgressSave:
    """Tell that a job's container is going to be saved."""

    job: str
    dst: RemoteImage


@attrs.frozen
class ImageCommitStarted:
    """Tell that the container is being committed."""

    job_id: str
    target_image: RemoteImage


@attrs.frozen
class ImageCommitFinished:
    """Tell that the container was committed; its push follows."""

    job_id: str


class AbstractDockerImageProgress(abc.ABC):
    """Be told how a push, a pull or a save goes on; each method is a plain, quick call."""

    @abc.abstractmethod
    def pull(self, data: ImageProgressPull) -> None:
        """Take the start of a pull."""

    @abc.abstractmethod
    def push(self, data: ImageProgressPush) -> None:
        """Take the start of a push."""

    @abc.abstractmethod
    def step(self, data: ImageProgressStep) -> None:
        """Take a step of one layer."""

    @abc.abstractmethod
    def save(self, data: ImageProgressSave) -> None:
        """Take the start of a save."""

    @abc.abstractmethod
    def commit_started(self, data: ImageCommitStarted) -> None:
        """Take the start of a commit."""

    @abc.abstractmethod
    def commit_finished(self, data: ImageCommitFinished) -> None:
        """Take the end of a commit."""


def layer_step(record: Mapping[str, Any], tag: str | None) -> ImageProgressStep | None:
    """Read one record of an engine's push or pull; None for what concerns no layer.

    The engine names the whole image by its tag where layers have their ids.
    """
    layer = record.get("id")
    if not layer or layer == tag:
        return None
    status = str(record.get("status", ""))
    bar = f" {record['progress']}" if record.get("progress") else ""
    detail = record.get("progressDetail") or {}
    return ImageProgressStep(
        message=f"{layer}: {status}{bar}",
        layer_id=str(layer),
        status=status,
        current=detail.get("current"),
        total=detail.get("total"),
    )


def engine_failure(record: Mapping[str, Any]) -> str | None:
    """Return the error that a record of an engine's stream tells, None if it tells none."""
    if "error" not in record:
        return None
    detail = record.get("errorDetail") or {}
    return str(detail.get("message") or record["error"] or "Unknown error")
