"""Saving the container of a job as an image (jobs.md §10)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from yarl import URL

from ..errors import ConfigError, ProtocolError
from ..image_progress import (
    AbstractDockerImageProgress,
    ImageCommitFinished,
    ImageCommitStarted,
    ImageProgressPush,
    ImageProgressSave,
    engine_failure,
    layer_step,
)
from ..models import LocalImage, RemoteImage
from ..streaming.ndjson import LineSplitter
from ..threads import run_blocking
from ..transport import Answer, Transport
from .service import JobParser

_ENGINE_FAILED = 900
_MALFORMED = 400
_STARTED, _FINISHED = "CommitStarted", "CommitFinished"


async def save(
    transport: Transport,
    url: URL,
    id: str,
    image: RemoteImage,
    parse: JobParser,
    progress: AbstractDockerImageProgress | None,
) -> None:
    """Ask for the commit and the push, and tell *progress* how they go."""
    await run_blocking(_load_errors)
    if progress is not None:
        progress.save(ImageProgressSave(id, image))
    body = {"container": {"image": image.as_docker_url()}}
    async with (
        transport.request("POST", url, json=body, retry=None, read_timeout=None) as answer,
        aclosing(_records(answer)) as records,
    ):
        started = _commit_record(await anext(records, None), _STARTED)
        text = started.get("details", {}).get("image")
        if not isinstance(text, str):
            raise _error(_MALFORMED, "The service did not say what image it makes")
        target = parse.remote_image(text)
        if progress is not None:
            progress.commit_started(ImageCommitStarted(id, target))
        _commit_record(await anext(records, None), _FINISHED)
        if progress is not None:
            progress.commit_finished(ImageCommitFinished(id))
            source = LocalImage(f"{image.owner}/{image.name}", image.tag)
            progress.push(ImageProgressPush(source, image))
        async for record in records:
            if (failure := engine_failure(record)) is not None:
                raise _error(_ENGINE_FAILED, failure)
            step = layer_step(record, image.tag)
            if step is not None and progress is not None:
                progress.step(step)


async def _records(answer: Answer) -> AsyncGenerator[Mapping[str, Any]]:
    splitter = LineSplitter()
    async for chunk in answer.chunks():
        for line in splitter.feed(chunk):
            yield _decoded(line)
    if rest := splitter.flush():
        yield _decoded(rest)


def _decoded(line: bytes) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise ProtocolError(
            f"A line of {len(line)} bytes about the saving of a job is not a JSON object"
        )
    return record


def _commit_record(record: Mapping[str, Any] | None, status: str) -> Mapping[str, Any]:
    """Check one of the first two lines; ``DockerError`` for a failure or another line."""
    if record is None:
        raise _error(_MALFORMED, f"The answer ended before {status}")
    if (failure := engine_failure(record)) is not None:
        raise _error(_ENGINE_FAILED, failure)
    if record.get("status") != status:
        raise _error(_MALFORMED, f"{status} was due, and {record.get('status')!r} came")
    return record


def _load_errors() -> None:
    """Import what the errors are made of, before anything is sent; reads files."""
    try:
        import aiodocker  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Saving a job needs the package aiodocker; install it with "
            "`pip install 'neuro_client[images]'`"
        ) from error


def _error(status: int, text: str) -> Exception:
    from aiodocker import DockerError

    return DockerError(status, text)
