"""Create a training at most once, whatever happens to the answers (runai-trainings.md §8.2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from ..errors import (
    AuthorizationError,
    ConflictError,
    IllegalArgumentError,
    ProtocolError,
    RateLimitError,
)
from ..retry import RetryPolicy, is_transient
from .models import Training
from .spec import TrainingRequest, TrainingSpec

ANNOTATION = "neuro-client/submission-id"

SUBMIT_RETRY = RetryPolicy(attempts=6, base=0.2, cap=5.0)

_ID = re.compile(r"\S{1,200}")


def check_submission_id(submission_id: str) -> str:
    """Return a usable id; ``ValueError`` for another one."""
    if not _ID.fullmatch(submission_id):
        raise ValueError(
            f"submission_id must have 1 to 200 characters and no white space, not {submission_id!r}"
        )
    return submission_id


def request_of(
    request: TrainingRequest | TrainingSpec,
    name: str | None,
    project_id: str | int | None,
    cluster_id: str | None,
) -> TrainingRequest:
    """Put together what is submitted; ``ValueError`` where names are missing or given twice."""
    if isinstance(request, TrainingRequest):
        given = {"name": name, "project_id": project_id, "cluster_id": cluster_id}
        if named := [key for key, value in given.items() if value is not None]:
            raise ValueError(f"the request has {', '.join(named)} already; change it there")
        return request
    if name is None or project_id is None or cluster_id is None:
        raise ValueError("a spec needs name, project_id and cluster_id beside it")
    return TrainingRequest(name=name, project_id=project_id, cluster_id=cluster_id, spec=request)


def annotated(body: Mapping[str, Any], submission_id: str) -> dict[str, Any]:
    """Return a request that carries the id of its submission."""
    spec = dict(body.get("spec") or {})
    others = [item for item in spec.get("annotations") or () if item.get("name") != ANNOTATION]
    spec["annotations"] = [*others, {"name": ANNOTATION, "value": submission_id}]
    return {**body, "spec": spec}


def carries(training: Training, submission_id: str) -> bool | None:
    """Tell whether a training is of a submission; None if its server does not tell."""
    spec = training.raw.get("spec")
    listed = spec.get("annotations") if isinstance(spec, Mapping) else None
    if not isinstance(listed, list):
        return None
    values = [
        item.get("value")
        for item in listed
        if isinstance(item, Mapping) and item.get("name") == ANNOTATION
    ]
    return submission_id in values if values else None


@attrs.frozen
class Submission:
    """Hold what it takes to submit one training; ``post`` and ``find`` make one attempt.

    ``find`` returns the trainings of this submission. ``unique`` says that the server lets no
    second training have the name, so that sending again cannot make one. ``known`` says that the
    id comes from outside: there may be a training of an earlier call.
    """

    id: str
    post: Callable[[], Awaitable[Training]]
    find: Callable[[], Awaitable[Sequence[Training]]]
    unique: bool
    known: bool
    retry: RetryPolicy = SUBMIT_RETRY
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def submit(self) -> Training:
        """Return the one training of the submission.

        Raises:
            the error of the request, when no training of the submission can be found.
        """
        lost: Exception | None = None
        attempt = 0
        while True:
            attempt += 1
            posted = False
            try:
                if (self.known or lost is not None) and (found := await self.find()):
                    return _oldest(found)
                if lost is None or self.unique:
                    posted = True
                    return await self.post()
            except Exception as error:
                if posted and _is_refusal(error):
                    return await self._adopt_or_raise(error, lost)
                if isinstance(error, AuthorizationError) and lost is not None:
                    raise self._noted(lost) from error
                if not _may_pass(error):
                    raise
                if posted and not isinstance(error, RateLimitError):
                    lost = error
                pause = self.retry.delay(attempt, error)
                if pause is None:
                    if lost is None:
                        raise
                    raise self._noted(lost) from error
            else:
                # Nothing is found yet, and sending again might make a second one.
                assert lost is not None
                pause = self.retry.delay(attempt, lost)
                if pause is None:
                    raise self._noted(lost)
            await self.sleep(pause)

    async def _adopt_or_raise(self, error: Exception, lost: Exception | None) -> Training:
        """Take a refused name for that of the training whose answer was lost, if it is."""
        if isinstance(error, ConflictError) or lost is not None or self.known:
            try:
                found = await self.find()
            except Exception as obstacle:
                if not _may_pass(obstacle) and not isinstance(obstacle, AuthorizationError):
                    raise
                found = []
            if found:
                return _oldest(found)
        raise error

    def _noted(self, error: Exception) -> Exception:
        error.add_note(
            "The training may have been created nevertheless; call create() again with "
            f"submission_id={self.id!r} to get it instead of a second one"
        )
        return error


def _oldest(found: Iterable[Training]) -> Training:
    latest = datetime.max.replace(tzinfo=UTC)
    return min(found, key=lambda training: (training.created_at or latest, training.id))


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, IllegalArgumentError) and error.status in (400, 409, 422)


def _may_pass(error: Exception) -> bool:
    return is_transient(error) or isinstance(error, ProtocolError)
