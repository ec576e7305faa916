"""Start a job at most once for one submission id, whatever happens to the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

import attrs

from ..errors import IllegalArgumentError, ProtocolError
from ..retry import RetryPolicy, is_transient
from .models import JobDescription

TAG_PREFIX = "submission:"
MAX_LENGTH = 200

SUBMIT_RETRY = RetryPolicy(attempts=8, base=0.2, cap=5.0)


def submission_tag(submission_id: str) -> str:
    """Return the tag that marks the job of a submission; ``ValueError`` for an unusable id."""
    if not 1 <= len(submission_id) <= MAX_LENGTH or any(c.isspace() for c in submission_id):
        raise ValueError(
            f"submission_id must have 1 to {MAX_LENGTH} characters and no white space, "
            f"not {submission_id!r}"
        )
    return TAG_PREFIX + submission_id


@attrs.frozen
class Submission:
    """Hold what it takes to submit one job; ``post`` and ``find`` make one attempt.

    ``find`` lists the jobs with the submission's tag, in any state. ``named`` says that the job
    has a name, which the server lets no second unfinished job have.
    """

    post: Callable[[], Awaitable[JobDescription]]
    find: Callable[[], Awaitable[Sequence[JobDescription]]]
    kill: Callable[[str], Awaitable[None]]
    named: bool
    retry: RetryPolicy = SUBMIT_RETRY
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def submit(self) -> JobDescription:
        """Return the one job of the submission: an earlier one if there is any, else a new one.

        Every attempt looks before it sends, so a job whose answer got lost is found again.

        Raises:
            the last error, when the attempts are used up or it cannot pass by itself.
        """
        attempt = 0
        lost = False
        while True:
            attempt += 1
            posted = False
            try:
                if twins := await self.find():
                    return await self._settle(twins)
                posted = True
                job = await self.post()
                break
            except Exception as error:
                if not lost and posted and _is_refusal(error) and self.named:
                    # The name may be taken by the twin that another program started just now.
                    if twins := await self.find():
                        return await self._settle(twins)
                    raise
                pause = self.retry.delay(attempt, error)
                if pause is None or not self._may_pass(error, lost):
                    if lost or (posted and _is_ambiguous(error)):
                        error.add_note(
                            "The job may have been started nevertheless; call start() again with "
                            "the same submission_id to get it instead of a second one"
                        )
                    raise
                lost = lost or (posted and _is_ambiguous(error))
            await self.sleep(pause)
        return await self._settle([job, *await self._find_twins()])

    def _may_pass(self, error: Exception, lost: bool) -> bool:
        if is_transient(error) or isinstance(error, ProtocolError):
            return True
        # After a lost answer the name may be taken by the very job that is not listed yet.
        return lost and self.named and _is_refusal(error)

    async def _find_twins(self) -> Sequence[JobDescription]:
        try:
            return await self.find()
        except Exception as error:
            if not self._may_pass(error, False):
                raise
            return []  # the job at hand is good; a twin is dealt with by the next start

    async def _settle(self, found: Iterable[JobDescription]) -> JobDescription:
        """Adopt the oldest job and kill the others that still run."""
        oldest, *others = sorted({job.id: job for job in found}.values(), key=_age)
        for job in others:
            if not job.status.is_finished:
                await self.kill(job.id)
        return oldest


def _age(job: JobDescription) -> tuple[datetime, str]:
    return job.history.created_at or datetime.max.replace(tzinfo=UTC), job.id


def _is_ambiguous(error: Exception) -> bool:
    """Tell whether the request may have been carried out although it failed."""
    if isinstance(error, ProtocolError):
        return True
    return is_transient(error) and getattr(error, "status", None) != 429


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, IllegalArgumentError) and error.status in (400, 409)
