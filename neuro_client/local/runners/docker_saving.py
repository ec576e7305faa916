"""Make an image of a container and push it, told as the wire wants it (jobs.md §10)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from aiodocker.containers import DockerContainer

from .docker_engine import ENGINE_ERRORS, Engine, credentials, explained


async def saved(
    engine: Engine, container: DockerContainer, job_id: str, image: str, token: str
) -> AsyncIterator[Mapping[str, Any]]:
    """Commit, push, and take the image's name away from the engine; `RunnerError` on trouble."""
    repository, _, tag = image.rpartition(":")
    yield {"status": "CommitStarted", "details": {"container": job_id, "image": image}}
    with explained("the container cannot be committed"):
        await container.commit(repository=repository, tag=tag)
    try:
        yield {"status": "CommitFinished"}
        auth = credentials(image, token)
        records = engine.docker.images.push(repository, tag=tag, auth=auth, stream=True)
        with explained(f"{image} cannot be pushed"):
            async with aclosing(records) as found:  # type: ignore[type-var]
                async for record in found:
                    yield record
    finally:
        with contextlib.suppress(*ENGINE_ERRORS):
            await engine.docker.images.delete(image)
